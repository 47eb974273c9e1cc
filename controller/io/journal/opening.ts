/**
 * Opening a journal: everything that could be wrong with what a power cut, a full disk or a dying
 * disk left behind is found here, before anyone reads or appends.
 *
 * Verified is the whole tail: each entry after the last checkpoint must be whole, have the next
 * position and name the hash of the one before it. Older entries are verified when they are read,
 * chunks of the checkpoint likewise. The journal ends with the last entry that holds; what comes
 * after it is cut off. A torn last write was acknowledged to nobody, but entries behind a damaged
 * one were, so all that is cut goes into quarantine and is reported, never thrown away. Where not
 * even the start of the tail holds, nothing is opened: a cloud must not start again from nothing.
 */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { Fault, isFault, sentence } from '#shared/fault.ts'
import type { Epoch } from '#shared/ids.ts'
import type { Log } from '#shared/log.ts'
import { type Cut, cutTail, readHeldLogs } from './cutting.ts'
import { entryKey, entryKeyLast, firstLink, follow, type Link } from './entry-codec.ts'
import { withDeadline } from './lane.ts'
import { holdAll, holdLogs, lookAtFiles } from './level-files.ts'
import { repairLevelStore } from './level-store.ts'
import {
  cannotOpen,
  cannotTrust,
  hasMarker,
  locked,
  ownerOf,
  type Places,
  placesOf,
  setMarker
} from './places.ts'
import { openQuarantine } from './quarantine.ts'
import {
  chunksOf,
  type FoundRecords,
  formatOurs,
  type Manifest,
  putRecord,
  readRecords,
  removeRecord
} from './records.ts'
import type { OpenStore, Store, Write } from './store.ts'

/** A journal that was found whole, or was made so. */
export type Opened = {
  readonly store: Store
  readonly path: string
  readonly epoch: Epoch
  readonly last: Link
  /** The last entry that was forgotten. */
  readonly anchor: Link
  readonly checkpoint: Manifest | undefined
  readonly cut: Cut | undefined
}

/** How a journal is opened, at the start or again after a failed write. */
export type OpeningOptions = {
  readonly log: Log
  readonly openStore: OpenStore
  /** An entry that must still be there, since its writer was told so. */
  readonly acknowledged?: Link
}

/** Longest that opening or repairing a store may take. */
const openMsMax = 120_000

/**
 * After damage nobody knows which epoch was the last to be given; agents refuse one that they have
 * seen with later orders. So more are left out than can have been lost.
 */
const epochsSkipped = 1000

type Context = OpeningOptions & { readonly places: Places; readonly repaired: string | undefined }

/**
 * Opens a journal's folder and verifies it. Codes: `locked`, `corrupt` (there is nothing that a
 * cloud could safely start from), `invalid` (written by a newer release), `unavailable`.
 */
export async function openWhole(path: string, options: OpeningOptions): Promise<Opened> {
  let places: Places
  let repaired: string | undefined
  try {
    places = await placesOf(path)
    const files = await lookAtFiles(places.store)
    if (files.state === 'damaged') repaired = await repair(places, files.because, options)
  } catch (thrown) {
    throw isFault(thrown) ? thrown : await cannotOpen(path, thrown)
  }
  for (;;) {
    const opened = await openOnce({ ...options, places, repaired })
    if (!isFault(opened)) return opened
    if (opened.code !== 'storage') throw opened
    if (repaired !== undefined) throw cannotTrust(places.path, sentence(opened))
    repaired = await repair(places, sentence(opened), options)
  }
}

/** One attempt. Gives a Fault when the store is closed again; `storage` asks for a repair. */
async function openOnce(context: Context): Promise<Opened | Fault> {
  const { places } = context
  let store: Store
  let held: readonly string[] = []
  // LevelDB is asked only when nobody is seen to hold the lock, see level-store.ts.
  const owner = await ownerOf(places.path)
  if (owner !== undefined) return locked(places.path, owner)
  try {
    const create = (await lookAtFiles(places.store)).state === 'empty'
    held = await holdLogs(places.store, places.held)
    const late = () => new Fault('unavailable', `the disk has not answered for ${openMsMax} ms`)
    store = await withDeadline(context.openStore(places.store, { create }), openMsMax, late)
  } catch (thrown) {
    if (isFault(thrown, 'storage')) return thrown
    if (isFault(thrown, 'locked')) await forgetHeld(places, held)
    return cannotOpen(places.path, thrown)
  }
  try {
    const opened = await verify(store, context)
    if (isFault(opened)) await store[Symbol.asyncDispose]()
    return opened
  } catch (thrown) {
    await store[Symbol.asyncDispose]()
    if (isFault(thrown, 'storage')) return thrown
    if (isFault(thrown, 'corrupt')) return cannotTrust(places.path, sentence(thrown))
    return cannotOpen(places.path, thrown)
  }
}

/** Takes back the names that were given to the logs of a process that has the store open. */
async function forgetHeld({ held }: Places, names: readonly string[]): Promise<void> {
  for (const name of names) await rm(join(held, name), { force: true })
}

async function verify(store: Store, context: Context): Promise<Opened | Fault> {
  const { places, repaired, acknowledged } = context
  const { path } = places
  const records = await readRecords(store)
  const format = records.format?.format ?? formatOurs
  if (format > formatOurs) return tooNew(path, format)
  const anchor = records.anchor ?? firstLink
  const tail = await walkTail(store, records.checkpoint ?? anchor, acknowledged)
  const marked = await hasMarker(places)
  const lost =
    whyNothing(records, { ...tail, anchor, marked, repaired }) ??
    (acknowledged ? whyGone(acknowledged, tail) : undefined)
  if (lost !== undefined) return cannotTrust(path, lost)

  const { last, problem } = tail
  const logs = await readHeldLogs(places)
  const cut = await cutTail(store, { head: last.position, problem, repaired, logs }, context)
  await removePending(store, records)
  if (!records.format) await store.write([putRecord('format', { format: formatOurs })])
  await setMarker(places)
  const epochs = logs.map(({ reading }) => reading.highestEpoch)
  let epoch = Math.max(records.epoch?.epoch ?? 0, last.epoch, ...epochs)
  if (cut && !cut.torn) epoch += epochsSkipped
  if (epoch > (records.epoch?.epoch ?? 0)) await store.write([putRecord('epoch', { epoch })])
  return { store, path, epoch, last, anchor, checkpoint: records.checkpoint, cut }
}

type Walked = {
  readonly last: Link
  readonly problem: string | undefined
  /** Hash that the acknowledged entry now has; undefined: it was not met. */
  readonly acknowledgedHash: string | undefined
}

/** Follows the chain from what the checkpoint covers to the last entry that holds. */
async function walkTail(store: Store, base: Link, acknowledged?: Link): Promise<Walked> {
  let last: Link = { position: base.position, hash: base.hash, epoch: base.epoch }
  let acknowledgedHash: string | undefined
  for await (const page of store.range({ after: entryKey(base.position), upTo: entryKeyLast })) {
    for (const pair of page) {
      const entry = follow(last, pair)
      if (typeof entry === 'string') return { last, problem: entry, acknowledgedHash }
      last = { position: entry.position, hash: entry.hash, epoch: entry.epoch }
      if (last.position === acknowledged?.position) acknowledgedHash = last.hash
    }
  }
  return { last, problem: undefined, acknowledgedHash }
}

/** Says why what was found is not enough to start a cloud from, or undefined when it is. */
function whyNothing(
  records: FoundRecords,
  found: Walked & {
    readonly anchor: Link
    readonly marked: boolean
    readonly repaired: string | undefined
  }
): string | undefined {
  if (records.checkpoint) return undefined
  if (found.anchor.position > 0) {
    return `entries up to ${found.anchor.position} were forgotten, and their checkpoint is lost`
  }
  if (found.last.position > 0) return undefined
  if (found.problem !== undefined) return found.problem
  if (records.format) return undefined
  if (found.repaired !== undefined) return `nothing is left after its repair: ${found.repaired}`
  return found.marked ? 'there has been a journal, but its store is empty' : undefined
}

/** Says why an acknowledged entry is no longer what it was, or undefined when it is. */
function whyGone(acknowledged: Link, { last, acknowledgedHash }: Walked): string | undefined {
  const { position, hash } = acknowledged
  if (position > last.position) {
    return `entry ${position} was acknowledged, but the last one is ${last.position} now`
  }
  if (acknowledgedHash === undefined || acknowledgedHash === hash) return undefined
  return `entry ${position} is another one than was acknowledged`
}

/** Removes the chunks of a checkpoint that was not finished. */
async function removePending(store: Store, records: FoundRecords): Promise<void> {
  if (!records.pending) return
  const { serial } = records.pending
  // After a repair an old record may have come back: what the manifest lists is never removed.
  if (serial > (records.checkpoint?.serial ?? 0)) {
    const from = chunksOf(serial)
    for await (const page of store.range({ after: from, upTo: `${from}\uffff` })) {
      await store.write(page.map(({ key }): Write => ({ op: 'remove', key })))
    }
  }
  await store.write([removeRecord('pending')])
}

/** Lets LevelDB repair its files, after each of them has got a second name in quarantine. */
async function repair(places: Places, because: string, { log }: OpeningOptions): Promise<string> {
  // LevelDB repairs without looking at the lock.
  const owner = await ownerOf(places.path)
  if (owner !== undefined) throw locked(places.path, owner)
  try {
    const folder = await openQuarantine(places.path, { kind: 'repaired', because })
    await holdAll(places.store, join(folder, 'store'))
    log.error('journal is damaged, repairing it', { journal: places.path, because, folder })
    const late = () => new Fault('unavailable', `its repair has not ended after ${openMsMax} ms`)
    await withDeadline(repairLevelStore(places.store), openMsMax, late)
    return `${because}; its files as they were are in ${folder}`
  } catch (thrown) {
    throw await cannotOpen(places.path, thrown)
  }
}

const tooNew = (path: string, format: number): Fault =>
  new Fault('invalid', `cannot open the journal in ${path}: its format is ${format}`, {
    reasons: [`this release reads formats up to ${formatOurs}`],
    next: ['run the release that wrote it, or a newer one']
  })
