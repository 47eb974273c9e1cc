/**
 * One fence: a host's power is brought to what is wanted and *read back*, by levels of devices.
 *
 *                 all devices of the level have read it twice
 *        ┌─────────────────────────────────────────────────────► proven
 *        │
 *     working ◄──┐ one of them fails, and a level is left
 *        │ └─────┘
 *        │ no level is left          the wait is over: from the start
 *        └─────────────► waiting ─────────────────────────► working
 *
 *   working  the devices of one level are told at the same time, and read until all are proven
 *   waiting  all levels were tried in vain: the verdict is `unknown`, and it is tried again, later
 *            each time, for as long as it is wanted
 *   proven   the verdict is `off-confirmed` or `on-confirmed`: a fact of that moment, which stays
 *            said even if somebody presses the button afterwards
 *
 * To bring a host off, levels are tried from the first on until one proves it, or from a later one
 * where those before it were found out to lie. To bring it on, they are gone through from the last
 * to the first, all of them: a fence may have cut the outlets that the first level's controller is
 * fed from. Those above the first may fail then; whether the host is on, the first says.
 *
 * Each call has a number. An answer to a call that nobody waits for any more changes nothing.
 */
import { formatMs, type Ms } from '#shared/units.ts'
import { type FenceVerdict, storyCharsMax, storySentencesMax } from '#shared/wire/fence.ts'
import {
  type Answer,
  type Asking,
  awaitedCall,
  type FenceGoal,
  type FenceSettings,
  isProven,
  type Switch,
  takeAnswer,
  takeTime,
  tellFirst
} from './fence-switch.ts'

/** Where a fence stands. */
export type FencePlan = {
  readonly goal: FenceGoal
  /** Name of the host, for sentences. */
  readonly host: string
  /** Names of the devices of each level. */
  readonly levels: readonly (readonly string[])[]
  /** The first level that is tried to bring it off, as an index. */
  readonly from: number
  readonly settings: FenceSettings
  readonly startedAt: Ms
  /** How often it was begun from the start. */
  readonly attempt: number
  readonly nextCall: number
  readonly stage:
    | { readonly phase: 'working'; readonly level: number; readonly devices: readonly Switch[] }
    | { readonly phase: 'waiting'; readonly until: Ms }
    | { readonly phase: 'proven'; readonly level: number }
  readonly found: Finding | undefined
  /** A sentence for each level that was tried, the oldest first. */
  readonly story: readonly string[]
}

/** What a fence has come to so far. */
export type Finding = {
  readonly verdict: FenceVerdict
  readonly at: Ms
  readonly because: string
}

/** What happens to a fence. */
export type FenceEvent =
  | { readonly type: 'tick' }
  | { readonly type: 'answer'; readonly call: number; readonly answer: Answer }

/** What is to be done for it, in this order. */
export type FenceEffect =
  | { readonly type: 'switch' | 'read'; readonly call: number; readonly at: DevicePlace }
  /** Nobody waits for the answer any more. */
  | { readonly type: 'abandon'; readonly call: number }
  | { readonly type: 'found'; readonly finding: Finding }

/** Which device: indexes into the levels and the devices of one. */
export type DevicePlace = { readonly level: number; readonly device: number }

/** A fence after something has happened, and what is to be done. */
export type FenceStep = { readonly plan: FencePlan; readonly effects: readonly FenceEffect[] }

/** Begins a fence. */
export function beginFence(
  given: Pick<FencePlan, 'goal' | 'host' | 'levels' | 'settings'> & { readonly from?: number },
  now: Ms
): FenceStep {
  const { goal, host, levels, settings, from = 0 } = given
  const blank: FencePlan = {
    ...{ goal, host, levels, settings, from: Math.min(from, Math.max(0, levels.length - 1)) },
    startedAt: now,
    attempt: 0,
    nextCall: 1,
    stage: { phase: 'waiting', until: now },
    found: undefined,
    story: []
  }
  return beginAttempt(blank, now)
}

/** Takes in what has happened. */
export function stepFence(plan: FencePlan, event: FenceEvent, now: Ms): FenceStep {
  const { stage } = plan
  switch (stage.phase) {
    case 'working':
      return work(plan, stage, event, now)
    case 'waiting':
      return now < stage.until ? { plan, effects: [] } : beginAttempt(plan, now)
    case 'proven':
      return { plan, effects: [] }
    default:
      throw new TypeError(`no such stage: ${JSON.stringify(stage satisfies never)}`)
  }
}

/** Nobody wants it any more: the calls that need not be waited for. */
export const withdrawFence = ({ stage }: FencePlan): readonly FenceEffect[] =>
  stage.phase === 'working' ? abandon(stage.devices) : []

/** How far it is, in a word that is equal for equals. */
export function standOf(plan: FencePlan | undefined): string {
  if (plan === undefined) return ''
  const { stage, attempt } = plan
  return `${stage.phase} ${attempt} ${stage.phase === 'working' ? stage.level : ''}`
}

/** When the next `tick` is due; undefined: an answer is awaited, or nothing. */
export function nextTickAt({ stage }: FencePlan): Ms | undefined {
  if (stage.phase === 'waiting') return stage.until
  if (stage.phase === 'proven') return undefined
  const rests = stage.devices.flatMap(({ doing }) =>
    doing.step === 'resting' ? [doing.until] : []
  )
  return rests.length === 0 ? undefined : Math.min(...rests)
}

type Working = Extract<FencePlan['stage'], { readonly phase: 'working' }>

function beginAttempt(plan: FencePlan, now: Ms): FenceStep {
  const again: FencePlan = { ...plan, attempt: plan.attempt + 1 }
  if (plan.levels.length === 0) {
    return giveUp(tell(again, `${plan.host} has no device that could cut its power`), now)
  }
  return beginLevel(again, plan.goal === 'off' ? plan.from : plan.levels.length - 1, now)
}

function beginLevel(plan: FencePlan, level: number, now: Ms): FenceStep {
  const devices = plan.levels[level]!.map((name, index) =>
    tellFirst({ name, goal: plan.goal, call: plan.nextCall + index }, now)
  )
  return {
    plan: {
      ...plan,
      nextCall: plan.nextCall + devices.length,
      stage: { phase: 'working', level, devices }
    },
    effects: devices.map((_, device) => ({
      type: 'switch',
      call: plan.nextCall + device,
      at: { level, device }
    }))
  }
}

function work(plan: FencePlan, stage: Working, event: FenceEvent, now: Ms): FenceStep {
  const { settings } = plan
  let { nextCall } = plan
  const effects: FenceEffect[] = []
  const devices = stage.devices.map((before, device) => {
    const { device: after, ask } = advance(before, event, { now, call: nextCall, settings })
    if (ask === undefined) return after
    effects.push({ type: ask, call: nextCall, at: { level: stage.level, device } })
    nextCall += 1
    return after
  })
  const next: FencePlan = { ...plan, nextCall, stage: { ...stage, devices } }
  const failed = devices.flatMap(({ doing }) => (doing.step === 'failed' ? [doing.because] : []))
  if (failed.length > 0) return leaveLevel(next, { level: stage.level, devices, failed }, now)
  if (devices.every(isProven)) return proveLevel(next, { level: stage.level, devices }, now)
  return { plan: next, effects }
}

function advance(
  device: Switch,
  event: FenceEvent,
  given: { readonly now: Ms; readonly call: number; readonly settings: FenceSettings }
): Asking {
  if (event.type === 'tick') return takeTime(device, given)
  return event.call === awaitedCall(device) ? takeAnswer(device, event.answer, given) : { device }
}

function leaveLevel(
  plan: FencePlan,
  tried: {
    readonly level: number
    readonly devices: readonly Switch[]
    readonly failed: readonly string[]
  },
  now: Ms
): FenceStep {
  const { level, devices, failed } = tried
  const told = tell(plan, `${place(plan, level)}: ${failed.join('; ')}`)
  const next = plan.goal === 'off' ? level + 1 : level - 1
  const isLeft = next >= 0 && next < plan.levels.length
  const step = isLeft ? beginLevel(told, next, now) : giveUp(told, now)
  return { plan: step.plan, effects: [...abandon(devices), ...step.effects] }
}

function proveLevel(
  plan: FencePlan,
  tried: { readonly level: number; readonly devices: readonly Switch[] },
  now: Ms
): FenceStep {
  const { level, devices } = tried
  const { goal } = plan
  const names = devices.map(nameOf).join(' and ')
  const took = formatMs(now - devices[0]!.startedAt)
  const told = tell(plan, `${place(plan, level)}: ${names} read ${goal} twice, after ${took}`)
  if (goal === 'on' && level > 0) {
    const step = beginLevel(told, level - 1, now)
    return { plan: step.plan, effects: [...abandon(devices), ...step.effects] }
  }
  const because = `${plan.host} is ${goal}: ${saidOf(told)}`.slice(0, storyCharsMax)
  const found: Finding = { verdict: `${goal}-confirmed`, at: now, because }
  return {
    plan: { ...told, stage: { phase: 'proven', level }, found },
    effects: [...abandon(devices), { type: 'found', finding: found }]
  }
}

/** To bring it on all levels were gone through; what became of those before the last counts too. */
const saidOf = ({ goal, levels, story }: FencePlan): string =>
  story
    .slice(goal === 'on' ? -levels.length : -1)
    .toReversed()
    .join('; ')

/** All levels were tried: no proof. It is tried again, each time later. */
function giveUp(plan: FencePlan, now: Ms): FenceStep {
  const { retryMsMin, retryMsMax } = plan.settings
  const waitMs = Math.min(retryMsMax, retryMsMin * 2 ** Math.min(plan.attempt - 1, 20))
  const tried = `after ${plan.attempt} attempts; next in ${formatMs(waitMs)}: ${plan.story.at(-1)}`
  const said = `${plan.host} is not proven ${plan.goal} ${tried}`
  const found: Finding = { verdict: 'unknown', at: now, because: said.slice(0, storyCharsMax) }
  return {
    plan: { ...plan, stage: { phase: 'waiting', until: now + waitMs }, found },
    effects: [{ type: 'found', finding: found }]
  }
}

const abandon = (devices: readonly Switch[]): readonly FenceEffect[] =>
  devices.flatMap(device => {
    const call = awaitedCall(device)
    return call === undefined ? [] : [{ type: 'abandon' as const, call }]
  })

/** A refusal is part of the story even where the readings are as wanted: something may be amiss. */
const nameOf = ({ name, reads, refusal, did }: Switch): string => {
  const refused = refusal === undefined ? '' : `; it had refused: ${refusal}`
  return `${name} (${reads} readings${did === undefined ? '' : `; ${did}`}${refused})`
}

const place = ({ attempt, levels }: FencePlan, level: number): string =>
  `attempt ${attempt}, level ${level + 1} of ${levels.length}`

const tell = (plan: FencePlan, said: string): FencePlan => ({
  ...plan,
  story: [...plan.story, said.slice(0, storyCharsMax)].slice(-storySentencesMax)
})
