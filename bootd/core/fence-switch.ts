/**
 * One device that is to bring a host's power to what is wanted.
 *
 * What a device says about its own deed proves nothing: it may answer "done" and do nothing, refuse
 * because the host is off already, or do it and lose the answer. So it is told once, and then read
 * until it has read what is wanted twice in a row. Where it is several outlets, of which only some
 * are on, it has read neither: it is not off, and who wants it on wants all of it.
 *
 *                told            answer, whatever it is
 *   (start) ───► switching ─────────────► reading ◄──────────┐
 *                    ▲                     │  │              │ the rest is over
 *                    │ refused, and reads  │  └──► resting ──┘
 *                    │ the other (once)    │
 *                    └─────────────────────┤
 *                                          └──► failed
 *
 *   switching  it is told, and has not answered yet
 *   reading    it is asked how the power is
 *   resting    it has answered, and is asked again in a moment; with two readings in a row as
 *              wanted it is *proven*, and stays so while each further reading agrees
 *   failed     it was silent twice in a row, refused twice and reads otherwise, or still reads
 *              otherwise after its time
 */
import { formatMs, type Ms } from '#shared/units.ts'
import type { Power } from '#shared/wire/fence.ts'
import type { Reading } from './ports.ts'

/** What a host's power can be brought to. */
export type FenceGoal = 'off' | 'on'

/** The patience of a fence. */
export type FenceSettings = {
  /** Between two readings in a row that are to prove something. Unit: ms. */
  readonly proofGapMs: Ms
  /** Between other readings. Unit: ms. */
  readonly readGapMs: Ms
  /** A device that reads otherwise so long after its answer has failed. Unit: ms. */
  readonly settleMsMax: Ms
  /** The wait after a first attempt in vain; it doubles with each. Unit: ms. */
  readonly retryMsMin: Ms
  readonly retryMsMax: Ms
}

/** Servers need up to six seconds for the long press of the button that "off" often is. */
export const fenceSettings: FenceSettings = {
  proofGapMs: 250,
  readGapMs: 500,
  settleMsMax: 15_000,
  retryMsMin: 1_000,
  retryMsMax: 60_000
}

/** So many readings in a row prove it. */
export const readingsProof = 2
/** A device whose calls fail so often in a row is silent. */
const failuresMax = 2
/** It is told so often at most. */
const tellingsMax = 2

/** Where a device stands; `call` is the number of the call whose answer is awaited. */
export type Switch = {
  readonly name: string
  readonly goal: FenceGoal
  readonly doing:
    | { readonly step: 'switching' | 'reading'; readonly call: number }
    | { readonly step: 'resting'; readonly until: Ms }
    | { readonly step: 'failed'; readonly because: string }
  /** Readings in a row that were as wanted. */
  readonly agreed: number
  /** Calls in a row that failed. */
  readonly failures: number
  readonly tellings: number
  /** Why it did not do what it was told; undefined: it says that it did. */
  readonly refusal: string | undefined
  /** What it did that people should know of. */
  readonly did: string | undefined
  /** When it was first told, and when it last answered to that. */
  readonly startedAt: Ms
  readonly toldAt: Ms
  readonly reads: number
  /** Readings otherwise that came after one as wanted. */
  readonly turns: number
}

/** What came of a call: a reading, a deed that the device calls done, or why neither. */
export type Answer =
  | Seen
  | { readonly done: true; readonly did?: string }
  | { readonly failure: string; readonly did?: string }

/** A reading; `dark`: outlets that are not on beside those that are, and how they read. */
export type Seen = { readonly power: Power; readonly dark?: string }

/** What a device reads, as a reading. */
export const seenOf = (said: Reading): Seen => (typeof said === 'string' ? { power: said } : said)

/** What to ask the device next, if anything. */
export type Asking = { readonly device: Switch; readonly ask?: 'switch' | 'read' }

/** Begins by telling the device; `call` is the number of that call. */
export const tellFirst = (
  given: { readonly name: string; readonly goal: FenceGoal; readonly call: number },
  now: Ms
): Switch => ({
  name: given.name,
  goal: given.goal,
  doing: { step: 'switching', call: given.call },
  agreed: 0,
  failures: 0,
  tellings: 1,
  refusal: undefined,
  did: undefined,
  startedAt: now,
  toldAt: now,
  reads: 0,
  turns: 0
})

/** Says whether the device has read what is wanted often enough, and nothing else since. */
export const isProven = (device: Switch): boolean => device.agreed >= readingsProof

/** Number of the call whose answer is awaited. */
export const awaitedCall = ({ doing }: Switch): number | undefined =>
  doing.step === 'switching' || doing.step === 'reading' ? doing.call : undefined

/** Takes in the answer to the awaited call; `call` numbers the next one, if one is asked for. */
export function takeAnswer(
  device: Switch,
  answer: Answer,
  given: { readonly now: Ms; readonly call: number; readonly settings: FenceSettings }
): Asking {
  if (device.doing.step === 'switching') return takeTelling(device, answer, given)
  if ('power' in answer) return takeReading(device, answer, given)
  const failure = 'failure' in answer ? answer.failure : 'it did not say how the power is'
  const failing: Switch = { ...device, agreed: 0, failures: device.failures + 1 }
  if (failing.failures >= failuresMax) return { device: fail(failing, silent(failing, failure)) }
  return rest(failing, given.now, given.settings.readGapMs)
}

/** Asks again once a rest is over. */
export function takeTime(
  device: Switch,
  given: { readonly now: Ms; readonly call: number }
): Asking {
  if (device.doing.step !== 'resting' || given.now < device.doing.until) return { device }
  return read(device, given.call)
}

type Given = { readonly now: Ms; readonly call: number; readonly settings: FenceSettings }

/** A refusal is no more the end than "done" is a proof: what it reads decides. */
function takeTelling(device: Switch, answer: Answer, { now, call }: Given): Asking {
  const refusal = 'failure' in answer ? answer.failure : undefined
  const failures = refusal === undefined ? 0 : device.failures + 1
  const did = ('did' in answer ? answer.did : undefined) ?? device.did
  return read({ ...device, refusal, did, failures, toldAt: now }, call)
}

function takeReading(device: Switch, seen: Seen, { now, call, settings }: Given): Asking {
  const { power, dark } = seen
  const isAsWanted = power === device.goal && (power === 'off' || dark === undefined)
  const heard: Switch = {
    ...device,
    failures: 0,
    reads: device.reads + 1,
    agreed: isAsWanted ? device.agreed + 1 : 0,
    turns: device.turns + (!isAsWanted && device.agreed > 0 ? 1 : 0)
  }
  if (isAsWanted) {
    return rest(heard, now, isProven(heard) ? settings.readGapMs : settings.proofGapMs)
  }
  const isRefused = device.refusal !== undefined && power !== 'unknown'
  if (isRefused && device.tellings < tellingsMax) {
    const again: Switch = { ...heard, tellings: heard.tellings + 1 }
    return { device: { ...again, doing: { step: 'switching', call } }, ask: 'switch' }
  }
  if (isRefused || now - heard.toldAt > settings.settleMsMax) {
    return { device: fail(heard, unmoved(heard, seen, now)) }
  }
  return rest(heard, now, settings.readGapMs)
}

const rest = (device: Switch, now: Ms, gapMs: Ms): Asking => ({
  device: { ...device, doing: { step: 'resting', until: now + gapMs } }
})

const read = (device: Switch, call: number): Asking => ({
  device: { ...device, doing: { step: 'reading', call } },
  ask: 'read'
})

const fail = (device: Switch, because: string): Switch => ({
  ...device,
  agreed: 0,
  doing: { step: 'failed', because }
})

const silent = ({ name, reads }: Switch, failure: string): string =>
  `${name} gives no answer that can be used after ${reads} readings: ${failure}`

function unmoved(device: Switch, { power, dark }: Seen, now: Ms): string {
  const { name, goal, reads, refusal, turns, toldAt } = device
  const said = refusal === undefined ? `says that it is ${goal}` : `refuses (${refusal})`
  const after = `${formatMs(now - toldAt)} and ${reads} readings`
  if (turns > 0) return `${name} ${said}, but reads ${goal} and otherwise by turns: ${after}`
  const partly = dark === undefined ? '' : ` in part (${dark})`
  return `${name} ${said}, but still reads ${power}${partly} after ${after}`
}
