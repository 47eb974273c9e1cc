import { chmod, mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { type Clock, realClock } from '#shared/clock.ts'
import { Fault } from '#shared/fault.ts'
import { type Log, silentLog } from '#shared/log.ts'
import { encode } from '#shared/wire/codec.ts'
import { knockMsMax, readJoined } from '#shared/wire/door.ts'
import { encodeBody, Sealer } from '#shared/wire/frame.ts'
import { makeKeys } from '#shared/wire/keys.ts'
import type { Join, Joined } from '#shared/wire/messages.ts'
import { type Admission, readAdmission, writeAdmission } from '../../../agent/io/admission.ts'
import {
  type DoorAddress,
  knock,
  knockOnce,
  silenceMsMax,
  stayAdmitted
} from '../../../agent/io/door.ts'
import type { Doorkeeper } from '../../../controller/core/ports.ts'
import { Door, doorLimits, judgeMsMax } from '../../../controller/io/door.ts'
import { RateLimit } from '../../../controller/io/rate-limit.ts'
import { anOrder } from '../../world/messages.ts'
import { RawSocket } from '../../world/raw-socket.ts'
import { counted, until } from '../../world/reading.ts'
import { anyPort } from '../../world/real-mesh.ts'

/** Waits pass at once and count as passed; only the deadlines of a knock are real. */
function hurriedClock(): Clock {
  let aheadMs = 0
  return {
    wall: realClock.wall,
    monotonic: () => realClock.monotonic() + aheadMs,
    sleep: async (durationMs, signal) => {
      signal?.throwIfAborted()
      if (durationMs === knockMsMax || durationMs === judgeMsMax) {
        return realClock.sleep(durationMs, signal)
      }
      aheadMs += durationMs
      return realClock.sleep(1, signal)
    },
    lag: realClock.lag
  }
}

const controllerKey = makeKeys().publicKey
const approved: Joined = {
  type: 'joined',
  verdict: 'approved',
  because: 'an operator approved it',
  cloud: 'c-1',
  controllerKeys: [controllerKey]
}
const pending: Joined = { ...approved, verdict: 'pending', because: 'wait', controllerKeys: [] }
const refused: Joined = { ...pending, verdict: 'refused', because: 'not ours' }
const admission: Admission = { cloud: 'c-1', controllerKeys: [controllerKey] }

type Opened = { readonly door: Door; readonly address: DoorAddress; readonly joins: Join[] }

/** Opens a door whose keeper gives these answers, the last one for ever. */
async function open(
  t: ExecutionContext,
  answers: readonly (Joined | Fault | 'silence')[],
  limits = doorLimits,
  memory = () => 0
): Promise<Opened> {
  const keys = makeKeys()
  const joins: Join[] = []
  const doorkeeper: Doorkeeper = async join => {
    joins.push(join)
    const answer = answers[Math.min(joins.length, answers.length) - 1]
    if (answer === 'silence') return new Promise(() => {})
    if (answer === undefined || answer instanceof Fault) throw answer
    return answer
  }
  const sender = { bootId: 'boot', run: crypto.randomUUID() }
  const door = await Door.open({
    endpoint: anyPort,
    keys,
    sender,
    doorkeeper,
    limits,
    memory,
    clock: realClock,
    log: silentLog
  })
  t.teardown(() => door[Symbol.asyncDispose]())
  return { door, joins, address: { endpoint: door.endpoint, publicKey: keys.publicKey } }
}

/** Who knocks, with the log that he writes. */
function stranger(doors: readonly DoorAddress[], cloud?: string) {
  const keys = makeKeys()
  const lines: string[] = []
  const note = (message: string, fields: unknown): void => {
    lines.push(`${message} ${JSON.stringify(fields)}`)
  }
  const log: Log = { ...silentLog, info: note, warn: note }
  const said: Join = {
    type: 'join',
    uuid: crypto.randomUUID(),
    hostname: 'host',
    publicKey: keys.publicKey,
    endpoint: 'tcp://10.0.0.7:7411',
    token: 'join-token'
  }
  const sender = { bootId: 'boot', run: crypto.randomUUID() }
  return { doors, keys, sender, join: () => said, cloud, clock: hurriedClock(), log, lines, said }
}

const never = new AbortController().signal

test.serial('who knocks says who it is and is told the controllers to admit', async t => {
  const { address, joins } = await open(t, [approved])
  const options = stranger([address])
  t.deepEqual(await knock(options, never), admission)
  t.deepEqual(joins, [options.said])
})

test.serial('a host that must wait knocks again until it is approved', async t => {
  const { address, joins } = await open(t, [pending, pending, refused, pending, approved])
  const options = stranger([address])
  t.deepEqual(await knock(options, never), admission)
  t.is(joins.length, 5)
  t.deepEqual(options.lines, [
    'not let in yet {"verdict":"pending","because":"wait"}',
    'not let in yet {"verdict":"refused","because":"not ours"}',
    'not let in yet {"verdict":"pending","because":"wait"}',
    'approved {"cloud":"c-1","controllerKeys":1}'
  ])
})

test.serial('of several doors the one that approves counts', async t => {
  const doors = [await open(t, [refused]), await open(t, [pending]), await open(t, [approved])]
  t.deepEqual(await knock(stranger(doors.map(each => each.address)), never), admission)
  for (const { joins } of doors) t.is(joins.length, 1)
})

test.serial('an approval by another cloud is not taken by a host that has one', async t => {
  const other = await open(t, [{ ...approved, cloud: 'c-2' }])
  const own = await open(t, [pending, approved])
  const options = stranger([other.address, own.address], 'c-1')
  t.deepEqual(await knock(options, never), admission)
  t.is(own.joins.length, 2)
})

test.serial('that another cloud was declined is told, whatever doors give no answer', async t => {
  const other = await open(t, [{ ...approved, cloud: 'c-2' }])
  const wrong = { ...other.address, publicKey: makeKeys().publicKey }
  const stop = new AbortController()
  const options = stranger([wrong, other.address, wrong], 'c-1')
  const knocking = knock(options, stop.signal)
  await until(() => options.lines.length > 0)
  stop.abort(new Fault('aborted', 'enough'))
  await t.throwsAsync(knocking)
  t.regex(options.lines[0]!, /"declined".*cannot join cloud c-2: this host belongs to cloud c-1/)
})

for (const [what, controllerKeys] of [
  ['no key', []],
  ['a key that is none', ['"'.repeat(40)]]
] as const) {
  test.serial(`an approval that names ${what} of a controller is not taken`, async t => {
    const { address } = await open(t, [
      { ...approved, controllerKeys: [...controllerKeys] },
      approved
    ])
    const options = stranger([address])
    t.deepEqual(await knock(options, never), admission)
    t.regex(options.lines[0] ?? '', /it names no usable controller keys/)
  })
}

test.serial('a door with another key than the one that is known gets nothing', async t => {
  const { address, joins, door } = await open(t, [approved])
  const wrong = { ...address, publicKey: makeKeys().publicKey }
  await t.throwsAsync(knockOnce(wrong, stranger([]), never), {
    code: 'unavailable',
    message: /^cannot knock at tcp:.*another key answers there/
  })
  t.deepEqual(joins, [])
  t.is(counted(door, 'questions'), 0)
})

test.serial('a door that is not there is told after a deadline', async t => {
  const { address, door } = await open(t, [approved])
  await door[Symbol.asyncDispose]()
  const options = { ...stranger([]), clock: { ...realClock, sleep: () => realClock.sleep(20) } }
  await t.throwsAsync(knockOnce(address, options, never), {
    code: 'deadline',
    message: `cannot knock at ${address.endpoint}: no answer within 5000 ms`
  })
})

test.serial('knocking ends when its signal aborts', async t => {
  const { address } = await open(t, [pending])
  const stop = new AbortController()
  const options = { ...stranger([address]), clock: realClock }
  const knocking = knock(options, stop.signal)
  await until(() => options.lines.length > 0)
  stop.abort(new Fault('aborted', 'enough'))
  await t.throwsAsync(knocking)
  await t.throwsAsync(knock(options, stop.signal))
})

test.serial('when the doorkeeper cannot judge, the host is to wait and is told why', async t => {
  const { address } = await open(t, [new Fault('unavailable', 'this controller does not lead')])
  t.like(await knockOnce(address, stranger([]), never), {
    verdict: 'pending',
    because: 'this controller does not lead'
  })
})

test.serial(
  'a doorkeeper that takes too long makes the host wait, and the door can close',
  async t => {
    const { address, door } = await open(t, ['silence'])
    const { keys, sender } = stranger([])
    const raw = await RawSocket.dialling(keys, address)
    t.teardown(() => raw[Symbol.asyncDispose]())
    const body = encodeBody(stranger([]).said)
    await raw.say(new Sealer(sender, () => 0).seal('join', body, 1))
    await until(() => counted(door, 'questions') === 1)
    await door[Symbol.asyncDispose]()
    t.is(counted(door, 'pending'), 1)
  }
)

test.serial('the door speaks nothing but join', async t => {
  const { address, door, joins } = await open(t, [approved])
  const { keys, sender, said } = stranger([])
  const raw = await RawSocket.dialling(keys, address)
  t.teardown(() => raw[Symbol.asyncDispose]())
  const sealer = new Sealer(sender, () => 9)
  const seal = (body: Uint8Array) => sealer.seal('join', body, 1)
  const order = anOrder({ host: 'x', generation: 1 })
  const nonsense = [
    seal(encode(order)),
    seal(encode(approved)),
    seal(encode({ ...said, publicKey: 'short' })),
    seal(encode({ ...said, extra: 1 })),
    seal(new Uint8Array(10)),
    [new Uint8Array(3)]
  ]
  for (const frames of nonsense) await raw.say(frames)
  await raw.say(seal(encode({ ...said, token: 'x'.repeat(10_000) })))
  await until(() => counted(door, 'oversized') === 1)
  t.is(counted(door, 'garbage'), nonsense.length)
  t.deepEqual([joins, raw.received], [[], []])
  await raw.say(seal(encode(said)))
  await until(() => raw.received.length === 1)
  t.deepEqual(readJoined(raw.received[0]!.frames), approved)
})

test.serial('questions about one host beyond the limit are not answered, others are', async t => {
  const limits = { ...doorLimits, host: { perSecond: 0, burst: 2 } }
  const { address, door, joins } = await open(t, [approved], limits)
  const { keys, sender, said } = stranger([])
  const raw = await RawSocket.dialling(keys, address)
  t.teardown(() => raw[Symbol.asyncDispose]())
  const sealer = new Sealer(sender, () => 0)
  for (let count = 0; count < 5; count++) await raw.say(sealer.seal('join', encodeBody(said), 1))
  await until(() => counted(door, 'refusedQuestions') === 3)
  await raw.say(sealer.seal('join', encodeBody({ ...said, uuid: 'other' }), 1))
  await until(() => raw.received.length === 3)
  t.is(joins.length, 3)
})

test.serial('questions beyond those that are being judged are not answered', async t => {
  const { address, door } = await open(t, ['silence'], { ...doorLimits, judgingMax: 2 })
  const { keys, sender, said } = stranger([])
  const raw = await RawSocket.dialling(keys, address)
  t.teardown(() => raw[Symbol.asyncDispose]())
  const sealer = new Sealer(sender, () => 0)
  for (const uuid of ['a', 'b', 'c', 'd']) {
    await raw.say(sealer.seal('join', encodeBody({ ...said, uuid }), 1))
  }
  await until(() => counted(door, 'refusedQuestions') === 2)
  t.is(counted(door, 'questions'), 2)
})

test.serial('connections from one address beyond the limit are refused', async t => {
  const limits = { ...doorLimits, address: { perSecond: 0, burst: 2 } }
  const { address, door } = await open(t, [approved], limits)
  for (let count = 0; count < 2; count++) await knockOnce(address, stranger([]), never)
  await t.throwsAsync(knockOnce(address, stranger([]), never), {
    code: 'unavailable',
    message: /the key is not admitted/
  })
  t.is(counted(door, 'refusedConnections'), 1)
})

test.serial(
  'when too many connections stay open, all are closed and the door opens anew',
  async t => {
    const { address, door } = await open(t, [approved], { ...doorLimits, connectionsMax: 3 })
    const all = Array.from({ length: 4 }, () => RawSocket.dialling(makeKeys(), address))
    for (const raw of await Promise.all(all)) t.teardown(() => raw[Symbol.asyncDispose]())
    await until(() => counted(door, 'emptied') >= 1)
    t.is(door.endpoint, address.endpoint)
  }
)

test.serial('when the program grows while strangers are connected, all are closed', async t => {
  let bytes = 1_000_000_000
  const { address, door } = await open(t, [approved], doorLimits, () => bytes)
  const raw = await RawSocket.dialling(makeKeys(), address)
  t.teardown(() => raw[Symbol.asyncDispose]())
  bytes += doorLimits.growthBytesMax + 1
  await until(() => counted(door, 'emptied') === 1)
  await until(() => raw.events.filter(event => event.type === 'connected').length === 2)
  t.is((await knockOnce(address, stranger([]), never)).verdict, 'approved')
  t.is(counted(door, 'emptied'), 1)
})

async function folder(t: ExecutionContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'remuda-door-'))
  t.teardown(() => rm(path, { recursive: true }))
  return path
}

test.serial('a host keeps its admission, and knocks again when no controller is heard', async t => {
  const renewed = { ...approved, controllerKeys: [makeKeys().publicKey] }
  const { address, joins } = await open(t, [approved, renewed])
  const path = join(await folder(t), 'admission.json')
  const told: Admission[] = []
  const stop = new AbortController()
  const options = {
    ...stranger([address]),
    path,
    heardAt: () => undefined,
    admitted: async (each: Admission) => {
      t.deepEqual(await readAdmission(path), each)
      told.push(each)
      if (told.length === 2) stop.abort()
    }
  }
  const from = options.clock.monotonic()
  await stayAdmitted(options, stop.signal)
  t.true(options.clock.monotonic() - from >= silenceMsMax)
  t.deepEqual(told, [admission, { cloud: 'c-1', controllerKeys: renewed.controllerKeys }])
  t.is(joins.length, 2)
  t.is((await stat(path)).mode & 0o777, 0o600)
})

test.serial('a host that has its admission and hears a controller does not knock', async t => {
  const { address, joins } = await open(t, [approved])
  const path = join(await folder(t), 'admission.json')
  await writeAdmission(path, admission)
  const stop = new AbortController()
  let asked = 0
  const options = stranger([address])
  const heardAt = () => {
    if (++asked === 50) stop.abort()
    return options.clock.monotonic() - 1_000
  }
  await stayAdmitted({ ...options, path, heardAt, admitted: async () => t.fail() }, stop.signal)
  t.deepEqual(joins, [])
})

for (const text of ['', '{', '{"cloud":"c-1"}', '{"cloud":"","controllerKeys":[]}']) {
  test(`an admission file that holds ${text || 'nothing'} is refused`, async t => {
    const path = join(await folder(t), 'admission.json')
    await writeFile(path, text, { mode: 0o600 })
    await t.throwsAsync(readAdmission(path), { code: 'corrupt' })
  })
}

test('an admission file that others can read is refused', async t => {
  const path = join(await folder(t), 'admission.json')
  await writeAdmission(path, admission)
  await chmod(path, 0o644)
  await t.throwsAsync(readAdmission(path), { code: 'forbidden' })
})

test('a rate allows a burst, then so many per second, for each key alone', t => {
  const limit = new RateLimit({ perSecond: 2, burst: 3 })
  const taken = [0, 0, 0, 0, 400, 500, 600, 1_000, 1_001].map(now => limit.take('a', now))
  t.deepEqual(taken, [true, true, true, false, false, true, false, true, false])
  t.true(limit.take('b', 1_001))
  t.deepEqual(
    Array.from({ length: 4 }, () => limit.take('a', 60_000)),
    [true, true, true, false]
  )
})

test('a rate remembers a bounded number of keys', t => {
  const limit = new RateLimit({ perSecond: 0, burst: 1 }, 2)
  t.deepEqual(
    ['a', 'b', 'a', 'c', 'a', 'b'].map(key => limit.take(key, 0)),
    [true, true, false, true, false, true]
  )
})
