/** Instances that start one after the other, with real ports to call and real calls home. */
import test, { type ExecutionContext } from 'ava'
import type { ResourceDocument } from '#shared/model/index.ts'
import { Cloud } from './cloud.ts'
import { eventually } from './waiting.ts'

let cloud: Cloud

test.before(async () => {
  cloud = await Cloud.start()
  // A host may be heard before its libvirt has said what it can run.
  await eventually('the host runs containers', async () => {
    const { status } = await cloud.untilHost()
    const { drivers } = status['facts'] as { readonly drivers: readonly string[] }
    return drivers.includes('lxc') || undefined
  })
})

test.afterEach.always(async t => {
  if (!t.passed) for (const line of (await cloud?.lastWords()) ?? []) t.log(line)
})

test.after.always(async () => {
  await cloud?.[Symbol.asyncDispose]()
})

const box = { type: 'container', image: 'tiny-container', memoryMib: 48 } as const

const readinessOf = ({ status }: ResourceDocument) =>
  status['readiness'] as { readonly state: string; readonly message: string } | undefined

/** Positions of what was decided about one, by verb. */
async function positionsOf(name: string): Promise<ReadonlyMap<string, number>> {
  const all = await cloud.history(`instances/${name}`)
  return new Map(all.map(({ verb, position }) => [verb, position]))
}

async function startsAfter(t: ExecutionContext, name: string, before: string): Promise<void> {
  await cloud.untilReady(name, 'running')
  // What agents have seen comes into histories a moment after it is so.
  const [started, ready] = await eventually('both are in their histories', async () => {
    const [own, other] = [await positionsOf(name), await positionsOf(before)]
    const both = [own.get('instance-started'), other.get('instance-ready')] as const
    return both.includes(undefined) ? undefined : both
  })
  t.true(started! > ready!)
}

test.serial(
  'a container starts once the one before it takes calls and has phoned home',
  async t => {
    await cloud.create('db', { ...box, readiness: { tcp: 80, phoneHome: true } })
    await cloud.create('app', { ...box, after: ['db'] })
    await eventually('its port takes calls, and it has not phoned home', async () => {
      const { message = '' } = readinessOf(await cloud.instance('db')) ?? {}
      return message.endsWith(': it has not phoned home') || undefined
    })
    const waiting = await cloud.instance('app')
    t.is(waiting.status['phase'], 'waiting')
    const mayStart = waiting.conditions.find(({ type }) => type === 'may-start')
    t.like(mayStart, { status: 'false', reason: 'others-not-ready' })
    t.regex(mayStart!.message, /^waits for db/)
    {
      await using session = cloud.console('db')
      session.type('\r')
      await session.until(/root@\S+:~# /)
      session.type('wget -q -O - http://10.66.0.1:7416/ | sed s/^/home-says-/\r')
      await session.until(/home-says-ready/)
    }
    await startsAfter(t, 'app', 'db')
    t.is(readinessOf(await cloud.instance('db'))?.state, 'ready')
  }
)
