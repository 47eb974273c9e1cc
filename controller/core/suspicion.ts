/**
 * Whether a silent host is to be taken for dead. Silence alone says little: it may be our own
 * fault, a busy host, an agent that crashed on a machine that lives. So three things must agree: we
 * have listened all the time and heard nothing, peers that we hear have looked for it since and
 * found nothing, and too few others are missing for the fault to be the network's or ours.
 *
 *   what peers find at its address          it is suspected after
 *   nothing answers                         `suspectMs` of silence
 *   its kernel takes calls, no agent talks  `hungMs`: it may be starved, or stopped for a moment
 *   its kernel says that nobody listens     never: the agent has ended, what runs there runs on
 *   it answers                              never: the fault is ours, or between us
 *   nobody could look                       `unwitnessedMs`
 *
 * One that is seen to write to shared storage lives. It is fenced all the same, for nobody can tell
 * it to stop; but where one peer alone misses it, whose own line it may be, it is given `hungMs`,
 * and where none could look, it is not suspected.
 *
 * "Never" has one end. A host whose own watchdog is all that can prove it off gets no lease from us
 * as long as we do not hear it, so at its limit it ends what others could start, whoever reaches it
 * meanwhile. Then nothing is left to wait for: it is suspected, and counts as off when its watchdog
 * must have fired. All others wait for people, who are told so after `unwitnessedMs`, with what
 * they can do.
 *
 * Where all hosts of a rack are missing it is rather their switch, which may only start anew: they
 * are given `hungMs`, too.
 *
 * A new controller has heard nobody yet. It dials all hosts at once, and listens for `newcomerMs`
 * before it takes one for dead that has not answered. It listens for `witnessedMs` only, if peers
 * that it hears itself reached that host before, and have looked for it again and again for
 * `suspectMs` and more since they lost it. Their word does not stand for its own listening. It
 * shows that the silence did not begin with us, so that what is left to find out is whether the
 * host answers our own call: thousands have by then. It takes several such peers and no sign of
 * life at all, so a host that only boots more slowly than we do has its full time; and whoever else
 * has not answered by then counts as missing, so that one who hears only some hosts fences nobody.
 */
import type { Host } from '#shared/model/host.ts'
import { formatMs, type Ms } from '#shared/units.ts'
import { brakeWords, isBraked, type Missing, missingHosts } from './brake.ts'
import { listed } from './refusal.ts'
import { canExpire } from './self-fence.ts'
import { corroborationOf, type Silence, silenceOfHost } from './silence.ts'
import { lifeSentence, lifeSignOf } from './storage-witness.ts'
import type { Patience } from './suspicion-times.ts'
import type { View } from './view.ts'
import { type Corroboration, corroborationSentence } from './witnesses.ts'

/** So many peers must have missed a host, for a new controller to listen for less long. */
const witnessesMin = 2

/** Whose event loop is late by so much is told of as busy; it is not given more time. Unit: ms. */
const busyMs: Ms = 500

/** Why somebody who would be suspected is not fenced. */
export type Hold = 'disarmed' | 'brake' | 'rack' | 'no-device'

/** What speaks for ever against the death of a silent host: see above. */
export type Obstacle = 'reached' | 'refuses' | 'writes'

/** What is thought of a host. */
export type Suspicion =
  /** Heard, or not silent for long enough to say anything. */
  | { readonly verdict: 'none' }
  /** Silent, but something speaks against its death. */
  | {
      readonly verdict: 'waits'
      readonly because: string
      /** It has waited for long and ends by no time; left out: it may still. */
      readonly lasts?: { readonly obstacle: Obstacle; readonly next: string }
    }
  /** It would be fenced if nothing held. */
  | {
      readonly verdict: 'held'
      readonly hold: Hold
      readonly because: string
      readonly next: string
    }
  | { readonly verdict: 'suspect'; readonly because: string }

/** What most hosts are, at most moments. */
const unsuspected: Suspicion = { verdict: 'none' }

/** What was found last of a host, which holds as long as nothing is folded and no time passes. */
type Found = {
  readonly view: View
  readonly changes: number
  readonly patience: Patience
  readonly now: Ms
  readonly suspicion: Suspicion
}

const judgements = new WeakMap<Host, Found>()

/** Judges one host; whoever judges many counts the missing once, by `missingOnce`. */
export function suspicionOf(
  view: View,
  host: Host,
  now: Ms,
  missing: () => Missing = () => missingHosts(view, now)
): Suspicion {
  const silence = silenceToJudge(view, host, now)
  if (silence === undefined) return unsuspected
  const { changes, patience } = view
  const known = judgements.get(host)
  const isSame = known?.changes === changes && known.now === now
  if (isSame && known.view === view && known.patience === patience) return known.suspicion
  const suspicion = judged(view, host, { ...silence, now, missing })
  judgements.set(host, { view, changes, patience, now, suspicion })
  return suspicion
}

/** The silence of a host that may be suspected for it; undefined: there is none, or it may not. */
function silenceToJudge(view: View, host: Host, now: Ms): Silence | undefined {
  const { approval, duty, recovery, deletedAt, fenceTest } = host.decided
  if (approval !== 'approved' || deletedAt !== undefined || recovery) return undefined
  if (duty?.state === 'maintenance' || fenceTest) return undefined
  return silenceOfHost(view, host, { now, forMs: view.patience.suspectMs })
}

function judged(
  view: View,
  host: Host,
  given: Silence & { readonly now: Ms; readonly missing: () => Missing }
): Suspicion {
  const { sinceMs, isNew, now, missing } = given
  const since = isNew
    ? `not heard by this controller in ${formatMs(sinceMs)}`
    : `not heard for ${formatMs(sinceMs)}${busyWords(view, host)}`
  const found = corroborationOf(view, host, now)
  if (isNew && sinceMs < listensMs(found, view.patience)) return unsuspected
  const life = lifeSignOf(view, host, now)
  const lives = life ? `; ${lifeSentence(life)}: it is cut off, not dead` : ''
  const because = `${since}; ${corroborationSentence(found)}${lives}`
  const isShown = isNew && isWitnessed(found, view.patience)
  const waitMs = isShown ? 0 : waitMsOf(found, view.patience, life !== undefined)
  const endMs = waitMs ?? ownEndMs(view, host)
  if (endMs === undefined || sinceMs < endMs) {
    const lasts = endMs === undefined && doesLast(found, sinceMs, view.patience)
    return { verdict: 'waits', because, ...(lasts && { lasts: lastingOf(host, found) }) }
  }
  const why = waitMs === undefined ? ownEndWords(endMs) : ''
  const held = heldBy(view, host, { because: because + why, missing, now })
  if (held) return held
  const rack = host.labels['rack']
  if (sinceMs < view.patience.hungMs && rack !== undefined && missing().wholeRacks.has(rack)) {
    const switchWords = `all hosts of the rack ${rack} are missing: it may be their switch`
    return { verdict: 'waits', because: `${because}; ${switchWords}` }
  }
  return { verdict: 'suspect', because: because + why }
}

/** An agent that was starved when it was last heard may be so still: for people, who must judge. */
function busyWords(view: View, { name }: Host): string {
  const { loopLagMs } = view.heard(name)
  return loopLagMs < busyMs ? '' : `, and was busy then (${formatMs(loopLagMs)} late with its work)`
}

/** Whether peers have missed a host for so long that the silence did not begin with us. */
const isWitnessed = (found: Corroboration, { suspectMs }: Patience): boolean =>
  found.verdict === 'agreed' &&
  found.sign === 'silent' &&
  found.missed.length >= witnessesMin &&
  found.missedMs >= suspectMs

/** How long a new controller listens before it says anything of a host that it has never heard. */
const listensMs = (found: Corroboration, patience: Patience): Ms =>
  isWitnessed(found, patience) ? patience.witnessedMs : patience.newcomerMs

/** Whether this controller has heard a host, or has listened for it for long enough. */
export function hasListened(view: View, host: Host, now: Ms): boolean {
  if (view.heard(host.name).heardAt !== undefined) return true
  return now - view.listeningSince >= listensMs(corroborationOf(view, host, now), view.patience)
}

function waitMsOf(
  found: Corroboration,
  { suspectMs, hungMs, unwitnessedMs }: Patience,
  lives: boolean
): Ms | undefined {
  switch (found.verdict) {
    case 'one-sided':
      return undefined
    case 'unknown':
      return lives ? undefined : unwitnessedMs
    case 'agreed':
      if (found.sign === 'refuses') return undefined
      if (lives && found.missed.length < witnessesMin) return hungMs
      return found.sign === 'accepts' ? hungMs : suspectMs
    default:
      return found.verdict satisfies never
  }
}

/** After which silence a host ends by itself that nothing else can prove off; undefined: never. */
function ownEndMs(view: View, host: Host): Ms | undefined {
  if ((host.spec.fence ?? []).length > 0 || !canExpire(view, host)) return undefined
  const limitMs = host.decided.selfFence?.limitMs
  return limitMs === undefined ? undefined : Math.max(limitMs, view.patience.hungMs)
}

/** Who comes back after long is reached by its peers first, and dialled by us seconds later. */
const doesLast = (found: Corroboration, sinceMs: Ms, patience: Patience): boolean =>
  sinceMs >= patience.unwitnessedMs &&
  (found.verdict !== 'one-sided' ||
    found.reachedMs >= patience.hungMs ||
    sinceMs >= patience.unwitnessedMs + 2 * patience.hungMs)

const ownEndWords = (limitMs: Ms): string =>
  `; without a lease for ${formatMs(limitMs)} it has ended what others could start`

/** What people can do about a host that is not suspected, however long that lasts. */
function lastingOf(
  { name, decided }: Host,
  found: Corroboration
): { readonly obstacle: Obstacle; readonly next: string } {
  const confirm = `if it is off: remuda host confirm-off ${name}`
  switch (found.verdict) {
    case 'one-sided': {
      const way = `see to the line from this controller to ${decided.endpoint}`
      const cut = 'or cut its power by hand'
      return { obstacle: 'reached', next: `${way}, or remuda cluster step-down; ${cut}` }
    }
    case 'agreed':
      return { obstacle: 'refuses', next: `start its agent there; ${confirm}` }
    case 'unknown': {
      const cut = `see to its network, or cut its power by hand`
      return { obstacle: 'writes', next: `${cut}; ${confirm}` }
    }
    default:
      return found.verdict satisfies never
  }
}

function heldBy(
  view: View,
  host: Host,
  given: { readonly because: string; readonly missing: () => Missing; readonly now: Ms }
): Suspicion | undefined {
  const { because } = given
  const held = (hold: Hold, why: string, next: string): Suspicion => ({
    verdict: 'held',
    hold,
    because: `${because}; ${why}`,
    next
  })
  const confirm = `if it is off: remuda host confirm-off ${host.name}`
  const disarmed = view.cloud?.healing?.disarmed
  if (disarmed) {
    const why = `fencing is disarmed since ${disarmed.at} by ${disarmed.by}: ${disarmed.because}`
    return held('disarmed', why, 'remuda ha arm')
  }
  if ((host.spec.fence ?? []).length === 0 && !canExpire(view, host)) {
    return held('no-device', 'it has no fence device, so nothing can prove that it is off', confirm)
  }
  const { brake } = given.missing()
  if (isBraked(brake)) {
    const wider = 'remuda ha set --brake-share PERCENT'
    return held('brake', brakeWords(brake), `${confirm}; if all of them are dead: ${wider}`)
  }
  const rack = host.labels['rack']
  const others = rack === undefined ? [] : beingFenced(view, rack, given.now)
  if (others.length < (view.cloud?.healing?.fencesPerRack ?? 1)) return undefined
  const are = others.length === 1 ? 'is' : 'are'
  const why = `${listed(others)} of the same rack ${rack} ${are} being fenced`
  return held('rack', why, `${confirm}; or remuda ha set --fences-per-rack N`)
}

/** Those of a rack that may still be proven off soon: who waits for people holds nobody up. */
const beingFenced = (view: View, rack: string, now: Ms): readonly string[] =>
  [...view.all('host').values()]
    .filter(
      ({ name, labels, decided }) =>
        labels['rack'] === rack &&
        decided.recovery?.phase === 'fencing' &&
        now - Math.max(view.lostSince(name), view.listeningSince) < view.patience.unwitnessedMs
    )
    .map(({ name }) => name)
