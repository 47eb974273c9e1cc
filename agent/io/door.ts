/**
 * How a host comes in: its agent knocks at the door of each candidate in turn, says who it is, and
 * does so again and again until one says that it is approved. The answer names the keys of the
 * controllers that may dial this agent; they are kept in a private file, so that after a power cut
 * the host needs no door to come back.
 *
 * A host that no controller has spoken to for long knocks again: its address may have changed, or
 * the controllers' keys.
 */
import type { Clock } from '#shared/clock.ts'
import { within } from '#shared/deadline.ts'
import { Fault, isFault, sentence } from '#shared/fault.ts'
import type { Log } from '#shared/log.ts'
import type { Ms } from '#shared/units.ts'
import { isSignedBy, type SignedBootstrap } from '#shared/wire/bootstrap.ts'
import { answerAtDoorBytesMax, doorBytesMax, knockMsMax, readJoined } from '#shared/wire/door.ts'
import { encodeBody, readHeader, Sealer, type Sender } from '#shared/wire/frame.ts'
import type { CurveKeys } from '#shared/wire/keys.ts'
import type { Join, Joined } from '#shared/wire/messages.ts'
import { WireSocket } from '#shared/wire/socket.ts'
import { UnreadableFault } from '#shared/wire/unreadable.ts'
import { isKey } from '#shared/wire/z85.ts'
import { type Admission, readAdmission, writeAdmission } from './admission.ts'

/** A candidate's door, with the key that it must have. */
export type DoorAddress = { readonly endpoint: string; readonly publicKey: string }

/** First wait between two knocks; doubles while no door gives an answer. Unit: ms. */
export const knockAgainMsMin: Ms = 1_000
/** The longest wait, and the wait after a refusal. Unit: ms. */
export const knockAgainMsMax: Ms = 30_000
/** The longest wait while an operator has not decided yet. Unit: ms. */
export const pendingMsMax: Ms = 5_000
/** A host that has heard no controller for so long knocks again. Unit: ms. */
export const silenceMsMax: Ms = 30_000

/** Where to knock, and as whom. */
export type KnockOptions = {
  readonly doors: readonly DoorAddress[]
  readonly keys: CurveKeys
  readonly sender: Sender
  /** Who knocks; asked anew each time, since its address may change. */
  readonly join: () => Join
  /** The cloud that the host belongs to already; another one's approval is not taken. */
  readonly cloud: string | undefined
  /** The cloud's public key as it is pinned; what is signed with another one is not taken. */
  readonly cloudKey?: (() => string | undefined) | undefined
  readonly clock: Clock
  readonly log: Log
}

/** What a host is told that is let in. */
export type LetIn = Admission & { readonly bootstrap?: SignedBootstrap }

/** Knocks until approved; rejects only when the signal aborts. */
export async function knock(options: KnockOptions, signal: AbortSignal): Promise<LetIn> {
  const { clock, log } = options
  let pauses = firstPauses
  let told = ''
  for (;;) {
    const answer = await knockAtEach(options, signal)
    if (answer.verdict === 'approved') {
      log.info('approved', { cloud: answer.cloud, controllerKeys: answer.controllerKeys.length })
      const { cloud, controllerKeys, cloudKey, bootstrap } = answer
      return {
        cloud,
        controllerKeys,
        ...(cloudKey !== undefined && { cloudKey }),
        ...(bootstrap && { bootstrap })
      }
    }
    const { verdict, because } = answer
    if (told !== because) log.warn('not let in yet', { verdict, because })
    told = because
    const pauseMs = pauseAfter(verdict, pauses)
    pauses = pausesAfter(verdict, pauses)
    await clock.sleep(pauseMs * (0.75 + Math.random() / 2), signal)
  }
}

/** How long is waited next where no door lets us in, and where an operator has not decided. */
export type Pauses = { readonly unansweredMs: Ms; readonly pendingMs: Ms }

/** Those of a host that begins to knock. */
export const firstPauses: Pauses = { unansweredMs: knockAgainMsMin, pendingMs: knockAgainMsMin }

/** How long is waited after an answer. */
export function pauseAfter(verdict: Verdict, pauses: Pauses): Ms {
  if (verdict === 'refused') return knockAgainMsMax
  return verdict === 'pending' ? pauses.pendingMs : pauses.unansweredMs
}

/** The pauses to come: each doubles up to its limit; an answer ends those of silence. */
export function pausesAfter(verdict: Verdict, { unansweredMs, pendingMs }: Pauses): Pauses {
  if (verdict === 'refused') return { unansweredMs, pendingMs }
  if (verdict === 'pending') {
    return { unansweredMs: knockAgainMsMin, pendingMs: Math.min(pendingMs * 2, pendingMsMax) }
  }
  return { unansweredMs: Math.min(unansweredMs * 2, knockAgainMsMax), pendingMs }
}

type Verdict = Exclude<Answer['verdict'], 'approved'>

/** `declined`: the door would let this host in, and this host does not take it. */
type Answer = { readonly verdict: 'unanswered' | 'declined'; readonly because: string } | Joined

/** Knocks at each door; an approval counts most, then pending, a refusal, and one not taken. */
async function knockAtEach(options: KnockOptions, signal: AbortSignal): Promise<Answer> {
  let best: Answer = { verdict: 'unanswered', because: 'cannot knock: no door is configured' }
  const ranks = ['unanswered', 'declined', 'refused', 'pending', 'approved']
  for (const door of options.doors) {
    const answer = await answerOf(door, options, signal)
    if (answer.verdict === 'approved') return answer
    if (ranks.indexOf(answer.verdict) >= ranks.indexOf(best.verdict)) best = answer
  }
  return best
}

async function answerOf(
  door: DoorAddress,
  options: KnockOptions,
  signal: AbortSignal
): Promise<Answer> {
  try {
    const joined = await knockOnce(door, options, signal)
    if (joined.verdict !== 'approved') return joined
    const objection = objectionTo(joined, options)
    return objection === undefined ? joined : { verdict: 'declined', because: objection }
  } catch (thrown) {
    if (signal.aborted || !isFault(thrown)) throw thrown
    return { verdict: 'unanswered', because: sentence(thrown) }
  }
}

function objectionTo(joined: Joined, options: KnockOptions): string | undefined {
  const { cloud } = options
  if (cloud !== undefined && joined.cloud !== cloud) {
    return (
      `cannot join cloud ${joined.cloud}: this host belongs to cloud ${cloud} ` +
      '(if it shall leave that one for good: stop the agent, and remove its folder)'
    )
  }
  const pinned = options.cloudKey?.()
  const { cloudKey, bootstrap } = joined
  if (pinned !== undefined && cloudKey !== undefined && cloudKey !== pinned) {
    return 'cannot take the approval: its cloud has another key than the one that is pinned'
  }
  const key = pinned ?? cloudKey
  if (bootstrap && (key === undefined || !isSignedBy(key, bootstrap))) {
    return 'cannot take the approval: its list is not signed with the key of the cloud'
  }
  const isUsable = joined.controllerKeys.length > 0 && joined.controllerKeys.every(isKey)
  return isUsable ? undefined : 'cannot take the approval: it names no usable controller keys'
}

/**
 * Knocks at one door once. Fault `deadline` when it does not answer in time, `unavailable` when it
 * does not let us speak, `protocol` when what it says is no answer.
 */
export async function knockOnce(
  door: DoorAddress,
  options: Pick<KnockOptions, 'keys' | 'sender' | 'join' | 'clock'>,
  signal: AbortSignal
): Promise<Joined> {
  const { clock, keys, sender, join } = options
  const body = encodeBody(join(), doorBytesMax)
  const sealer = new Sealer(sender, () => 0)
  const answer = Promise.withResolvers<Joined>()
  const socket = WireSocket.dialling(keys, { bytesMax: answerAtDoorBytesMax })
  const events = async (): Promise<void> => {
    for await (const { type, because } of socket.events()) {
      if (type === 'reached') continue
      if (type === 'connected') {
        await socket.send('door', sealer.seal('join', body, clock.monotonic()))
      } else answer.reject(new Fault('unavailable', `cannot knock at ${door.endpoint}: ${because}`))
    }
  }
  const messages = async (): Promise<void> => {
    for await (const { frames } of socket.messages()) {
      try {
        readHeader(frames)
        answer.resolve(readJoined(frames))
      } catch (thrown) {
        if (!(thrown instanceof UnreadableFault)) throw thrown
        answer.reject(thrown)
      }
    }
  }
  const loops = Promise.all([events(), messages()])
  try {
    socket.dial({ ...door, line: 'door' })
    const late = `cannot knock at ${door.endpoint}: no answer within ${knockMsMax} ms`
    return await within(answer.promise, { clock, deadlineMs: knockMsMax, signal, late })
  } finally {
    socket.close()
    await loops
  }
}

/** Whom to watch and whom to tell, beside what is needed to knock. */
export type StayOptions = Omit<KnockOptions, 'cloud'> & {
  /** Where the admission is kept. */
  readonly path: string
  /** When a controller was last heard, on the monotonic clock. */
  readonly heardAt: () => Ms | undefined
  /** Told of each new admission, once it is stored. */
  readonly admitted: (admission: Admission, bootstrap?: SignedBootstrap) => Promise<void>
}

/**
 * Sees to it that this host is let in: knocks when there is no admission yet, and again whenever no
 * controller has been heard for long. Ends when the signal aborts.
 */
export async function stayAdmitted(options: StayOptions, signal: AbortSignal): Promise<void> {
  const { path, clock, heardAt, admitted } = options
  let known = await readAdmission(path)
  let quietFrom = known === undefined ? Number.NEGATIVE_INFINITY : clock.monotonic()
  while (!signal.aborted) {
    const quietMs = clock.monotonic() - Math.max(heardAt() ?? quietFrom, quietFrom)
    try {
      if (quietMs < silenceMsMax) await clock.sleep(silenceMsMax - quietMs, signal)
      else {
        const { bootstrap, ...letIn } = await knock({ ...options, cloud: known?.cloud }, signal)
        const cloudKey = options.cloudKey?.() ?? letIn.cloudKey
        known = { ...letIn, ...(cloudKey !== undefined && { cloudKey }) }
        await writeAdmission(path, known)
        await (bootstrap ? admitted(known, bootstrap) : admitted(known))
        quietFrom = clock.monotonic()
      }
    } catch (thrown) {
      if (!signal.aborted) throw thrown
    }
  }
}
