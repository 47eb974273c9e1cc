/** The election on ZooKeeper, on an ensemble in memory. */
import { realClock } from '#shared/clock.ts'
import { silentLog } from '#shared/log.ts'
import { zooKeeperElection } from '../../../controller/io/election/zookeeper.ts'
import { electionSuite } from '../../contracts/election.ts'
import { FakeZooKeeper } from '../../world/fake-zookeeper.ts'

electionSuite('the election on a fake ensemble', async () => {
  const ensemble = new FakeZooKeeper({ clock: realClock })
  const sessions = new Map<unknown, AsyncDisposable>()
  return {
    stand: async name => {
      const session = await ensemble.connect()
      const election = zooKeeperElection(session, { name, log: silentLog, clock: realClock })
      sessions.set(election, session)
      return election
    },
    kill: async election => {
      await sessions.get(election)?.[Symbol.asyncDispose]()
    },
    [Symbol.asyncDispose]: async () => {
      for (const election of sessions.keys()) {
        await (election as AsyncDisposable)[Symbol.asyncDispose]()
      }
      await ensemble[Symbol.asyncDispose]()
    }
  }
})
