import test from 'ava'
import { Bell, Counters, Inbox, Outbox } from '#shared/wire/queues.ts'

const bounds = { entriesMax: 3, bytesMax: 100 }
const message = (type: string, length = 1) => ({ type, bytes: new Uint8Array(length) })

function drained(outbox: Outbox): string[] {
  const types: string[] = []
  for (let next = outbox.first(); next !== undefined; next = outbox.first()) {
    types.push(next.type)
    outbox.remove(next)
  }
  return types
}

test('states are sent before others, heartbeats before orders, others in their order', t => {
  const outbox = new Outbox(bounds)
  for (const type of ['answer', 'order', 'channel-data', 'heartbeat']) outbox.put(message(type))
  t.deepEqual(drained(outbox), ['heartbeat', 'order', 'answer', 'channel-data'])
})

test('an unsent state is replaced by a newer one', t => {
  const outbox = new Outbox(bounds)
  t.is(outbox.put(message('order', 1)), 'queued')
  t.is(outbox.put(message('order', 2)), 'replaced')
  t.is(outbox.first()?.bytes.length, 2)
  t.deepEqual(drained(outbox), ['order'])
})

test('a state that was replaced while it was being sent is sent anew', t => {
  const outbox = new Outbox(bounds)
  outbox.put(message('order', 1))
  const sending = outbox.first()!
  outbox.put(message('order', 2))
  outbox.remove(sending)
  t.is(outbox.first()?.bytes.length, 2)
})

test('others are refused at the bound of entries, and of bytes; states never', t => {
  const outbox = new Outbox(bounds)
  t.is(outbox.put(message('answer', 101)), 'full')
  t.is(outbox.put(message('answer', 100)), 'queued')
  t.is(outbox.put(message('answer', 1)), 'full')
  t.is(outbox.put(message('report', 1_000)), 'queued')
  drained(outbox)
  const taken = [1, 2, 3, 4].map(() => outbox.put(message('answer')))
  t.deepEqual(taken, ['queued', 'queued', 'queued', 'full'])
})

test('clearing keeps the states that are named and makes room', t => {
  const outbox = new Outbox(bounds)
  for (const type of ['answer', 'report', 'heartbeat']) outbox.put(message(type, 50))
  t.is(outbox.clear(['report']), 2)
  t.is(outbox.put(message('answer', 100)), 'queued')
  t.deepEqual(drained(outbox), ['report', 'answer'])
})

async function read<T>(inbox: Inbox<T>): Promise<T[]> {
  inbox.close()
  return Array.fromAsync(inbox.read(new AbortController().signal))
}

test('what came in is read in order, and a state where its newest came', async t => {
  const inbox = new Inbox<string>(bounds)
  inbox.put('old', { from: 'a', bytes: 1, key: 'report' })
  inbox.put('first', { from: 'a', bytes: 1 })
  t.is(inbox.put('new', { from: 'a', bytes: 1, key: 'report' }), 'replaced')
  t.is(inbox.put('other', { from: 'b', bytes: 1, key: 'report' }), 'queued')
  t.deepEqual(await read(inbox), ['first', 'new', 'other'])
})

test('each sender has its own bound, and reading makes room', async t => {
  const inbox = new Inbox<number>(bounds)
  const from = (sender: string, bytes = 1) => inbox.put(1, { from: sender, bytes })
  t.deepEqual(
    [from('a'), from('a'), from('a'), from('a'), from('b')],
    ['queued', 'queued', 'queued', 'full', 'queued']
  )
  t.is(from('b', 100), 'full')
  for await (const _ of inbox.read(new AbortController().signal)) {
    if (from('a') === 'queued') break
  }
  t.is(from('a'), 'full')
})

test('a reader that waits gets what comes, until its signal aborts', async t => {
  const inbox = new Inbox<number>(bounds)
  const stop = new AbortController()
  const reading = Array.fromAsync(inbox.read(stop.signal))
  for (const value of [1, 2]) {
    inbox.put(value, { from: 'a', bytes: 1 })
    await Promise.resolve()
  }
  setImmediate(() => stop.abort())
  t.deepEqual(await reading, [1, 2])
})

test('a second reader at once is a bug', async t => {
  const inbox = new Inbox<number>(bounds)
  const { signal } = new AbortController()
  const first = inbox.read(signal).next()
  await t.throwsAsync(inbox.read(signal).next(), { message: 'an inbox has one reader' })
  inbox.close()
  t.true((await first).done)
})

test('a closed inbox takes nothing more and gives what it had', async t => {
  const inbox = new Inbox<number>(bounds)
  inbox.put(1, { from: 'a', bytes: 1 })
  inbox.close()
  t.is(inbox.put(2, { from: 'a', bytes: 1 }), 'full')
  t.deepEqual(await read(inbox), [1])
})

test('a bell that rang before is heard at once, and only once', async t => {
  const bell = new Bell()
  bell.ring()
  bell.ring()
  await bell.heard()
  let heard = false
  const waiting = bell.heard().then(() => {
    heard = true
  })
  await new Promise(resolve => setImmediate(resolve))
  t.false(heard)
  bell.ring()
  await waiting
  t.true(heard)
})

test('counters begin at what is first added, and what was given out stays', t => {
  const counters = new Counters()
  counters.add('sent')
  const before = counters.all()
  counters.add('sent', 2)
  t.deepEqual([before, counters.all()], [{ sent: 1 }, { sent: 3 }])
})
