import type { ExecutionContext } from 'ava'
import { Fault, type FaultCode } from '#shared/fault.ts'
import type { Journal } from '../../controller/core/ports.ts'

/** Storage of one journal, empty at first, removed with the bed. */
export interface JournalBed extends AsyncDisposable {
  /** Whether several handles may be open at once, as on an ensemble; else a second is `locked`. */
  readonly shared: boolean
  open(): Promise<Journal>
  /**
   * The next write fails: `refused` is not made, `unknown` is made although it is reported as a
   * failure. After it all writes and openings fail, as on a full disk, until `heal`.
   */
  failNext(fate: 'refused' | 'unknown'): void
  heal(): void
}

/** One promise of the contract: a sentence, and how it is checked. */
export type JournalPromise = readonly [
  title: string,
  check: (t: ExecutionContext, bed: JournalBed) => Promise<void>
]

/** All chunks of the last checkpoint, as text. */
export async function readChunks(journal: Journal): Promise<Readonly<Record<string, string>>> {
  const checkpoint = await journal.readCheckpoint()
  const chunks: Record<string, string> = {}
  for await (const { key, bytes } of checkpoint?.chunks ?? []) {
    chunks[key] = Buffer.from(bytes).toString()
  }
  return chunks
}

/** Checks that work fails with a Fault of this code. */
export async function rejects(t: ExecutionContext, work: Promise<unknown>, code: FaultCode) {
  const fault = await t.throwsAsync(work, { instanceOf: Fault })
  t.is(fault?.code, code, fault?.message)
  return fault!
}

/** Bytes of a chunk. */
export const bytes = (text: string): Uint8Array => Buffer.from(text)
