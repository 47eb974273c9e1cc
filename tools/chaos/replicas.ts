/** Reads the journal as each server of an ensemble has it, and what they say of themselves. */
import { realClock } from '#shared/clock.ts'
import { sentence } from '#shared/fault.ts'
import { silentLog } from '#shared/log.ts'
import { connectZooKeeper } from '#shared/zookeeper/connect.ts'
import { askServer, readMonitor } from '#shared/zookeeper/four-letters.ts'
import type { SharedJournal } from '../../controller/core/ports.ts'
import { openZooKeeperJournal } from '../../controller/io/journal/zookeeper.ts'
import type { Replica, ReplicaEntry } from './checker.ts'

const sessionMs = 20_000
const askMsMax = 1_000

/** What one server has, read in a session with it alone. */
export async function readReplica(server: string, secret: string): Promise<Replica> {
  const options = { servers: [server], sessionMs, secret, log: silentLog, clock: realClock }
  await using session = await connectZooKeeper(options)
  await using journal = await openZooKeeperJournal(session, { log: silentLog })
  return await readJournal(server, journal)
}

/** Reads a journal to its end, or to where it is broken. */
export async function readJournal(server: string, journal: SharedJournal): Promise<Replica> {
  const entries: ReplicaEntry[] = []
  try {
    for await (const { position, epoch, hash, commit } of journal.entries(0)) {
      entries.push({ position, epoch, hash, key: commit.decisions[0]?.because ?? '' })
    }
  } catch (thrown) {
    return { server, entries, broken: sentence(thrown) }
  }
  if (entries.length === journal.head()) return { server, entries }
  return { server, entries, broken: `it ends at ${entries.length}, not at ${journal.head()}` }
}

/** How often a server has found its state to differ from the leader's; 0: it does not answer. */
export async function digestMismatches(server: string): Promise<number> {
  const text = await askServer(server, 'mntr', { deadlineMs: askMsMax }).catch(() => '')
  return Number(readMonitor(text).get('digest_mismatches_count') ?? 0)
}
