/** Mistakes that are put in on purpose, each of which some seed must find. */
import type { Operation, ZooKeeperSession } from '#shared/zookeeper/session.ts'
import { AgentLoop } from '../../agent/io/loop.ts'
import type { SharedElection, SharedJournal } from '../../controller/core/ports.ts'
import { epochPath, headPath } from '../../controller/io/journal/zookeeper-znodes.ts'
import type { Mutation, SimulatedCloud } from './simulated-cloud.ts'

/** A mistake, and the seed that finds it. */
export type Mutant = {
  readonly says: string
  /** A seed that finds it. */
  readonly seed: number
  /** Whether it is found within moments. */
  readonly isQuick?: true
  readonly mutation?: Mutation
  readonly begin?: (cloud: SimulatedCloud) => Disposable
}

/** The same object but for some of its methods. */
function but<Port extends object>(port: Port, own: Partial<Port>): Port {
  const all: Record<PropertyKey, unknown> = {}
  const keys = [port, Object.getPrototypeOf(port)].flatMap(each => Reflect.ownKeys(each))
  for (const key of keys) {
    const value = Reflect.get(port, key)
    all[key] = typeof value === 'function' ? value.bind(port) : value
  }
  return Object.assign(all, own) as Port
}

const never = new AbortController().signal

const leaseAlwaysHeld = (election: SharedElection): SharedElection => {
  let hasLed = false
  return {
    alone: false,
    announce: card => election.announce(card),
    candidates: () => election.candidates(),
    leader: () => election.leader(),
    stepDown: because => election.stepDown(because),
    status: () => election.status(),
    holds: now => hasLed || election.holds(now),
    leasesUntil: now => election.leasesUntil(now),
    lead: async signal => {
      await election.lead(signal)
      hasLed = true
      return { lost: never }
    },
    [Symbol.asyncDispose]: async () => await election[Symbol.asyncDispose]()
  }
}

const acknowledgedEarly = (journal: SharedJournal): SharedJournal => {
  let position = 0
  return but(journal, {
    raiseEpoch: async above => {
      const epoch = await journal.raiseEpoch(above)
      position = journal.head()
      return epoch
    },
    append: async (commit, options) => {
      position += 1
      journal.append(commit, options).catch(() => {})
      return position
    }
  })
}

const unknownTakenForDone = (journal: SharedJournal): SharedJournal => {
  let last = 0
  return but(journal, {
    append: async (commit, options) => {
      try {
        last = await journal.append(commit, options)
        return last
      } catch {
        last += 1
        return last
      }
    }
  })
}

const epochKept = (journal: SharedJournal): SharedJournal => {
  let real = 0
  return but(journal, {
    raiseEpoch: async above => {
      real = await journal.raiseEpoch(above)
      return 2
    },
    append: commit => journal.append(commit, { epoch: real })
  })
}

const recoversWithoutReading = (journal: SharedJournal): SharedJournal => {
  let hasRecovered = false
  return but(journal, {
    recover: () => {
      hasRecovered = true
      return journal.recover()
    },
    entries: async function* (after) {
      if (!hasRecovered) yield* journal.entries(after)
    }
  })
}

/** Entries are written without a look at the version of the epoch. */
const uncheckedWrites = (session: ZooKeeperSession): ZooKeeperSession =>
  but(session, {
    transact: async operations => {
      const isWrite = operations.some(({ path }) => path === headPath)
      const unchecked = ({ op, path }: Operation): boolean => op === 'check' && path === epochPath
      return isWrite
        ? await session.transact(operations.filter(operation => !unchecked(operation)))
        : await session.transact(operations)
    }
  })

/** Replaces a method for as long as a run lasts. */
function replace<Name extends string>(
  of: Record<Name, unknown>,
  name: Name,
  by: unknown
): Disposable {
  const before = of[name]
  of[name] = by
  return { [Symbol.dispose]: () => Object.assign(of, { [name]: before }) }
}

/** All of them, by name. */
export const mutants: Readonly<Record<string, Mutant>> = {
  'lease-always-held': {
    says: 'a controller that was once elected takes its lease for granted',
    seed: 2,
    isQuick: true,
    mutation: { election: leaseAlwaysHeld }
  },
  'acknowledged-early': {
    says: 'a commit counts as recorded when it was sent',
    seed: 1,
    isQuick: true,
    mutation: { journal: acknowledgedEarly }
  },
  'unknown-taken-for-done': {
    says: 'a commit whose outcome is unknown counts as recorded',
    seed: 1,
    isQuick: true,
    mutation: { journal: unknownTakenForDone }
  },
  'epoch-kept': {
    says: 'a new reign acts in the epoch of the one before',
    seed: 1,
    isQuick: true,
    mutation: { journal: epochKept }
  },
  'recovers-without-reading': {
    says: 'after an unknown outcome the journal is not read back',
    seed: 3,
    mutation: { journal: recoversWithoutReading }
  },
  'raised-without-proof': {
    says: 'the epoch is raised by who cannot prove that it was elected',
    seed: 1,
    isQuick: true,
    mutation: { needsNoProof: true }
  },
  'appended-unchecked': {
    says: 'entries are written whatever version the epoch has',
    seed: 15,
    mutation: { session: uncheckedWrites }
  },
  'wall-clock-trusted': {
    says: 'the lease is measured by the wall clock',
    seed: 1,
    mutation: {
      clock: clock => {
        const begunAt = clock.wall() - clock.monotonic()
        return { ...clock, monotonic: () => clock.wall() - begunAt }
      }
    }
  },
  'orders-before-durable': {
    says: 'orders leave before what they are made of is recorded',
    seed: 1,
    isQuick: true,
    mutation: {
      candidate: ({ service }) => {
        Object.assign(service.ledger, { durable: async () => {} })
      }
    }
  },
  'any-epoch-taken': {
    says: 'an agent takes orders of every epoch',
    seed: 1,
    begin: cloud => {
      const { agent } = cloud.net
      cloud.net.agent = async host => {
        const seat = await agent(host)
        const take = seat.mesh.take.bind(seat.mesh)
        seat.mesh.take = (line, _epoch, body) => take(line, 1, body)
        return seat
      }
      const { takeOrder } = AgentLoop.prototype
      return replace(
        AgentLoop.prototype as never,
        'takeOrder',
        function (this: AgentLoop, order: Parameters<typeof takeOrder>[0]) {
          const epoch = Math.max(order.epoch, this.seen.epoch) + 1
          return takeOrder.call(this, { ...order, epoch })
        }
      )
    }
  }
}
