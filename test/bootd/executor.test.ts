import test from 'ava'
import { Fault, isFault } from '#shared/fault.ts'
import { FenceExecutor, type Urgency } from '../../bootd/io/fence/executor.ts'
import { withoutSecrets } from '../../bootd/io/fence/queued.ts'
import { FakeClock } from '../world/fake-clock.ts'

/** Calls that run until the test ends them, and who has begun. */
class Calls {
  readonly clock = new FakeClock()
  readonly executor = new FenceExecutor({ clock: this.clock })
  readonly begun: string[] = []
  readonly ended: string[] = []
  readonly #ends = new Map<string, () => void>()

  make(
    name: string,
    more: { key?: string; urgency?: Urgency; signal?: AbortSignal; deaf?: boolean } = {}
  ): Promise<string> {
    const { key = name, urgency = 'fence', deaf = false } = more
    const made = this.executor.call({
      ...{ key, urgency, deadlineMs: 8_000, what: `ask ${name}` },
      signal: more.signal ?? new AbortController().signal,
      make: async signal => {
        this.begun.push(name)
        await new Promise<void>((resolve, reject) => {
          this.#ends.set(name, resolve)
          if (!deaf) signal.addEventListener('abort', () => reject(new Error('cut')))
        })
        this.ended.push(name)
        return name
      }
    })
    made.catch(() => {})
    return made
  }

  async end(name: string): Promise<void> {
    this.#ends.get(name)!()
    await this.clock.settle()
  }
}

test('calls to one address are made one after another, in order', async t => {
  const calls = new Calls()
  for (const name of ['a', 'b', 'c']) void calls.make(name, { key: 'bmc' })
  await calls.clock.settle()
  t.deepEqual(calls.begun, ['a'])
  await calls.end('a')
  t.deepEqual(calls.begun, ['a', 'b'])
  await calls.end('b')
  await calls.end('c')
  t.deepEqual(calls.ended, ['a', 'b', 'c'])
})

test('eight addresses are called together, and the ninth waits', async t => {
  const calls = new Calls()
  const names = [...'abcdefghi']
  for (const name of names) void calls.make(name)
  await calls.clock.settle()
  t.deepEqual(calls.begun, names.slice(0, 8))
  await calls.end('c')
  t.deepEqual(calls.begun, names)
})

test('a fence goes before those that watch, and ends one that is in its way', async t => {
  const calls = new Calls()
  const watching = calls.make('poll', { key: 'bmc', urgency: 'watch' })
  const waiting = calls.make('later', { key: 'bmc', urgency: 'watch' })
  await calls.clock.settle()
  const fence = calls.make('off', { key: 'bmc' })
  const thrown = await t.throwsAsync(watching)
  t.true(isFault(thrown, 'aborted'))
  t.is(thrown?.message, 'cannot ask poll: it gives way to a fence')
  await calls.clock.settle()
  t.deepEqual(calls.begun, ['poll', 'off'])
  await calls.end('off')
  t.is(await fence, 'off')
  await calls.end('later')
  t.is(await waiting, 'later')
})

test('where all places are taken, a fence gets that of one that watches', async t => {
  const calls = new Calls()
  for (const name of 'abcdefgh') void calls.make(name, { urgency: name < 'h' ? 'fence' : 'watch' })
  await calls.clock.settle()
  void calls.make('off')
  await calls.clock.settle()
  t.true(calls.begun.includes('off'))
  void calls.make('off too')
  await calls.clock.settle()
  t.false(calls.begun.includes('off too'))
})

test('a call that is late is ended, and the next is made', async t => {
  const calls = new Calls()
  const slow = calls.make('slow', { key: 'bmc' })
  void calls.make('next', { key: 'bmc' })
  await calls.clock.pass(8_000)
  const thrown = await t.throwsAsync(slow)
  t.true(isFault(thrown, 'deadline'))
  t.is(thrown?.message, 'cannot ask slow: not done in 8000 ms')
  t.deepEqual(calls.begun, ['slow', 'next'])
})

test('a call that does not end when it should holds the others up only for a while', async t => {
  const calls = new Calls()
  const slow = calls.make('slow', { key: 'bmc', deaf: true })
  void calls.make('next', { key: 'bmc' })
  await calls.clock.pass(8_000)
  t.deepEqual(calls.begun, ['slow'])
  await calls.clock.pass(5_000)
  t.true(isFault(await t.throwsAsync(slow), 'deadline'))
  t.deepEqual(calls.begun, ['slow', 'next'])
})

test('waiting does not count against the deadline of a call', async t => {
  const calls = new Calls()
  void calls.make('first', { key: 'bmc' })
  const second = calls.make('second', { key: 'bmc' })
  await calls.clock.pass(7_000)
  await calls.end('first')
  await calls.clock.pass(7_000)
  await calls.end('second')
  t.is(await second, 'second')
})

test('a call may be given up, both while it waits and while it is made', async t => {
  const calls = new Calls()
  const [first, second] = [new AbortController(), new AbortController()]
  const made = calls.make('first', { key: 'bmc', signal: first.signal })
  const waits = calls.make('second', { key: 'bmc', signal: second.signal })
  void calls.make('third', { key: 'bmc' })
  await calls.clock.settle()
  second.abort()
  t.true(isFault(await t.throwsAsync(waits), 'aborted'))
  first.abort()
  t.true(isFault(await t.throwsAsync(made), 'aborted'))
  await calls.clock.settle()
  t.deepEqual(calls.begun, ['first', 'third'])
})

test('disposing ends what is made and what waits, and refuses what comes', async t => {
  const calls = new Calls()
  const both = [calls.make('a', { key: 'bmc' }), calls.make('b', { key: 'bmc' })]
  await calls.clock.settle()
  await calls.executor[Symbol.asyncDispose]()
  for (const each of [...both, calls.make('c')]) {
    t.true(isFault(await t.throwsAsync(each), 'closed'))
  }
  t.deepEqual(calls.begun, ['a'])
})

test('too many that watch are refused with their number', async t => {
  const calls = new Calls()
  void calls.make('first', { key: 'bmc' })
  for (let count = 0; count < 4_096; count++) {
    void calls.make(`w${count}`, { key: 'bmc', urgency: 'watch' })
  }
  const thrown = await t.throwsAsync(calls.make('one more', { key: 'bmc', urgency: 'watch' }))
  t.true(isFault(thrown, 'capacity'))
  t.is(thrown?.message, 'cannot ask one more: 4096 calls wait already')
  await calls.executor[Symbol.asyncDispose]()
})

test('no secret stands in a failure, however deep', t => {
  const cause = new Error('login admin/sesame failed', { cause: new Error('no sesame') })
  const fault = new Fault('command', 'cannot run it: -P sesame', {
    ...{ cause, reasons: ['with sesame'], next: ['not sesame'] }
  })
  const clean = withoutSecrets(fault, ['', 'sesame'])
  t.notRegex(JSON.stringify([clean, clean.message, clean.stack]), /sesame/)
  t.is(clean.code, 'command')
  t.is(clean.cause, undefined)
  t.regex(clean.message, /^cannot run it: -P \*\*\* \(login admin\/\*\*\* failed \(no \*\*\*\)\)$/)
})
