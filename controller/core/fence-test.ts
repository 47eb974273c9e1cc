/**
 * A real test of the devices that would fence a host: whoever has never seen them cut its power
 * does not know that they can.
 *
 *               proven off, or all levels were in vain         it reads on, or does not
 *   off ──────────────────────────────────────────────► on ──────────────────────────────► (over)
 *    │                                                  │
 *    └──── the host is taken for dead, or its devices ──┴──► (over: nothing was found)
 *          are others by now, or no bootd takes it
 *
 * It ends by what bootd says of this very test. A level by itself is tested where one is named:
 * it is the first that is tried, and what another one behind it proves counts for nothing. Off or
 * not, power is given back: a device that says nothing may have cut it all the same. Meanwhile
 * nobody takes the host for dead. Where its agent runs it falls silent with its power: one that is
 * heard on has a device that switches another machine, or lies.
 */
import type { Host, HostFenceTest, HostFenceTested } from '#shared/model/host.ts'
import { formatMs, type Ms } from '#shared/units.ts'
import type { FenceOrder, FenceState } from '#shared/wire/fence.ts'
import { type Context, decision, isoOf } from './admission/context.ts'
import type { Commit } from './commit.ts'
import { lyingMs } from './contradiction.ts'
import { notification } from './notification.ts'
import { subjectOf } from './subject.ts'
import type { View } from './view.ts'

/** A step of which nothing is heard for so long is given up. Unit: ms. */
export const fenceTestMsMax: Ms = 600_000
/** What a host said before it lost its power is heard by then. Unit: ms. */
const wordsMs: Ms = 1_000

/** What bootd is to do for a test. */
export const wantOfTest = ({
  id,
  step,
  level
}: HostFenceTest): Pick<FenceOrder, 'want' | 'fence' | 'from'> =>
  step === 'off'
    ? { want: 'off', fence: id, ...(level !== undefined && { from: level }) }
    : { want: 'on', fence: nameOfOn(id) }

/** Giving the power back is another fence than cutting it. */
const nameOfOn = (id: string): string => `${id}-on`

/** Decides what comes next of hosts whose devices are tested. */
export function* fenceTests(view: View, context: Context): Iterable<Commit> {
  if (view.indexes.fenceTested.size === 0) return
  for (const id of [...view.all('host').keys()]) {
    const host = view.get('host', id)
    const fenceTest = host?.decided.fenceTest
    if (!host || !fenceTest) continue
    const commit = nextOf(view, { host, test: fenceTest }, context)
    if (commit) yield commit
  }
}

type Tested = { readonly host: Host; readonly test: HostFenceTest }

function nextOf(view: View, tested: Tested, context: Context): Commit | undefined {
  const { host, test } = tested
  if (host.decided.recovery) return over(view, tested, context, 'it was taken for dead meanwhile')
  if ((host.spec.fence ?? []).length === 0) return over(view, tested, context, 'it has no device')
  const said = verdictOf(view.fence(host.name), test)
  if (!said) {
    if (context.now.wall - Date.parse(test.since) < fenceTestMsMax) return undefined
    const because = `no bootd has said anything of it for ${formatMs(fenceTestMsMax)}`
    return over(view, tested, context, because)
  }
  if (test.step === 'off') {
    const readAt = readOffAt(view, tested)
    const isHeardLong = context.now.monotonic >= readAt + lyingMs + wordsMs
    if (said.verdict === 'off-confirmed' && !isHeardLong) return undefined
    return switchedOff(view, tested, context, said)
  }
  const { off } = test
  const isOn = said.verdict === 'on-confirmed'
  const because = `${off?.because ?? ''}; ${isOn ? 'on again' : 'not on again'}: ${said.because}`
  return ended(view, host, context, { passed: isOn && off?.proven === true, because })
}

/** When its devices read off for this test; of what an earlier controller saw: long ago. */
const readOffAt = (view: View, { host, test }: Tested): Ms =>
  view.witnesses.storage.readOffAt(host.name, wantOfTest(test).fence ?? '') ??
  Number.NEGATIVE_INFINITY

/** How long it was heard after its devices read off; undefined: not so long that they lie. */
function livedFor(view: View, tested: Tested): Ms | undefined {
  const { heardAt = Number.NEGATIVE_INFINITY } = view.heard(tested.host.name)
  const forMs = heardAt - readOffAt(view, tested)
  return Number.isFinite(forMs) && forMs >= lyingMs ? forMs : undefined
}

/** What was found of another test, or of a fence, proves nothing here. */
function verdictOf(state: FenceState | undefined, test: HostFenceTest): FenceState['verdict'] {
  return state?.verdict?.fence === wantOfTest(test).fence ? state?.verdict : undefined
}

function switchedOff(
  view: View,
  tested: Tested,
  context: Context,
  said: NonNullable<FenceState['verdict']>
): Commit {
  const { host, test } = tested
  const { level } = test
  const livedMs = livedFor(view, tested)
  const isOff = said.verdict === 'off-confirmed'
  const isMeant = level === undefined || level === provingLevel(view, host)
  const proven = isOff && isMeant && livedMs === undefined
  const by = level === undefined ? '' : ` by level ${level}`
  const because = proven
    ? `proven off${by}: ${said.because}`
    : isOff && livedMs !== undefined
      ? `not proven off${by}: it was heard for ${formatMs(livedMs)} after that, so what was ` +
        `switched off is another machine, or the device lies: ${said.because}`
      : isOff
        ? `not proven off${by}, but by another one: ${said.because}`
        : `not proven off${by} after ${formatMs(said.tookMs)}: ${said.because}`
  const fenceTest: HostFenceTest = {
    ...test,
    step: 'on',
    since: isoOf(context),
    off: { proven, because }
  }
  const after: Host = { ...host, decided: { ...host.decided, fenceTest } }
  return changed(view, after, context, {
    verb: 'fence-test-off',
    message: because,
    severity: proven ? 'notice' : 'alarm'
  })
}

/** The level that has proven what bootd says now; undefined: none has. */
function provingLevel(view: View, { name }: Host): number | undefined {
  const state = view.fence(name)
  return state?.phase === 'proven' ? state.level : undefined
}

const over = (view: View, { host, test }: Tested, context: Context, why: string): Commit =>
  ended(view, host, context, {
    passed: false,
    because: `given up while it was switched ${test.step}: ${why}`
  })

function ended(
  view: View,
  host: Host,
  context: Context,
  found: Omit<HostFenceTested, 'at'>
): Commit {
  const { fenceTest: _, ...decided } = host.decided
  const fenceTested = { at: isoOf(context), ...found }
  return changed(view, { ...host, decided: { ...decided, fenceTested } }, context, {
    verb: found.passed ? 'fence-test-passed' : 'fence-test-failed',
    message: found.because,
    severity: found.passed ? 'notice' : 'alarm'
  })
}

function changed(
  view: View,
  host: Host,
  context: Context,
  said: {
    readonly verb: string
    readonly message: string
    readonly severity: 'notice' | 'alarm'
  }
): Commit {
  const { verb, message, severity } = said
  const subject = subjectOf(host)
  const seen = { subject, reason: verb, message, severity, at: isoOf(context) }
  const event = notification(view, { ...seen, source: 'controller' }, context)
  return {
    changes: [
      { op: 'put', resource: host },
      { op: 'put', resource: event }
    ],
    decisions: [decision(context, verb, message, subject)]
  }
}
