/**
 * Reads the journal of a lab as a program of its own, at the lab's switch, since the machine itself
 * may have no way to the ensemble. It writes a line of JSON for each entry. What it loses the
 * connection to, it connects to again, and goes on where it was.
 *
 *     journal-reader.ts '{"servers": […], "secretFile": …, "after": 0, "follows": true}'
 */
import { readFile } from 'node:fs/promises'
import { type Clock, realClock } from '#shared/clock.ts'
import { isFault, sentence } from '#shared/fault.ts'
import { silentLog } from '#shared/log.ts'
import { connectZooKeeper } from '#shared/zookeeper/connect.ts'
import { kernelMs } from '#shared/zookeeper/mail.ts'
import type { Entry, Position } from '../../controller/core/ports.ts'
import { openZooKeeperJournal } from '../../controller/io/journal/zookeeper.ts'

/** What a reader is started with. */
export type ReaderOrder = {
  readonly servers: readonly string[]
  /** File with name and password at the ensemble. */
  readonly secretFile: string
  /** The entry behind which it begins. */
  readonly after: Position
  /** It goes on for ever; otherwise it ends with the journal. */
  readonly follows: boolean
}

/** One line of what it writes: an entry, or that there is no going on. */
export type ReaderLine = Pick<Entry, 'position' | 'epoch' | 'hash'> | { readonly broken: string }

const sessionMs = 6_000
const againMs = 500

const clock: Clock = { ...realClock, monotonic: kernelMs }

async function main(order: ReaderOrder): Promise<void> {
  let { after } = order
  const say = (line: ReaderLine): void => void process.stdout.write(`${JSON.stringify(line)}\n`)
  const take = ({ position, epoch, hash }: Entry): void => {
    say({ position, epoch, hash })
    after = position
  }
  for (;;) {
    try {
      await readOnce(order, after, take)
      if (!order.follows) return
    } catch (thrown) {
      const isOver = isFault(thrown, 'not-found') || isFault(thrown, 'corrupt')
      if (!isFault(thrown) || isOver) return say({ broken: sentence(thrown) })
    }
    await clock.sleep(againMs)
  }
}

async function readOnce(
  { servers, secretFile, follows }: ReaderOrder,
  after: Position,
  take: (entry: Entry) => void
): Promise<void> {
  const secret = (await readFile(secretFile, 'utf8')).trim()
  const given = { servers, sessionMs, secret, log: silentLog, clock }
  await using session = await connectZooKeeper(given)
  await using journal = await openZooKeeperJournal(session, { log: silentLog })
  const entries = follows ? journal.tail(after, session.ended) : journal.entries(after)
  for await (const entry of entries) take(entry)
}

if (process.argv[1] === import.meta.filename) {
  await main(JSON.parse(process.argv[2]!) as ReaderOrder)
  process.exit(0)
}
