/** Instances that start one after the other, with real ports to call and real calls home. */
import test, { type ExecutionContext } from 'ava'
import type { ResourceDocument } from '#shared/model/index.ts'
import { Cloud } from './cloud.ts'
import { runCloudInit } from './cloud-init.ts'
import { eventually } from './waiting.ts'

let cloud: Cloud

test.before(async () => {
  cloud = await Cloud.start()
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

/** Waits until one says that it is not ready, with these last words. */
async function untilNotReady(name: string, words: string): Promise<void> {
  await eventually(`${name} says "${words}"`, async () => {
    const { message = '' } = readinessOf(await cloud.instance(name)) ?? {}
    return message.endsWith(words) || undefined
  })
}

async function isHeldFor(t: ExecutionContext, name: string, before: string): Promise<void> {
  const waiting = await cloud.instance(name)
  t.is(waiting.status['phase'], 'waiting')
  const mayStart = waiting.conditions.find(({ type }) => type === 'may-start')
  t.like(mayStart, { status: 'false', reason: 'others-not-ready' })
  t.true(mayStart?.message.startsWith(`waits for ${before}`), mayStart?.message)
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
    await untilNotReady('db', ': it has not phoned home')
    await isHeldFor(t, 'app', 'db')
    {
      await using session = cloud.console('db')
      session.type('\r')
      await session.until(/root@\S+:~# /)
      await session.run('wget -q -O - http://10.66.0.1:7416/ | sed s/^/home-says-/')
      await session.until(/home-says-ready/)
    }
    await startsAfter(t, 'app', 'db')
    t.is(readinessOf(await cloud.instance('db'))?.state, 'ready')
  }
)

test.serial(
  "a container starts once qemu's own agent answers in the machine before it",
  async t => {
    // Its user data runs before its agent would, which is tried again each second.
    const userData = '#!/bin/sh\nchmod -x /usr/sbin/qemu-ga\n'
    const machine = { type: 'vm', image: 'tiny', memoryMib: 96 } as const
    await cloud.create('shop', { ...machine, userData, readiness: { guestAgent: true } })
    await cloud.create('till', { ...box, after: ['shop'] })
    await untilNotReady('shop', ': its guest agent is not there')
    const { status } = await cloud.instance('shop')
    await cloud.untilAnswers((status['addresses'] as string[])[0]!)
    await using session = cloud.console('shop')
    session.type('\r')
    await session.until(/root@\S+:~# /)
    await isHeldFor(t, 'till', 'shop')
    await session.run('chmod +x /usr/sbin/qemu-ga')
    await startsAfter(t, 'till', 'shop')
    const { state, message } = readinessOf(await cloud.instance('shop'))!
    t.is(state, 'ready')
    t.true(message.endsWith('its guest agent is there'), message)
  }
)

test.serial("cloud-init's own phone_home says that a container is ready", async t => {
  // By the seed of its host alone, and by user data of its own that posts all there is.
  const full = { phone_home: { url: 'http://10.66.0.1:7416/$INSTANCE_ID', post: 'all', tries: 3 } }
  const userData = `#cloud-config\n${JSON.stringify(full)}\n`
  await cloud.create('seeded', { ...box, readiness: { phoneHome: true } })
  await cloud.create('talker', { ...box, userData, readiness: { phoneHome: true } })
  await cloud.create('last', { ...box, after: ['seeded', 'talker'] })
  for (const container of ['seeded', 'talker']) {
    await untilNotReady(container, ': it has not phoned home')
    await isHeldFor(t, 'last', container)
    const ended = await runCloudInit(cloud, { container, module: 'phone_home' })
    t.is(ended.code, 0, ended.stderr)
    t.regex(ended.stdout, /"POST \/\S* HTTP\/1\.1" 200/)
  }
  await startsAfter(t, 'last', 'talker')
})
