/**
 * Candidates that follow the rules of an election, on the fake ensemble, while chance cuts, holds
 * and pauses them: never do two of them hold a lease at the same moment, and whoever holds one can
 * rely on it that the epoch is his.
 */
import test from 'ava'
import fc from 'fast-check'
import type { ZooKeeperSession } from '#shared/zookeeper/session.ts'
import { FakeClock } from '../../world/fake-clock.ts'
import { FakeZooKeeper } from '../../world/fake-zookeeper.ts'
import type { FakeSession } from '../../world/fake-zookeeper-session.ts'

const none = new Uint8Array()
const epoch = '/epoch'
const sessionMs = 4_000
const candidates = 3
const stepMs = 1_600
const looks = 16

type Candidate = {
  session: FakeSession | undefined
  own: string | undefined
  leads: boolean
  isBusy: boolean
}

/** Stands, and leads when nobody stood before; what fails is tried again with the next step. */
async function stand(candidate: Candidate, session: ZooKeeperSession): Promise<void> {
  if (candidate.own === undefined) {
    const mode = 'ephemeral-sequential'
    const part = { op: 'create', path: '/candidates/c-', bytes: none, mode } as const
    candidate.own = (await session.transact([part]))[0]!.path
  }
  if (candidate.leads) return
  const names = await session.children('/candidates')
  if (`/candidates/${names?.[0]}` !== candidate.own) return
  const version = (await session.read(epoch))!.stat.version
  const [, raised] = await session.transact([
    { op: 'check', path: candidate.own!, version: 'any' },
    { op: 'set', path: epoch, bytes: none, version }
  ])
  session.keepLease({ path: epoch, version: raised!.version! })
  candidate.leads = true
}

type Tally = { leases: number; changes: number }

async function simulate(faults: readonly (readonly [what: number, who: number])[]): Promise<Tally> {
  const clock = new FakeClock({ turns: 2 })
  let count = 0
  await using ensemble = new FakeZooKeeper({ clock, latencyMs: () => (count++ * 7) % 20 })
  const setUp = await ensemble.connect({ sessionMs: 600_000 })
  const made = setUp.transact([
    { op: 'create', path: epoch, bytes: none },
    { op: 'create', path: '/candidates', bytes: none }
  ])
  await clock.pass(100)
  await made
  const all: Candidate[] = Array.from({ length: candidates }, () => ({
    session: undefined,
    own: undefined,
    leads: false,
    isBusy: false
  }))
  const tally = { leases: 0, changes: 0 }
  let last: Candidate | undefined
  for (const [what, who] of faults) {
    const victim = all[who]!.session
    if (what === 0 && victim) ensemble.cut(victim)
    if (what === 1 && victim) ensemble.hold(victim)
    if (what === 2 && victim) ensemble.pause(victim)
    if (what === 3 && victim) ensemble.loseReplies(victim)
    if (what >= 4) {
      for (const { session } of all) {
        if (session === undefined) continue
        ensemble.resume(session)
        ensemble.release(session)
        ensemble.heal(session)
      }
    }
    for (let moment = 0; moment < looks; moment++) {
      for (const candidate of all) {
        if (candidate.session === undefined || candidate.session.ended.aborted) {
          Object.assign(candidate, { own: undefined, leads: false, isBusy: false })
          candidate.session = await ensemble.connect({ sessionMs })
        }
        if (candidate.session.paused || candidate.isBusy) continue
        candidate.isBusy = true
        void stand(candidate, candidate.session)
          .catch(() => {})
          .finally(() => {
            candidate.isBusy = false
          })
      }
      await clock.pass(stepMs / looks)
      const holders = all.filter(
        ({ session }) =>
          (session!.leaseUntil() ?? -1) > clock.monotonic() && !session!.ended.aborted
      )
      if (holders.length > 1) throw new Error(`two hold a lease at ${clock.monotonic()} ms`)
      tally.leases += holders.length
      if (holders[0] !== undefined && holders[0] !== last) {
        tally.changes++
        last = holders[0]
      }
    }
  }
  return tally
}

test('whatever is cut, held, lost or paused, two sessions never hold the lease', async t => {
  const sum = { leases: 0, changes: 0 }
  const faults = fc.array(fc.tuple(fc.nat(5), fc.nat(candidates - 1)), {
    minLength: 20,
    maxLength: 60
  })
  await fc.assert(
    fc.asyncProperty(faults, async given => {
      const tally = await simulate(given)
      sum.leases += tally.leases
      sum.changes += tally.changes
    }),
    { numRuns: 15 }
  )
  t.true(sum.leases > 1_000, `${sum.leases} moments with a lease: the runs test nothing`)
  t.true(sum.changes > 25, `${sum.changes} changes of who holds it: the runs test nothing`)
})
