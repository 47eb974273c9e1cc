/** The serial line of a host's machine: who gets it, as it is asked for and as it is typed. */
import { PassThrough } from 'node:stream'
import test, { type ExecutionContext } from 'ava'
import WebSocket from 'ws'
import { Fault } from '#shared/fault.ts'
import { typeLine } from '../../tools/cli/type-line.ts'
import { joinHost, type WorldController, worldController } from '../../world/world-controller.ts'

/** A host h1 with a device, and h2 without. */
async function withHosts(
  t: ExecutionContext,
  work: (world: WorldController) => Promise<void>
): Promise<void> {
  t.timeout(120_000)
  await using world = await worldController()
  for (const name of ['h1', 'h2']) await joinHost(world, name)
  await world.ask({ method: 'PUT', path: '/v1/secrets/bmc', body: { value: 'v' } })
  const ipmi = { type: 'ipmi', address: 'bmc1', user: 'u', secret: 'bmc' }
  const set = await world.ask({
    ...{ method: 'PATCH', path: '/v1/hosts/h1', headers: { 'if-match': '*' } },
    body: { spec: { fence: [{ devices: [ipmi] }] } }
  })
  t.is(set.status, 200, set.text)
  await work(world)
}

/** A line that greets, and says again what is typed; notes how it was asked for. */
function serve(world: WorldController): readonly string[] {
  const asked: string[] = []
  world.running.service.machines.serve(({ name }, { take }) => {
    asked.push(`${name} ${take}`)
    const line = new PassThrough()
    line.write('login: ')
    return line
  })
  return asked
}

test('what is typed goes to the machine, and what it says comes back', t =>
  withHosts(t, async world => {
    const asked = serve(world)
    const server = `unix:${world.socket('admin')}`
    const typed = await typeLine('power console h1 --take', { server, input: 'root\r' })
    t.is(typed.code, 0, typed.errors)
    t.is(typed.output, 'login: root\r')
    await typeLine('power console h1', { server })
    t.deepEqual(asked, ['h1 true', 'h1 false'])
  }))

test('without a device, a bootd, or its leave it is said why there is none', t =>
  withHosts(t, async world => {
    const server = `unix:${world.socket('admin')}`
    const none = await typeLine('power console h2', { server })
    t.is(none.code, 4)
    t.regex(none.errors, /host h2: it has no device.*remuda host fence set h2 --ipmi/s)
    const alone = await typeLine('power console h1', { server })
    t.not(alone.code, 0)
    t.regex(alone.errors, /no bootd is used here/)
    t.is((await typeLine('power console h9', { server })).code, 3)
    world.running.service.machines.serve(() => {
      throw new Fault('conflict', 'cannot open the serial line of host h1: it is open')
    })
    const taken = await typeLine('power console h1', { server })
    t.is(taken.code, 4)
    t.regex(taken.errors, /it is open/)
  }))

test('readers and those without a token get no machine', t =>
  withHosts(t, async world => {
    const asked = serve(world)
    const body = { name: 'looker', role: 'reader' }
    const made = await world.ask({ method: 'POST', path: '/v1/tokens', body })
    const { token } = made.json
    const statusOf = (headers: Readonly<Record<string, string>>): Promise<number> =>
      new Promise((resolve, reject) => {
        const url = `ws://127.0.0.1:${world.running.port}/v1/hosts/h1/console`
        const client = new WebSocket(url, { headers })
        client.on('unexpected-response', (_, { statusCode = 0 }) => resolve(statusCode))
        client.on('open', () => resolve(101))
        client.on('error', reject)
      })
    t.is(await statusOf({}), 401)
    t.is(await statusOf({ authorization: `Bearer ${token}` }), 403)
    t.deepEqual(asked, [])
  }))
