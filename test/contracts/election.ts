/** What every election among several candidates promises; the suite never looks behind the port. */
import test, { type ExecutionContext } from 'ava'
import type { CandidateCard, SharedElection } from '../../controller/core/ports.ts'

/** A place where elections are held, empty at first. */
export interface ElectionBed extends AsyncDisposable {
  /** A new candidate; the candidacy ends with the bed. */
  stand(name: string): Promise<SharedElection>
  /** Ends a candidacy as if its process had died. */
  kill(election: SharedElection): Promise<void>
}

/** A card that says nothing but who it is. */
export const cardOf = (name: string, leads = false): CandidateCard => ({
  name,
  apiUrl: `http://${name}:8080`,
  meshKey: 'm'.repeat(40),
  doorEndpoint: `tcp://${name}:7401`,
  doorKey: 'd'.repeat(40),
  version: '1.0.0',
  position: 7,
  epoch: 2,
  leads,
  since: '2026-01-01T00:00:00.000Z'
})

const never = new AbortController().signal
const patienceMs = 30_000

/** Looks again and again until something is so. */
async function until(isSo: () => Promise<boolean> | boolean): Promise<void> {
  const from = performance.now()
  while (!(await isSo())) {
    if (performance.now() - from > patienceMs) throw new Error('it has not come about')
    await new Promise(resolve => setTimeout(resolve, 5))
  }
}

const aborted = (signal: AbortSignal) => until(() => signal.aborted)

type ElectionPromise = readonly [string, (t: ExecutionContext, bed: ElectionBed) => Promise<void>]

const promises: readonly ElectionPromise[] = [
  [
    'whoever stands first leads, and the others wait',
    async (t, bed) => {
      const first = await bed.stand('h1')
      const second = await bed.stand('h2')
      t.false(first.alone)
      const { lost } = await first.lead(never)
      const waiting = second.lead(never)
      t.false(lost.aborted)
      t.false(second.holds(0))
      await bed.kill(first)
      const led = await waiting
      t.false(led.lost.aborted)
      await aborted(lost)
      t.false(first.holds(0))
    }
  ],
  [
    'who dies while waiting is passed over',
    async (t, bed) => {
      const [first, second, third] = [
        await bed.stand('h1'),
        await bed.stand('h2'),
        await bed.stand('h3')
      ]
      await first.lead(never)
      const gone = second.lead(never)
      gone.catch(() => {})
      for (const each of [first, second, third]) each.announce(cardOf(each.status().sessionId))
      const waiting = third.lead(never)
      await until(async () => (await first.candidates()).length === 3)
      await bed.kill(second)
      await t.throwsAsync(gone)
      await first.stepDown('the test says so')
      t.false((await waiting).lost.aborted)
    }
  ],
  [
    'who steps down leads no longer at once, and the next one does',
    async (t, bed) => {
      const first = await bed.stand('h1')
      const second = await bed.stand('h2')
      const { lost } = await first.lead(never)
      const waiting = second.lead(never)
      const steppingDown = first.stepDown('it is wanted elsewhere')
      t.true(lost.aborted)
      t.regex(String(lost.reason), /it is wanted elsewhere/)
      t.false(first.holds(0))
      await steppingDown
      t.false((await waiting).lost.aborted)
    }
  ],
  [
    'who gives up waiting no longer stands in the way',
    async (t, bed) => {
      const [first, second, third] = [
        await bed.stand('h1'),
        await bed.stand('h2'),
        await bed.stand('h3')
      ]
      await first.lead(never)
      const stop = new AbortController()
      const given = second.lead(stop.signal)
      given.catch(() => {})
      stop.abort(new Error('enough'))
      await t.throwsAsync(given, { message: 'enough' })
      await second[Symbol.asyncDispose]()
      const waiting = third.lead(never)
      await bed.kill(first)
      t.false((await waiting).lost.aborted)
    }
  ],
  [
    'all see the cards of all, and who leads',
    async (t, bed) => {
      const first = await bed.stand('h1')
      const second = await bed.stand('h2')
      first.announce(cardOf('h1'))
      second.announce(cardOf('h2'))
      const { lost } = await first.lead(never)
      const waiting = second.lead(never)
      first.announce(cardOf('h1', true))
      await until(async () => {
        const cards = await second.candidates()
        return cards.length === 2 && cards[0]!.leads
      })
      t.deepEqual(await second.candidates(), [cardOf('h1', true), cardOf('h2')])
      await until(() => second.leader()?.leads === true)
      t.deepEqual(second.leader(), cardOf('h1', true))
      await bed.kill(first)
      await waiting
      await aborted(lost)
      await until(() => second.leader()?.name === 'h2')
      t.deepEqual(await second.candidates(), [cardOf('h2')])
    }
  ],
  [
    'its status names its session',
    async (t, bed) => {
      const election = await bed.stand('h1')
      const { sessionId, timeoutMs, leaseLeftMs, server } = election.status()
      t.true(sessionId.length > 0)
      t.true(timeoutMs > 0)
      t.is(leaseLeftMs, undefined)
      t.is(typeof server, 'string')
    }
  ]
]

/** Runs the contract of `SharedElection` on beds that are made for each promise. */
export function electionSuite(
  name: string,
  makeBed: () => Promise<ElectionBed>,
  { serial = false }: { readonly serial?: boolean } = {}
): void {
  const run = serial ? test.serial : test
  for (const [title, check] of promises) {
    run(`${name}: ${title}`, async t => {
      await using bed = await makeBed()
      await check(t, bed)
    })
  }
}
