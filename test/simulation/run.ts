/** Runs one seed: a cloud, writers and faults, and what must hold at each step. */

import { createHash } from 'node:crypto'
import type { Entry } from '../../controller/core/ports.ts'
import { strike } from './faults.ts'
import { Invariants } from './invariants.ts'
import { mutants } from './mutants.ts'
import { OwnTurns } from './own-turns.ts'
import { chanceOf, seedRandomness } from './randomness.ts'
import { type Counts, SimulatedCloud } from './simulated-cloud.ts'
import { Writers } from './writers.ts'

/** How often it is looked, and when all must be at rest. Unit: ms. */
const stepMs = 20
const restMsMax = 120_000
/** Faults that are under way are mended after so long. Unit: ms. */
const mendMsMax = 30_000

/** What is to be run. */
export type Wish = {
  readonly seed: number
  readonly hosts: number
  readonly candidates: number
  /** How long faults go on, in virtual time. */
  readonly seconds: number
  /** A mistake that is put in on purpose; one of the text, when the process began. */
  readonly mutant?: string | undefined
}

/** What came of it. */
export type Finding = {
  readonly seed: number
  readonly problems: readonly string[]
  readonly counts: Counts
  /** Equal for equal runs. */
  readonly digest: string
}

/** Runs it to the end, or to the first problem. */
export async function runSeed(wish: Wish): Promise<Finding> {
  const chance = chanceOf(wish.seed)
  const mutant = wish.mutant === undefined ? undefined : mutants[wish.mutant]
  const mutation = mutant?.mutation
  using turns = new OwnTurns()
  const rest = (): Promise<void> => turns.rest()
  const cloud = new SimulatedCloud({ chance, rest, ...(mutation && { mutation }) })
  using _ = seedRandomness(wish.seed, () => Math.floor(cloud.clock.wall()))
  using _undo = mutant?.begin?.(cloud)
  const onRejection = (thrown: unknown): void => cloud.problem(`unhandled: ${stackOf(thrown)}`)
  process.on('unhandledRejection', onRejection)
  try {
    await live(cloud, wish)
  } catch (thrown) {
    cloud.problem(stackOf(thrown))
  } finally {
    process.off('unhandledRejection', onRejection)
  }
  const { counts, problems, entries } = cloud
  return { seed: wish.seed, problems, counts, digest: digestOf(entries) }
}

/** Of what was decided; the keys and secrets of a cloud are others each time. */
function digestOf(entries: readonly Entry[]): string {
  const digest = createHash('sha256')
  for (const { position, epoch, commit } of entries) {
    digest.update(JSON.stringify([position, epoch, commit.decisions]))
  }
  return digest.digest('hex').slice(0, 16)
}

async function live(cloud: SimulatedCloud, wish: Wish): Promise<void> {
  const { clock, chance } = cloud
  cloud.size = wish.candidates
  await cloud.startController(Array.from({ length: wish.candidates }, (_, at) => `c${at + 1}`))
  for (let at = 1; at <= wish.hosts; at++) await join(cloud, `h${at}`)
  await furnish(cloud)
  const writers = new Writers(cloud)
  const invariants = new Invariants(cloud, writers)
  for (const writer of [1, 2, 3]) void writers.write(writer)
  const until = clock.monotonic() + 1_000 * wish.seconds
  let nextFault = clock.monotonic() + 2_000
  let underWay = 0
  const step = async (): Promise<void> => {
    await clock.pass(stepMs)
    invariants.check()
  }
  while (clock.monotonic() < until && cloud.problems.length === 0) {
    await step()
    if (clock.monotonic() < nextFault) continue
    nextFault += 100 + 1_800 * chance()
    underWay += 1
    strike(cloud)
      .catch(thrown => cloud.problem(`a fault failed: ${stackOf(thrown)}`))
      .finally(() => {
        underWay -= 1
      })
  }
  // Who was asked for something and has died since never answers: not all faults end.
  const mendedBy = clock.monotonic() + mendMsMax
  while (underWay > 0 && clock.monotonic() < mendedBy && cloud.problems.length === 0) await step()
  writers.isOver = true
  await rest(cloud, { invariants, step, restBy: clock.monotonic() + restMsMax })
  for (const host of cloud.hosts.values()) {
    cloud.count('stale orders refused', host.refused.length + cloud.refusalsOf(host))
  }
}

async function rest(
  cloud: SimulatedCloud,
  given: {
    readonly invariants: Invariants
    readonly step: () => Promise<void>
    readonly restBy: number
  }
): Promise<void> {
  let because: string | undefined = 'it was not looked at'
  while (because !== undefined && cloud.problems.length === 0) {
    for (let count = 0; count < 25; count++) await given.step()
    because = given.invariants.unrest()
    if (because !== undefined && cloud.clock.monotonic() >= given.restBy) {
      cloud.problem(`it does not come to rest: ${because}`)
    }
  }
}

async function join(cloud: SimulatedCloud, name: string): Promise<void> {
  const done = cloud.addHost({ name, memoryMib: 8_192 })
  await settled(cloud, done)
}

async function furnish(cloud: SimulatedCloud): Promise<void> {
  const spec = cloud.specOf('pool', { shared: true, path: '/shared' })
  const pool = { verb: 'create', kind: 'pool', name: 'shared', spec } as const
  await settled(cloud, cloud.reign.submit(pool, 'user/admin'))
  await settled(cloud, cloud.addImage('tiny', { format: 'qcow2' }))
  await cloud.clock.pass(1_000)
}

/** Lets time pass until it is done. */
async function settled(cloud: SimulatedCloud, work: Promise<unknown>): Promise<void> {
  let isOver = false
  const over = (): void => {
    isOver = true
  }
  work.then(over, over)
  await cloud.clock.passUntil(() => isOver, 20_000)
  await work
}

const stackOf = (thrown: unknown): string => (thrown as Error)?.stack ?? String(thrown)
