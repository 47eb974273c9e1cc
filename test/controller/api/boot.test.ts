/** Routes about how machines boot: settings, versions of the image, machines to come, and boots. */
import test, { type ExecutionContext } from 'ava'
import { bootWorld, hearBoots } from '../../world/boots-heard.ts'
import type { Answered, WorldController } from '../../world/world-controller.ts'
import { bootOf, first, manifestOf, second } from '../core/boot/boot-world.ts'

async function withBoots(
  t: ExecutionContext,
  work: (world: WorldController) => Promise<void>
): Promise<void> {
  t.timeout(60_000)
  await using world = await bootWorld()
  await work(world)
}

const patch = (world: WorldController, body: object): Promise<Answered> =>
  world.ask({ method: 'PATCH', path: '/v1/boot', body })
const promote = (world: WorldController, version: string, body: object = {}): Promise<Answered> =>
  world.ask({ method: 'POST', path: `/v1/host-images/${version}/promote`, body })
const expecting = (world: WorldController, body: object): Promise<Answered> =>
  world.ask({ method: 'POST', path: '/v1/boot/expected', body })

/** An answer as whatever the route gives. */
const said = <Said = Readonly<Record<string, unknown>>>({ json }: Answered): Said =>
  json as unknown as Said

test('before anybody has set anything, unknown machines wait and bootds are told of', t =>
  withBoots(t, async world => {
    const boot = said(await world.ask({ path: '/v1/boot' }))
    t.like(boot, { unknown: 'wait', joinWithinS: 600, expected: [], sshKeys: [] })
    t.deepEqual(boot['bootds'], [
      { name: 'c1', mode: 'full', url: 'http://10.0.0.2:7480', foreign: [] }
    ])
  }))

test('settings are changed one by one, taken away by null, and never show the boot key', t =>
  withBoots(t, async world => {
    const imageKey = `RW${'A'.repeat(54)}`
    const set = await patch(world, { imageKey, sshKeys: ['ssh-ed25519 AAAA me'], joinWithinS: 90 })
    t.like(said(set), { imageKey, sshKeys: ['ssh-ed25519 AAAA me'], joinWithinS: 90 })
    const taken = await patch(world, { imageKey: null, joinWithinS: null })
    t.like(said(taken), { imageKey: undefined, joinWithinS: 600, sshKeys: ['ssh-ed25519 AAAA me'] })
    const { key } = world.running.service.reign.view.cloud!.boot!
    t.false(taken.text.includes(key))
    t.is(said(await patch(world, { peers: true }))['peers'], true)
    t.is(said(await patch(world, { peers: null }))['peers'], false)
    const again = await patch(world, { sshKeys: ['ssh-ed25519 AAAA me'] })
    t.is(again.headers['remuda-changed'], 'false')
  }))

test('a policy lets so many machines in, and ends with null', t =>
  withBoots(t, async world => {
    const policy = { uses: 3, expiresMs: 3_600_000, subnets: ['10.0.0.0/24'] }
    const set = said<{ policy: object }>(await patch(world, { policy }))
    t.like(set.policy, { usesLeft: 3, subnets: ['10.0.0.0/24'] } as object)
    t.is(said(await patch(world, { policy: null }))['policy'], undefined)
    t.is(world.running.service.reign.view.joinTokens().size, 0)
  }))

const wrong: readonly (readonly [what: string, body: object])[] = [
  ['a key that is none', { imageKey: 'RWshort' }],
  ['kernel options that would be more than one line', { kernelOptions: 'quiet\nboot' }],
  ['a time that is too short to boot in', { joinWithinS: 5 }],
  ['a range that is none', { policy: { uses: 1, expiresMs: 5_000, subnets: ['10.0.0.0/99'] } }],
  ['a word that nobody knows', { unknown: 'everything' }],
  ['peers that are neither there nor not', { peers: false }],
  ['a setting that nobody knows', { dhcp: true }]
]
for (const [what, body] of wrong) {
  test(`${what} is refused, and nothing is set`, t =>
    withBoots(t, async world => {
      t.is((await patch(world, body)).status, 422)
      t.is(world.running.service.reign.view.cloud?.boot, undefined)
    }))
}

test('a version is promoted, tried on some hosts, and rolled back', t =>
  withBoots(t, async world => {
    t.like(said(await promote(world, first)), { current: first })
    const canary = { version: second, percent: 5 }
    t.like(said(await promote(world, second, { percent: 5 })), { current: first, canary })
    const back = { method: 'POST', path: '/v1/host-images/rollback' }
    t.like(said(await world.ask(back)), { current: first, canary: undefined })
    t.like(said(await promote(world, second)), { current: second, previous: first })
    const { items } = said<{ items: readonly object[] }>(
      await world.ask({ path: '/v1/host-images' })
    )
    t.like(items[0], { version: second, role: 'current', bootds: ['c1'], wanted: ['h1'] } as object)
    t.like(items[1], { version: first, role: 'previous', wanted: [] } as object)
    t.like(said(await world.ask(back)), { current: first, previous: undefined })
    t.is((await world.ask(back)).status, 409)
  }))

test('a version that no bootd has, or that is none, cannot be promoted', t =>
  withBoots(t, async world => {
    const { status, problem } = await promote(world, '3'.repeat(16))
    t.is(status, 404)
    t.deepEqual(problem.reasons, [`there are ${first}, ${second}`])
    t.is((await promote(world, first, { percent: 0 })).status, 422)
    t.is((await promote(world, 'latest')).status, 404)
  }))

test('a version that one bootd lacks is refused, and fetched there from then on', t =>
  withBoots(t, async world => {
    const { view } = world.running.service.reign
    await promote(world, first)
    const images = [{ manifest: manifestOf(first) }]
    hearBoots(world, { url: 'http://10.0.1.2:7480', images }, 'c2')
    const pin = { method: 'PATCH', path: '/v1/hosts/h1', body: { spec: { image: second } } }
    const headers = { 'content-type': 'application/merge-patch+json', 'if-match': '*' }
    for (const answer of [await promote(world, second), await world.ask({ ...pin, headers })]) {
      t.is(answer.status, 409)
      t.regex(answer.problem.detail, /the bootd of c2 lacks it/)
    }
    t.deepEqual(view.boots.sought, [second])
    t.is(view.cloud?.boot?.current, first)
  }))

test('there is nothing to roll back to before a second version was promoted', t =>
  withBoots(t, async world => {
    const back = { method: 'POST', path: '/v1/host-images/rollback' }
    const { status, problem } = await world.ask(back)
    t.is(status, 409)
    t.regex(problem.detail, /there is no version before the current one/)
  }))

test('a machine is expected until it is forgotten, and no two may be the same', t =>
  withBoots(t, async world => {
    const mac = '52:54:00:12:34:56'
    const { expected } = said<{ expected: readonly object[] }>(
      await expecting(world, { name: 'h7', macs: [mac] })
    )
    t.deepEqual(expected, [{ name: 'h7', macs: [mac] }])
    const rows: readonly (readonly [object, number, RegExp])[] = [
      [{ name: 'h8' }, 422, /nothing tells it from other machines/],
      [{ name: 'h8', macs: [mac] }, 409, /that machine is expected as h7/],
      [{ name: 'h1', serial: 'CZ1' }, 409, /there is a host of that name/],
      [{ name: 'h8', macs: ['52:54:00'] }, 422, /form|macs/]
    ]
    for (const [body, status, because] of rows) {
      const answer = await expecting(world, body)
      t.is(answer.status, status, JSON.stringify(body))
      t.regex([answer.problem.detail, ...answer.problem.reasons].join(' '), because)
    }
    const forget = { method: 'DELETE', path: '/v1/boot/expected/h7' }
    t.deepEqual(said(await world.ask(forget))['expected'], [])
    t.is((await world.ask(forget)).status, 404)
  }))

test('boots are told with the name of the host that the machine is by now', t =>
  withBoots(t, async world => {
    const { name: _, ...boot } = bootOf('image', { uuid: 'h1', percent: 12 })
    hearBoots(world, { boots: [boot, bootOf('waiting', { boot: 'b-2', uuid: 'stranger' })] })
    const { items } = said<{ items: readonly object[] }>(await world.ask({ path: '/v1/boots' }))
    t.is(items.length, 2)
    t.like(items[0], { name: 'h1', stage: 'image', percent: 12, bootd: 'c1' } as object)
    t.like(items[1], { uuid: 'stranger', name: undefined } as object)
  }))

test('what a host boots once is wished, may be tried, and is taken back', t =>
  withBoots(t, async world => {
    const once = (body: object, query = ''): Promise<Answered> =>
      world.ask({ method: 'POST', path: `/v1/hosts/h1/boot-once${query}`, body })
    const host = () => world.running.service.reign.view.named('host', 'h1')!
    t.like(said(await once({ profile: 'rescue' }, '?dryRun=1')), { dryRun: true, changed: true })
    t.is(host().decided.bootOnce, undefined)
    t.is((await once({ profile: 'rescue' })).status, 200)
    t.is(host().decided.bootOnce?.profile, 'rescue')
    t.is((await once({ profile: 'host' })).status, 200)
    t.is(host().decided.bootOnce, undefined)
    t.is((await once({ profile: 'floppy' })).status, 422)
    const nobody = await world.ask({
      ...{ method: 'POST', path: '/v1/hosts/h9/boot-once', body: { profile: 'rescue' } }
    })
    t.is(nobody.status, 404)
  }))
