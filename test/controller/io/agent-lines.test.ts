/** Channels to agents: how they open, and what becomes of one of which nothing is heard. */
import { finished } from 'node:stream/promises'
import test from 'ava'
import { Fault } from '#shared/fault.ts'
import type { ToAgent, ToController } from '#shared/wire/messages.ts'
import type { Mesh } from '../../../controller/core/ports.ts'
import { AgentLines } from '../../../controller/io/agents.ts'

const peer = { name: 'h1', decided: { uuid: 'uuid-1' } }
const soon = 30
const long = 60_000

/** Lines of which a test hears what is sent, and says what comes back. */
function lines(send: (message: ToAgent) => void = () => {}) {
  const sent: ToAgent[] = []
  const mesh = {
    send: (_: string, message: ToAgent) => {
      send(message)
      sent.push(message)
    }
  }
  const all = new AgentLines(mesh as unknown as Mesh)
  const open = (openMsMax: number) =>
    all.open(peer, {
      ...{ what: 'the console of web', openMsMax },
      opening: channel => ({ type: 'console-open', channel, instance: 'i' })
    })
  const say = (message: object): void => {
    const { channel } = sent[0] as { channel: string }
    all.heard(peer, { channel, ...message } as ToController)
  }
  return { sent, open, say }
}

test('a console of which nothing is heard ends with its deadline, and is closed there', async t => {
  const { sent, open } = lines()
  const stream = open(soon)
  const fault = await t.throwsAsync(finished(stream), { instanceOf: Fault })
  t.like(fault, {
    code: 'deadline',
    message: `cannot open the console of web: h1 has not opened it within ${soon} ms`,
    next: ['try again', 'remuda doctor, on that host']
  })
  t.deepEqual(
    sent.map(({ type }) => type),
    ['console-open', 'channel-data', 'channel-close']
  )
})

for (const [what, message] of [
  ['that nothing was taken', { type: 'channel-taken', bytes: 0 }],
  ['output', { type: 'channel-data', bytes: new Uint8Array([1]) }]
] as const) {
  test(`a console that says ${what} is open, however quiet it is then`, async t => {
    const { open, say } = lines()
    const stream = open(soon)
    say(message)
    // Of two that end by the same clock the one that begins later ends later.
    const other = lines().open(soon)
    await t.throwsAsync(finished(other), { code: 'deadline' })
    t.false(stream.destroyed)
    stream.destroy()
  })
}

test('a console that ends at once says why, and no more', async t => {
  const { open, say, sent } = lines()
  const stream = open(long)
  say({ type: 'channel-close', because: 'the instance does not run here' })
  await t.throwsAsync(finished(stream.resume()), { message: 'the instance does not run here' })
  t.false(sent.some(({ type }) => type === 'channel-close'))
})

test('a console that was wished for, and no more could be said, is closed there', t => {
  let times = 0
  const { sent, open } = lines(() => {
    times += 1
    if (times === 2) throw new Fault('unavailable', 'its queue is full')
  })
  t.throws(() => open(long), { message: /the agent of h1 is not connected/ })
  const [opening] = sent as readonly { readonly channel: string }[]
  const { channel } = opening!
  t.deepEqual(
    sent.map(({ type }) => type),
    ['console-open', 'channel-close']
  )
  t.deepEqual(sent.at(-1), { type: 'channel-close', channel, because: '' })
})

test('a console of a host that is away is refused, and leaves nothing that waits', t => {
  const gone = lines(() => {
    throw new Fault('unavailable', 'it is not connected')
  })
  for (let time = 0; time < 1_000; time += 1) {
    t.throws(() => gone.open(long), { message: /the agent of h1 is not connected/ })
  }
})
