/**
 * The heartbeat on shared storage: what one host writes there, and what another one makes of it.
 *
 * A host that nobody hears may be dead, or only cut off; and a device that says *off* may be wrong.
 * The storage knows better: whoever still writes there is not off. So each host overwrites a small
 * file of its own in each shared pool about once a second, and looks at those of the neighbours
 * that it probes as well.
 *
 * No clock of the writer counts. A reader remembers what it saw, and when *its own* looks began and
 * ended; from that follow two bounds, whatever the storage's latency:
 *
 *   look:      [began ends]          [began ends]          [began ends]
 *   finds:         7                      8                     8
 *                ▲                            ▲           ▲
 *                └ 8 was written after this   └── for so ─┘ long, at least, it has stood still
 *
 * What is seen for the first time may be a year old, so it says neither.
 */
import type { Ms } from '#shared/units.ts'
import type { StorageSeen } from '#shared/wire/storage.ts'

/** A file is one block, so that it is on the disk as a whole or not at all. Unit: bytes. */
export const heartbeatBytes = 512
/** How often each host writes. Unit: ms. */
export const storageBeatMs: Ms = 1_000
/** How often it looks at those of others. Unit: ms. */
export const storageLookMs: Ms = 500
/** A host whose write has not come through for so long does not write. Unit: ms. */
export const storageSilentMs: Ms = 5_000
/** What has stood still for longer than a beat and a half stands still. Unit: ms. */
export const storageStillMs: Ms = 1_500

/** What a host writes of itself. */
export type StorageBeat = {
  /** UUID of the host. */
  readonly host: string
  readonly bootId: string
  /** Counts up with each beat of one run. */
  readonly number: number
  /** The writer's own monotonic clock; nobody else can tell anything from it. Unit: ms. */
  readonly monotonicMs: Ms
  /** How it stands with its lease, for people who look into the file. */
  readonly state: string
}

const first = 'remuda-heartbeat 1'

/** Writes a beat as text that fills one block; its check at the end tells a torn one. */
export function writeBeat({ host, bootId, number, monotonicMs, state }: StorageBeat): Uint8Array {
  const words = [first, host, bootId, String(number), String(Math.round(monotonicMs)), state]
  const text = words.join(' ')
  const line = `${text} ${checkOf(text)}\n`
  return new TextEncoder().encode(line.padEnd(heartbeatBytes, '\0').slice(0, heartbeatBytes))
}

/** Reads a beat; undefined: it is torn, cut, or none of ours. */
export function readBeat(bytes: Uint8Array): StorageBeat | undefined {
  if (bytes.length !== heartbeatBytes) return undefined
  const [line = ''] = new TextDecoder().decode(bytes).split('\n')
  const at = line.lastIndexOf(' ')
  const [text, check] = [line.slice(0, at), line.slice(at + 1)]
  if (!text.startsWith(`${first} `) || check !== checkOf(text)) return undefined
  const [host = '', bootId = '', number, monotonicMs, state = ''] = text
    .slice(first.length + 1)
    .split(' ')
  return { host, bootId, number: Number(number), monotonicMs: Number(monotonicMs), state }
}

/** FNV-1a, 32 bits: it tells a torn block, and need not withstand anybody. */
function checkOf(text: string): string {
  let hash = 0x811c9dc5
  for (let at = 0; at < text.length; at += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193) >>> 0
  }
  return hash.toString(16).padStart(8, '0')
}

/** One look at the file of a neighbour, by the reader's own clock. */
export type StorageLook = {
  readonly beganAt: Ms
  readonly endedAt: Ms
  /** undefined: there is none, or it could not be read. */
  readonly beat: StorageBeat | undefined
}

/** What a reader knows of one neighbour in one pool. */
export type StorageSight = {
  readonly beat: StorageBeat
  /** When the last look that found a beat began. */
  readonly lookedAt: Ms
  /** When the first look ended that found this very beat. */
  readonly foundAt: Ms
  /** When the look began after which it was written; undefined: it was never seen to change. */
  readonly writtenAfter?: Ms
}

/** Takes a look in. One that found nothing says nothing; nor does one that is older. */
export function sighted(
  before: StorageSight | undefined,
  { beganAt, endedAt, beat }: StorageLook
): StorageSight | undefined {
  if (!beat || (before && beganAt < before.lookedAt)) return before
  if (!before) return { beat, lookedAt: beganAt, foundAt: endedAt }
  if (isSame(before.beat, beat)) return { ...before, lookedAt: beganAt }
  return { beat, lookedAt: beganAt, foundAt: endedAt, writtenAfter: before.lookedAt }
}

/** The time of the writer counts as content only: after a new start numbers begin anew. */
const isSame = (one: StorageBeat, other: StorageBeat): boolean =>
  one.bootId === other.bootId &&
  one.number === other.number &&
  one.monotonicMs === other.monotonicMs

/** What a report says of a sight. */
export function seenOf(sight: StorageSight, now: Ms): StorageSeen {
  const { beat, lookedAt, foundAt, writtenAfter } = sight
  return {
    host: beat.host,
    bootId: beat.bootId,
    number: beat.number,
    ageMs: since(lookedAt, now),
    stillMs: since(foundAt, lookedAt),
    ...(writtenAfter !== undefined && { writtenMs: since(writtenAfter, now) })
  }
}

const since = (at: Ms, now: Ms): Ms => Math.max(0, Math.round(now - at))

/** Whether a neighbour stands still by now, as far as was seen. */
export const isStill = ({ lookedAt, foundAt }: StorageSight): boolean =>
  lookedAt - foundAt >= storageStillMs

/** How a host's own writing to a pool goes. Times are its monotonic clock. */
export type StorageWriting = {
  /** When the program first told of it. */
  readonly since: Ms
  /** When it told of it last: one that is starved itself says nothing of the storage. */
  readonly toldAt: Ms
  /** When the last write began that came through. */
  readonly wroteAt?: Ms
  /** Why the last one failed; left out: it came through, or is under way. */
  readonly fault?: string
}

/** Why a host does not write to a pool; undefined: it does, or has only just begun to. */
export function silenceOfWriting(writing: StorageWriting): string | undefined {
  const { since: begun, toldAt, wroteAt, fault } = writing
  const silentMs = toldAt - (wroteAt ?? begun)
  if (silentMs < storageSilentMs) return undefined
  const seconds = Math.floor(silentMs / 1_000)
  return fault === undefined
    ? `its storage has not answered for ${seconds} s`
    : `it cannot write there for ${seconds} s: ${fault}`
}
