/**
 * The files of heartbeats in one pool. Each is opened anew each time, since that is when a client
 * of NFS asks its server what is in it. It is overwritten where it lies: one block, which is on the
 * disk as a whole or not at all, and needs no room on a disk that is full.
 */
import { constants } from 'node:fs'
import fs, { type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import {
  heartbeatBytes,
  readBeat,
  type StorageBeat,
  writeBeat
} from '../core/storage-heartbeats.ts'

/** What tells a pool that is mounted from an empty mount point; see storage/pools.ts. */
const marker = '.remuda-pool'
const { O_CREAT, O_DSYNC, O_NOFOLLOW, O_RDONLY, O_WRONLY } = constants

/** Where hosts write in a pool. */
export const heartbeatsIn = (pool: string): string => join(pool, '.remuda', 'heartbeats')

const fileOf = (pool: string, host: string): string => join(heartbeatsIn(pool), host)

/** Writes the beat of this host; resolves once it is on the disk. */
export async function writeHeartbeat(pool: string, beat: StorageBeat): Promise<void> {
  const file = await openOwn(pool, beat.host)
  try {
    await file.write(writeBeat(beat), 0, heartbeatBytes, 0)
  } finally {
    await file.close()
  }
}

async function openOwn(pool: string, host: string): Promise<FileHandle> {
  const path = fileOf(pool, host)
  try {
    return await fs.open(path, O_WRONLY | O_DSYNC | O_NOFOLLOW)
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== 'ENOENT') throw thrown
  }
  // Nothing is made where nothing is mounted: nobody else would see it.
  await fs.access(join(pool, marker))
  await fs.mkdir(heartbeatsIn(pool), { recursive: true, mode: 0o755 })
  return await fs.open(path, O_WRONLY | O_CREAT | O_DSYNC | O_NOFOLLOW, 0o644)
}

/** Reads the beat of a neighbour; undefined: it has none here, or it is just being written. */
export async function readHeartbeat(pool: string, host: string): Promise<StorageBeat | undefined> {
  let file: FileHandle
  try {
    file = await fs.open(fileOf(pool, host), O_RDONLY | O_NOFOLLOW)
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw thrown
  }
  try {
    const { buffer, bytesRead } = await file.read(new Uint8Array(heartbeatBytes), {
      length: heartbeatBytes,
      position: 0
    })
    const beat = readBeat(buffer.subarray(0, bytesRead))
    return beat?.host === host ? beat : undefined
  } finally {
    await file.close()
  }
}
