import test, { type ExecutionContext } from 'ava'
import type { FenceState } from '#shared/wire/fence.ts'
import type { FenceShown } from '../../../controller/core/fence-shown.ts'
import { joinHost, type WorldController, worldController } from '../../world/world-controller.ts'

async function withHosts(
  t: ExecutionContext,
  work: (world: WorldController) => Promise<void>
): Promise<void> {
  t.timeout(60_000)
  await using world = await worldController()
  for (const name of ['h1', 'h2']) await joinHost(world, name)
  await work(world)
}

const ipmi = { type: 'ipmi', address: 'bmc1', user: 'u', secret: 'bmc' }
const set = (fence: unknown, host = 'h1') => ({
  method: 'PATCH',
  path: `/v1/hosts/${host}`,
  body: { spec: { fence } },
  headers: { 'if-match': '*' }
})
const secret = { method: 'PUT', path: '/v1/secrets/bmc', body: { value: 'v' } }

/** What bootd says of the device of h1. */
function says(world: WorldController, changes: Partial<FenceState>): void {
  const { reign } = world.running.service
  const { wall } = reign.now()
  const at = new Date(wall).toISOString()
  const device = { level: 1, name: 'IPMI at bmc1', power: 'on' as const, reachable: true }
  const state: FenceState = {
    ...{ host: 'h1', name: 'h1', want: 'watch', epoch: 9, phase: 'idle', since: at },
    ...{ attempt: 0, level: 0, story: [], devices: [{ ...device, since: at }] },
    ...changes
  }
  reign.view.fold({ type: 'fences', states: [state], at: reign.now() })
  reign.wake()
}

test('devices of a host are set once their secret is, and tell what they read and would do', t =>
  withHosts(t, async world => {
    const early = await world.ask(set([{ devices: [ipmi] }]))
    t.is(early.status, 409)
    t.deepEqual(early.problem.next, ['remuda secret set bmc'])
    await world.ask(secret)
    t.is((await world.ask(set([{ devices: [ipmi] }]))).status, 200)
    const before = (await world.ask({ path: '/v1/hosts/h1/fence' })).json
    t.like(before, { state: 'not-asked', devices: [{ power: 'unknown' }] } as object)
    says(world, {})
    const { json } = await world.ask({ path: '/v1/hosts/h1/fence' })
    t.like(json, { state: 'ready', because: 'IPMI at bmc1 reads on' } as object)
    t.like(json, { devices: [{ level: 1, name: 'IPMI at bmc1', power: 'on' }] } as object)
    t.is((await world.ask(set([{ devices: [ipmi] }], 'h2'))).status, 409, 'it is that of h1')
    t.is((await world.ask(set(null))).status, 200)
    const after = (await world.ask({ path: '/v1/hosts/h1/fence' })).json
    t.like(after, { state: 'no-device', devices: [] } as object)
  }))

test('devices are asked now where that is wanted, and why not is told', t =>
  withHosts(t, async world => {
    await world.ask(secret)
    await world.ask(set([{ devices: [ipmi] }]))
    says(world, {})
    const asking = { path: '/v1/hosts/h1/fence?ask=1' }
    const silent = (await world.ask(asking)).json as unknown as FenceShown
    t.false(silent.asked?.isNow)
    t.regex(silent.asked!.because, /^not asked now: no bootd is heard; said .* ago$/)
    t.like(silent.devices[0], { power: 'on', askedAt: undefined })
    const at = '2026-11-20T10:00:00.000Z'
    const found = { level: 1, name: 'IPMI at bmc1', power: 'off', reachable: true, since: at }
    const look = { epoch: 9, devices: [{ ...found, askedAt: at, isNow: true }] }
    const asked: object[] = []
    world.running.service.bootds.serve({
      bootds: () => ['c1', 'c2'],
      ask: async (bootd, question) => {
        asked.push(question)
        const bytes = Buffer.from(bootd === 'c1' ? JSON.stringify(look) : '')
        const code = bootd === 'c1' ? {} : { code: 'not-found' as const }
        return {
          type: 'answer',
          number: 1,
          message: 'its devices are not known here',
          bytes,
          ...code
        }
      }
    })
    const { json } = await world.ask(asking)
    t.like(json, { asked: { isNow: true, because: 'bootd of c1 has asked them now' } } as object)
    t.like(json, { devices: [{ power: 'off', askedAt: at }] } as object)
    t.is(asked.length, 2)
    t.is((asked[0] as { readonly ask: string }).ask, 'fence-look')
    t.is(
      ((await world.ask({ path: '/v1/hosts/h1/fence' })).json as object as FenceShown).asked,
      undefined
    )
  }))

const wrong: readonly (readonly [string, object, RegExp])[] = [
  ['a password in its place', { ...ipmi, password: 'x' }, /password/],
  ['no address', { type: 'ipmi', user: 'u', secret: 'bmc' }, /address/],
  ['an agent that reads no power', { type: 'agent', agent: 'fence_scsi', parameters: {} }, /agent/],
  ['a type that is none', { type: 'magic' }, /type|form/]
]

for (const [what, device, says_] of wrong) {
  test(`a device with ${what} is refused in words`, t =>
    withHosts(t, async world => {
      const { status, problem } = await world.ask(set([{ devices: [device] }]))
      t.is(status, 422)
      t.regex(problem.reasons.join(' '), says_)
    }))
}

test('a test for real is refused of a host in service, and done by force', t =>
  withHosts(t, async world => {
    await world.ask(secret)
    await world.ask(set([{ devices: [ipmi] }]))
    const test_ = { method: 'POST', path: '/v1/hosts/h1/fence-test', body: {} }
    const refused = await world.ask(test_)
    t.is(refused.status, 409)
    t.regex(refused.problem.detail, /it is in service, and it would lose its power/)
    const begun = await world.ask({ ...test_, body: { force: true } })
    t.is(begun.status, 200)
    const fence = world.running.service.reign.view.named('host', 'h1')!.decided.fenceTest!.id
    const at = begun.json.createdAt
    const found = { epoch: 9, at, tookMs: 5, because: 'read twice' }
    const ended = async (step: string | undefined): Promise<object> => {
      for (;;) {
        const { json } = await world.ask({ path: '/v1/hosts/h1/fence' })
        const { test: now } = json as unknown as { readonly test?: { readonly step: string } }
        if (now?.step === step) return json
        await new Promise(resolve => setTimeout(resolve, 10))
      }
    }
    says(world, { want: 'off', verdict: { verdict: 'off-confirmed', fence, ...found } })
    await ended('on')
    const on = `${fence}-on`
    says(world, { want: 'on', verdict: { verdict: 'on-confirmed', fence: on, ...found } })
    t.like(await ended(undefined), { tested: { passed: true } })
  }))

test('ha tells of hosts without devices, and confirm-off is refused of one that speaks', t =>
  withHosts(t, async world => {
    const { json } = await world.ask({ path: '/v1/ha' })
    t.like(json, { armed: true, watches: true, brake: { hosts: 2, most: 1 } } as object)
    t.like(json, { exposed: [{ host: 'h1', state: 'no-device' }, { host: 'h2' }] } as object)
    const off = await world.ask({ method: 'POST', path: '/v1/hosts/h1/confirm-off' })
    t.is(off.status, 409)
    t.regex(off.problem.detail, /it speaks/)
    const because = 'new switch'
    const disarm = { method: 'POST', path: '/v1/ha/disarm', body: { because } }
    const first = await world.ask(disarm)
    t.is(first.headers['remuda-changed'], 'true')
    t.like(first.json, { armed: false, disarmed: { by: 'user/admin', because } } as object)
    t.is((await world.ask(disarm)).headers['remuda-changed'], 'false')
    t.is((await world.ask({ ...disarm, body: {} })).status, 422)
    t.like((await world.ask({ method: 'POST', path: '/v1/ha/arm' })).json, {
      armed: true
    } as object)
    const patch = { method: 'PATCH', path: '/v1/ha', body: { reserveHosts: 1 } }
    t.like((await world.ask(patch)).json, { reserveHosts: 1 } as object)
    t.is((await world.ask({ ...patch, body: { reserveHosts: 99 } })).status, 422)
  }))
