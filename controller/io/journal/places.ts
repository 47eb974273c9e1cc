/** A journal's folder: what lies where in it, and the sentences for when it cannot be opened. */
import { access, constants, mkdir, readdir, realpath } from 'node:fs/promises'
import { join } from 'node:path'
import { Fault, isFault, sentence } from '#shared/fault.ts'
import { syncFile } from '#shared/files.ts'
import { lockOwner } from './lock-owner.ts'
import { roomOf, writeDurably } from './quarantine.ts'

/** Where the parts of one journal are, as absolute paths without symbolic links. */
export type Places = {
  readonly path: string
  /** LevelDB's folder. */
  readonly store: string
  /** Second names of LevelDB's logs while the journal is being opened. */
  readonly held: string
}

/** Makes a journal's folder and says what is where. */
export async function placesOf(given: string): Promise<Places> {
  await mkdir(join(given, 'store'), { recursive: true, mode: 0o700 })
  // LevelDB knows by the folder's name alone that this very process has it open already.
  const path = await realpath(given)
  // Otherwise the first to notice a read-only file system is mkdir, which calls it ENOENT.
  await access(path, constants.W_OK)
  await syncFile(path)
  return { path, store: join(path, 'store'), held: join(path, 'opening') }
}

const marker = 'journal.txt'

/** Whether there has been a journal here: an empty store is a new one only where there was none. */
export const hasMarker = async ({ path }: Places): Promise<boolean> =>
  (await readdir(path)).includes(marker)

/** Leaves word that there is a journal here; resolves once that would survive a power cut. */
export async function setMarker(places: Places): Promise<void> {
  if (await hasMarker(places)) return
  const text = 'The truth of a cloud is kept in the folder "store" beside this file.\n'
  await writeDurably(join(places.path, marker), [text])
}

/** Makes the Fault for a journal that cannot be opened for reasons outside of it. */
export async function cannotOpen(path: string, thrown: unknown): Promise<Fault> {
  if (isFault(thrown, 'locked')) return locked(path, await guessOwner(path), thrown)
  return diskRefused(`cannot open the journal in ${path}`, path, thrown)
}

/** Makes the Fault for a journal from which no cloud can safely start. */
export function cannotTrust(path: string, because: string): Fault {
  return new Fault('corrupt', `cannot open the journal in ${path}: ${because}`, {
    next: [
      `restore ${path} from a copy; what was found is in its folders quarantine and opening`,
      `to start a new, empty cloud instead, move ${path} away`
    ]
  })
}

/** Makes the Fault for a journal that somebody else has open, naming the process if known. */
export function locked(path: string, owner: string | undefined, cause?: unknown): Fault {
  const who = owner === undefined ? 'another process' : `process ${owner}`
  return new Fault('locked', `cannot open the journal in ${path}: ${who} has it open`, {
    cause,
    next: ['stop the other one, or give this one another folder']
  })
}

/** Names the process that has a journal open, if it can be seen. */
export const ownerOf = (path: string): Promise<string | undefined> =>
  lockOwner(join(path, 'store', 'LOCK'))

/** As `ownerOf`, when it is known already that there is one. */
const guessOwner = async (path: string): Promise<string | undefined> =>
  (await ownerOf(path)) ?? lockOwner(join(path, 'store', 'LOCK'), { anyDevice: true })

/** Room with which LevelDB can certainly reopen: its log once more as a table, and a new log. */
const roomMibNeeded = 32

/** Makes the Fault for a disk that does not do what it should; `what` is what cannot be done. */
export async function diskRefused(what: string, path: string, cause: unknown): Promise<Fault> {
  const found = await roomOf(path)
  const room = found ? `; ${found.freeMib} of ${found.totalMib} MiB are free there` : ''
  const free = `free at least ${roomMibNeeded} MiB on the file system of ${path}`
  const look = `look with "dmesg" and "mount" whether the file system of ${path} is failing`
  return new Fault('unavailable', `${what}: the disk refused it${room}`, {
    cause,
    reasons: [sentence(cause)],
    next: [found && found.freeMib < roomMibNeeded ? `${free}; nothing else is needed` : look]
  })
}
