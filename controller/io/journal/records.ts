/**
 * The journal's small records beside its entries, and where everything is.
 *
 *     e/POSITION       an entry, see entry-codec.ts
 *     c/SERIAL/NAME    a chunk of the checkpoint, as written by checkpoint SERIAL
 *     m/…              the records below: a CRC-32 in hexadecimal, a space, JSON
 */
import { crc32 } from 'node:zlib'
import { Fault } from '#shared/fault.ts'
import type { Epoch } from '#shared/ids.ts'
import type { Position } from '../../core/ports.ts'
import type { Store, Write } from './store.ts'

/** The layout that this code writes; it refuses a higher one. */
export const formatOurs = 1

/** A chunk as the checkpoint lists it. */
export type ListedChunk = {
  /** Which checkpoint wrote it: it is at `c/SERIAL/NAME`. */
  readonly serial: number
  readonly bytes: number
  readonly sha256: string
}

/** A checkpoint: what it covers, and where its chunks are. */
export type Manifest = {
  readonly serial: number
  readonly position: Position
  /** Hash of the entry at that position. */
  readonly hash: string
  /** Epoch of the entry at that position. */
  readonly epoch: Epoch
  readonly chunks: Readonly<Record<string, ListedChunk>>
}

/** The last entry that was forgotten: the first that remains follows it. */
export type Anchor = { readonly position: Position; readonly hash: string; readonly epoch: Epoch }

type Records = {
  readonly format: { readonly format: number }
  readonly epoch: { readonly epoch: Epoch }
  readonly anchor: Anchor
  readonly checkpoint: Manifest
  /** Serial of a checkpoint under way; what it has written is void unless the manifest says so. */
  readonly pending: { readonly serial: number }
}

/** All records as found; undefined where there is none. */
export type FoundRecords = { readonly [Name in keyof Records]: Records[Name] | undefined }

/** The change that stores a record. */
export function putRecord<Name extends keyof Records>(name: Name, record: Records[Name]): Write {
  const json = Buffer.from(JSON.stringify(record))
  const bytes = Buffer.concat([Buffer.from(`${checksum(json)} `), json])
  return { op: 'put', key: `m/${name}`, bytes }
}

/** The change that removes a record. */
export const removeRecord = (name: keyof Records): Write => ({ op: 'remove', key: `m/${name}` })

/** Reads all records; Fault `corrupt` when one fails its checksum. */
export async function readRecords(store: Store): Promise<FoundRecords> {
  const names = ['format', 'epoch', 'anchor', 'checkpoint', 'pending'] as const
  const stored = await store.read(names.map(name => `m/${name}`))
  const found = Object.fromEntries(names.map((name, at) => [name, decode(name, stored[at])]))
  return found as FoundRecords
}

/** Where a chunk is stored that a checkpoint has written; later ones may list it still. */
export const chunkKey = (serial: number, name: string): string => `${chunksOf(serial)}${name}`

/** What the keys of all chunks start with that one checkpoint has written. */
export const chunksOf = (serial: number): string => `c/${serial.toString(16).padStart(8, '0')}/`

function decode(name: string, bytes: Uint8Array | undefined): unknown {
  if (!bytes) return undefined
  const json = bytes.subarray(9)
  if (Buffer.from(bytes.subarray(0, 8)).toString('latin1') !== checksum(json)) {
    throw new Fault('corrupt', `cannot read the journal's record "${name}": its checksum differs`)
  }
  return JSON.parse(Buffer.from(json).toString())
}

const checksum = (bytes: Uint8Array): string => crc32(bytes).toString(16).padStart(8, '0')
