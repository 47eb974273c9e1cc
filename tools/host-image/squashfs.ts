import { run } from '../image/run.ts'
import { epochS } from './base.ts'

/** Which folder becomes a squashfs, and where. */
export type SquashfsOptions = {
  readonly folder: string
  readonly into: string
  /** Of zstd. */
  readonly level: number
  readonly signal?: AbortSignal | undefined
}

const packMsMax = 3_600_000

/**
 * Packs a folder, so that it depends on nothing but what is in it: all files are of one moment.
 * Blocks of 256 KiB are a tenth smaller than those of 128 KiB, and still small enough for programs
 * that are read a page at a time.
 */
export async function makeSquashfs(options: SquashfsOptions): Promise<void> {
  const { folder, into, level, signal } = options
  const moment = String(epochS)
  await run(
    'mksquashfs',
    [
      ...[folder, into, '-noappend', '-quiet', '-no-progress', '-b', '256K'],
      ...['-comp', 'zstd', '-Xcompression-level', String(level)],
      ...['-all-time', moment, '-mkfs-time', moment]
    ],
    { deadlineMs: packMsMax, signal }
  )
}
