/**
 * A candidate in a process of its own that a test kills, stops and lets go on: it stands for
 * election, leads, and appends in pipelines as fast as it can until it has lost; then it tries to
 * append once more. Started as: journal-holder.ts NAME SECRET SESSION-MS SERVER,SERVER,…
 * It says what it does, a line of JSON each.
 */
import { realClock } from '#shared/clock.ts'
import { isFault } from '#shared/fault.ts'
import { silentLog } from '#shared/log.ts'
import { connectZooKeeper } from '#shared/zookeeper/connect.ts'
import type { SharedElection, SharedJournal } from '../../controller/core/ports.ts'
import { zooKeeperElection } from '../../controller/io/election/zookeeper.ts'
import { openZooKeeperJournal } from '../../controller/io/journal/zookeeper.ts'
import { numbered } from '../world/numbered-commits.ts'

/** What such a process says. */
export type HolderLine =
  | { readonly type: 'stands' }
  | { readonly type: 'leads'; readonly epoch: number; readonly head: number }
  | { readonly type: 'appended'; readonly position: number; readonly number: number }
  | { readonly type: 'lost'; readonly because: string; readonly holds: boolean }
  | { readonly type: 'tried'; readonly appended: number; readonly refused: readonly string[] }

const pipelined = 16
const say = (line: HolderLine): void => void process.stdout.write(`${JSON.stringify(line)}\n`)

async function main(given: readonly string[]): Promise<void> {
  const [name = '', secret = '', sessionMs, servers = ''] = given
  await using session = await connectZooKeeper({
    servers: servers.split(','),
    sessionMs: Number(sessionMs),
    secret,
    log: silentLog,
    clock: realClock
  })
  const election = zooKeeperElection(session, { name, log: silentLog, clock: realClock })
  const { proof } = election
  await using journal = await openZooKeeperJournal(session, { log: silentLog, proof })
  say({ type: 'stands' })
  const { lost } = await election.lead(new AbortController().signal)
  const epoch = await journal.raiseEpoch()
  say({ type: 'leads', epoch, head: journal.head() })
  await write({ journal, election, epoch, lost })
  process.exit(0)
}

async function write(given: {
  readonly journal: SharedJournal
  readonly election: SharedElection
  readonly epoch: number
  readonly lost: AbortSignal
}): Promise<void> {
  const { journal, election, lost } = given
  let { epoch } = given
  let number = epoch * 1_000_000
  const append = async () => {
    number += 1
    const ours = number
    const position = await journal.append(numbered(ours), { epoch })
    say({ type: 'appended', position, number: ours })
  }
  const writers = () =>
    Array.from({ length: pipelined }, async () => {
      while (!lost.aborted) await append()
    })
  while (!lost.aborted) {
    await Promise.allSettled(writers())
    await recover(journal).then(
      raised => {
        epoch = raised
        say({ type: 'leads', epoch, head: journal.head() })
      },
      () => realClock.sleep(10)
    )
  }
  const holds = election.holds(realClock.monotonic())
  say({ type: 'lost', because: String(lost.reason), holds })
  const tries = await Promise.allSettled(Array.from({ length: pipelined }, append))
  const refused = tries.flatMap(each =>
    each.status === 'rejected' ? [isFault(each.reason) ? each.reason.code : 'unexpected'] : []
  )
  say({ type: 'tried', appended: tries.length - refused.length, refused })
}

/** As a controller does after a failed write. */
async function recover(journal: SharedJournal): Promise<number> {
  await journal.recover()
  return journal.raiseEpoch()
}

if (process.argv[1] === import.meta.filename) await main(process.argv.slice(2))
