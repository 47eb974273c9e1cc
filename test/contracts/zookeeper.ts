/**
 * What every ZooKeeper session promises, with the fake ensemble and with a real one. A bed is an
 * ensemble and the network between it and the sessions that are opened; each test works below a
 * znode of its own.
 */
import test, { type ExecutionContext } from 'ava'
import type { Ms } from '#shared/units.ts'
import type { ZooKeeperSession } from '#shared/zookeeper/session.ts'
import { faultPromises } from './zookeeper-faults.ts'
import { znodePromises } from './zookeeper-znodes.ts'

/** An ensemble, and what lies between it and sessions. */
export interface ZooKeeperBed extends AsyncDisposable {
  open(options?: { readonly sessionMs?: Ms; readonly secret?: string }): Promise<ZooKeeperSession>
  /** Breaks the connection of a session; there is no other until `heal`. */
  cut(session: ZooKeeperSession): void
  heal(session: ZooKeeperSession): void
  /** What is under way stays under way, and nobody notices, until `release`. */
  hold(session: ZooKeeperSession): void
  release(session: ZooKeeperSession): void
  /** The next reply is lost with the connection; what it answers has been done. */
  loseReply(session: ZooKeeperSession): void
  /** Lets time pass until something holds; throws when it does not come about. */
  until(condition: () => boolean | Promise<boolean>): Promise<void>
  /** The moment, on the clock of the leases. */
  now(): Ms
}

/** One promise of the contract; `root` is a znode that is this test's own. */
export type ZooKeeperPromise = readonly [
  title: string,
  check: (t: ExecutionContext, bed: ZooKeeperBed, root: string) => Promise<void>
]

/** Runs the contract of `ZooKeeperSession` on beds that are made for each promise. */
export function suite(
  name: string,
  makeBed: () => Promise<ZooKeeperBed>,
  options: { readonly serial?: boolean } = {}
): void {
  const declare = options.serial ? test.serial : test
  for (const [index, [title, check]] of [...znodePromises, ...faultPromises].entries()) {
    declare(`${name}: ${title}`, async t => {
      await using bed = await makeBed()
      const root = `/contract-${index}-${process.pid}`
      await using first = await bed.open()
      await first.transact([{ op: 'create', path: root, bytes: new Uint8Array() }])
      await check(t, bed, root)
    })
  }
}

/** Makes bytes of a text. */
export const bytes = (text: string): Uint8Array => Buffer.from(text)
/** Makes a text of bytes. */
export const text = (given: Uint8Array | undefined): string | undefined =>
  given && Buffer.from(given).toString()

/** Reads on until a watch has told once more, with a bound of the bed. */
export async function told(bed: ZooKeeperBed, watch: AsyncIterator<void>): Promise<boolean> {
  let result: IteratorResult<void> | undefined
  let thrown: unknown
  watch.next().then(
    value => {
      result = value
    },
    reason => {
      thrown = reason
    }
  )
  await bed.until(() => result !== undefined || thrown !== undefined)
  if (thrown !== undefined) throw thrown
  return result?.done !== true
}
