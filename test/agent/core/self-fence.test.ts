import test from 'ava'
import fc from 'fast-check'
import {
  beatEchoed,
  beatSent,
  beatsMax,
  type Dog,
  type Lease,
  noLease,
  type Plight,
  selfFenceStand
} from '../../../agent/core/self-fence.ts'
import { expiryMs } from '../../../controller/core/timing.ts'

const limitMs = 15_000
const closed: Dog = { state: 'closed', counts: false, kept: false, timeoutMs: 5_000 }
const plight = (given: Partial<Plight>): Plight => ({
  limitMs,
  lease: { ...noLease('run', 0), from: 100_000 },
  dog: { state: 'held', timeoutMs: 5_000 },
  petUntil: Number.NEGATIVE_INFINITY,
  isClear: false,
  now: 100_000,
  ...given
})

for (const [title, given, state, opens, pets] of [
  ['without a limit a watchdog that is open is pet', { limitMs: undefined }, 'free', false, true],
  [
    'without a watchdog nothing ends',
    { dog: { state: 'none' }, now: 999_999 },
    'free',
    false,
    false
  ],
  [
    'a new run that has not looked for a watchdog starts nothing',
    { dog: { state: 'unknown' }, lease: noLease('new', 95_000) },
    'waiting',
    false,
    false
  ],
  [
    'without a limit it needs no look',
    { dog: { state: 'unknown' }, limitMs: undefined },
    'free',
    false,
    false
  ],
  [
    'a fresh lease starts a watchdog',
    { dog: { state: 'closed', counts: false, kept: false, timeoutMs: 5_000 } },
    'free',
    true,
    false
  ],
  ['with a fresh lease it is pet', { now: 109_999 }, 'leased', false, true],
  ['it is pet no more where it would bite late', { now: 110_000 }, 'leased', false, false],
  ['nor is it opened then', { now: 110_000, dog: closed }, 'free', false, false],
  ['two seconds before the limit all ends', { now: 113_000 }, 'ending', false, false],
  [
    'a slow one is pet while the lease is young',
    { now: 104_999, dog: { state: 'held', timeoutMs: 60_000 } },
    'leased',
    false,
    true
  ],
  ['when all has ended it is pet', { now: 113_000, isClear: true }, 'ended', false, true],
  [
    'an old lease after all had ended starts nothing, as the watchdog was pet since',
    { now: 108_000, petUntil: 111_000, isClear: true },
    'ended',
    false,
    true
  ],
  ['a newer one does', { now: 108_000, petUntil: 109_000, isClear: true }, 'leased', false, true],
  [
    'a new run leaves what counts alone until it has a lease',
    {
      dog: { state: 'closed', counts: true, kept: true, timeoutMs: 5_000 },
      lease: noLease('new', 95_000)
    },
    'waiting',
    false,
    false
  ],
  [
    'a new run ends all when it has had none for the whole limit',
    {
      dog: { state: 'closed', counts: true, kept: true, timeoutMs: 5_000 },
      lease: noLease('new', 85_000)
    },
    'ending',
    false,
    false
  ],
  [
    'a new run pets what counts once nothing runs',
    {
      dog: { state: 'closed', counts: true, kept: true, timeoutMs: 5_000 },
      lease: noLease('new', 85_000),
      isClear: true
    },
    'ended',
    true,
    false
  ],
  [
    'a watchdog that does not count yet is not started without a lease',
    {
      dog: { state: 'closed', counts: false, kept: false, timeoutMs: 5_000 },
      lease: noLease('new', 85_000),
      isClear: true
    },
    'free',
    false,
    false
  ]
] as const) {
  test(title, t => {
    const stand = selfFenceStand(plight(given))
    t.deepEqual([stand.state, stand.opens, stand.pets], [state, opens, pets])
  })
}

test('a lease counts from the sending of what was heard, and only what is newer prolongs it', t => {
  let lease = [1, 2, 3].reduce((last, at) => beatSent(last, at, at * 500), noLease('run', 0))
  lease = beatEchoed(lease, { run: 'run', number: 2 })
  t.is(lease.from, 1_000)
  for (const [echo, from] of [
    [{ run: 'run', number: 1 }, 1_000],
    [{ run: 'earlier', number: 3 }, 1_000],
    [{ run: 'run', number: 9 }, 1_000],
    [{ run: 'run', number: 3 }, 1_500]
  ] as const) {
    lease = beatEchoed(lease, echo)
    t.is(lease.from, from)
  }
})

test('what was sent too long ago gives no lease', t => {
  let lease = noLease('run', 0)
  for (let number = 1; number <= beatsMax + 1; number++) lease = beatSent(lease, number, number)
  t.is(beatEchoed(lease, { run: 'run', number: 1 }).from, undefined)
  t.is(beatEchoed(lease, { run: 'run', number: 2 }).from, 2)
})

const watchdogMs = 10_000
const tickMs = 500
/** How late a pet comes about. */
const lateMs = 400

type Chance = {
  readonly hears: boolean
  readonly echoAfter: number
  readonly ends: boolean
  readonly dies: boolean
}

/** A host with one instance that others could start, tick by tick. */
class Model {
  now = 0
  isRunning = true
  wasArmed = false
  bitten = false
  heardAt = 0
  #lease: Lease = noLease('0', 0)
  #dog: Dog = { state: 'closed', counts: false, kept: false, timeoutMs: watchdogMs }
  #bitesAt = Number.POSITIVE_INFINITY
  #petUntil = Number.NEGATIVE_INFINITY
  #beats = 0
  #runs = 0
  #clearAt = Number.NEGATIVE_INFINITY
  #echoes: { readonly at: number; readonly run: string; readonly number: number }[] = []

  tick(chance: Chance, isEchoed: boolean): void {
    this.now += tickMs
    if (this.now >= this.#bitesAt) this.bitten = true
    if (this.bitten) this.isRunning = false
    if (this.bitten) return
    if (chance.dies) this.#die()
    this.#lease = beatSent(this.#lease, ++this.#beats, this.now)
    if (chance.hears && isEchoed) {
      this.heardAt = this.now
      const at = this.now + chance.echoAfter * tickMs
      this.#echoes.push({ at, run: this.#lease.run, number: this.#beats })
    }
    for (const echo of this.#echoes.filter(({ at }) => at === this.now)) {
      this.#lease = beatEchoed(this.#lease, echo)
    }
    this.#judge(chance)
  }

  #die(): void {
    const counts = Number.isFinite(this.#bitesAt)
    this.#dog = { state: 'closed', counts, kept: counts, timeoutMs: watchdogMs }
    this.#lease = noLease(String(++this.#runs), this.now)
    this.#petUntil = Number.NEGATIVE_INFINITY
  }

  #judge({ ends }: Chance): void {
    const isClear = this.#clearAt === this.now - tickMs && !this.isRunning
    const given = { limitMs, lease: this.#lease, dog: this.#dog, isClear, now: this.now }
    const { state, opens, openBy, pets, petBy } = selfFenceStand({
      ...given,
      petUntil: this.#petUntil
    })
    if (opens) this.#dog = { state: 'held', timeoutMs: watchdogMs }
    if (opens) this.wasArmed = true
    const petAt = Math.min(opens ? openBy : petBy, this.now + lateMs)
    if (opens || pets) this.#bitesAt = petAt + watchdogMs
    if (opens || pets) this.#petUntil = opens ? petAt : petBy
    if (state === 'free' || state === 'leased') this.isRunning = true
    else {
      if (state === 'ending' && ends) this.isRunning = false
      if (!this.isRunning) this.#clearAt = this.now
    }
  }
}

test('whatever happens, when it must have ended nothing runs that others could start', t => {
  const rarely = fc.integer({ min: 0, max: 30 }).map(value => value === 0)
  const chance = fc.record({
    hears: fc.boolean(),
    echoAfter: fc.integer({ min: 0, max: 40 }),
    ends: fc.boolean(),
    dies: rarely
  })
  const seen = { bitten: 0, ended: 0, armed: 0 }
  const endsMs = expiryMs({ limitMs, watchdogMs, kept: true })
  const property = fc.property(
    fc.array(chance, { minLength: 150, maxLength: 150 }),
    fc.integer({ min: 1, max: 60 }),
    (chances, echoed) => {
      const model = new Model()
      for (const [at, each] of chances.entries()) {
        model.tick(each, at < echoed)
        if (!model.wasArmed || model.now < model.heardAt + endsMs) continue
        if (model.isRunning) throw new Error(`it runs at ${model.now}, heard at ${model.heardAt}`)
      }
      if (model.wasArmed) seen.armed += 1
      if (model.bitten) seen.bitten += 1
      else if (model.wasArmed) seen.ended += 1
    }
  )
  t.notThrows(() => fc.assert(property, { numRuns: 500, seed: 1 }))
  t.true(seen.armed > 100 && seen.bitten > 10 && seen.ended > 10, JSON.stringify(seen))
})
