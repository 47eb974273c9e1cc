/** The journal on ZooKeeper, on an ensemble in memory. */
import { realClock } from '#shared/clock.ts'
import { silentLog } from '#shared/log.ts'
import { openZooKeeperJournal } from '../../../controller/io/journal/zookeeper.ts'
import { sharedSuite } from '../../contracts/journal.ts'
import { FakeZooKeeper } from '../../world/fake-zookeeper.ts'
import { FaultySession } from '../../world/faulty-zookeeper.ts'

sharedSuite('the journal on a fake ensemble', async () => {
  const ensemble = new FakeZooKeeper({ clock: realClock })
  const sessions: FaultySession[] = []
  return {
    shared: true,
    open: async () => {
      const session = new FaultySession(await ensemble.connect())
      sessions.push(session)
      return openZooKeeperJournal(session, { log: silentLog })
    },
    failNext: fate => {
      for (const session of sessions) session.failNext(fate)
    },
    heal: () => {
      for (const session of sessions) session.heal()
    },
    [Symbol.asyncDispose]: () => ensemble[Symbol.asyncDispose]()
  }
})
