/**
 * The power of a host as an operator wants it, through the devices that would fence it.
 *
 *             proven off                 proven on
 *   off ─────────────────► (over)   on ───────────► (over)
 *    │    of a cycle
 *    └──────────────► on
 *
 * It ends by what bootd says of this very wish, and its end is told. Whoever is taken for dead
 * meanwhile is fenced: that goes first, and the wish is given up. A host whose power was cut stays
 * off until somebody wants it on, also when it was in service and is fenced: nobody switches on the
 * machine that somebody is about to open. It is over as well once it was started by hand.
 */
import type { Host, HostPower } from '#shared/model/host.ts'
import { formatMs, type Ms } from '#shared/units.ts'
import type { FenceOrder } from '#shared/wire/fence.ts'
import { admitted, type Context, decision, isoOf, type Verdict } from './admission/context.ts'
import { refuseInService, refuseSecrets } from './admission/fences.ts'
import type { Commit } from './commit.ts'
import { notification } from './notification.ts'
import { refuse } from './refusal.ts'
import { subjectOf } from './subject.ts'
import type { View } from './view.ts'

/** A wish of which nothing is heard for so long is given up. Unit: ms. */
export const powerMsMax: Ms = 600_000

/** What an operator may want of a host's power. */
export type PowerWish = 'on' | 'off' | 'cycle'

/** What bootd is to do. */
export const wantOfPower = ({ id, step }: HostPower): Pick<FenceOrder, 'want' | 'fence'> => ({
  want: step,
  fence: `${id}-${step}`
})

/** Whether an operator has ended the boot in which a host was lost, so that it is to stay off. */
export function isKeptOff({ decided: { keptOff, recovery } }: Host): boolean {
  return keptOff !== undefined && recovery !== undefined && keptOff.bootId === recovery.bootId
}

/** Judges the wish. Who is in service would be taken for dead, so that takes force. */
export function switchPower(
  view: View,
  { host, want, force }: { readonly host: Host; readonly want: PowerWish; readonly force: boolean },
  context: Context
): Verdict {
  const { name, decided, spec } = host
  const what = `cannot switch host ${name} ${want === 'cycle' ? 'off and on' : want}`
  if (decided.approval === 'pending') {
    return refuse('conflict', `${what}: it was never let in`, {
      next: [`remuda host approve ${name}`]
    })
  }
  if ((spec.fence ?? []).length === 0) {
    return refuse('conflict', `${what}: it has no device that could do it`, {
      next: [`remuda host fence set ${name} --help`]
    })
  }
  const secrets = refuseSecrets(view, host, spec)
  if (secrets) return secrets
  const { keptOff: _, ...rest } = decided
  if (want === 'on' && decided.recovery?.phase === 'fenced' && isKeptOff(host)) {
    const because = 'asked for: on; it is, once nothing of it is left to start elsewhere'
    return admitted(context, { ...host, decided: rest }, { verb: 'power', because })
  }
  const busy = decided.recovery
    ? `it is ${decided.recovery.phase}: ${decided.recovery.because}`
    : decided.fenceTest && `its fence is tested since ${decided.fenceTest.since}`
  if (busy) return refuse('conflict', `${what}: ${busy}`, { next: ['remuda ha status'] })
  if (want !== 'on' && !force) {
    const all =
      want === 'off' ? `remuda power off ${name} --force` : `remuda power cycle ${name} --force`
    const inService = refuseInService(view, host, { what, all })
    if (inService) return inService
  }
  const power: HostPower = {
    id: context.newId('pw'),
    step: want === 'on' ? 'on' : 'off',
    ...(want === 'cycle' && { isCycle: true as const }),
    since: isoOf(context),
    by: context.by
  }
  const because = `asked for${force ? ' by force' : ''}: ${want === 'cycle' ? 'off and on' : want}`
  const { bootId } = decided
  const keptOff = { ...(bootId !== undefined && { bootId }), since: power.since, by: power.by }
  const after: Host = {
    ...host,
    decided: { ...rest, power, ...(want === 'off' && { keptOff }) }
  }
  return admitted(context, after, { verb: 'power', because })
}

/** Decides what comes next of hosts whose power is switched. */
export function* powers(view: View, context: Context): Iterable<Commit> {
  if (view.indexes.switched.size === 0) return
  for (const id of [...view.indexes.switched]) {
    const host = view.get('host', id)
    const commit = host?.decided.power && nextOf(view, { host, power: host.decided.power }, context)
    if (commit) yield commit
  }
}

type Switched = { readonly host: Host; readonly power: HostPower }

function nextOf(view: View, switched: Switched, context: Context): Commit | undefined {
  const { host, power } = switched
  const { step, isCycle, since } = power
  if (host.decided.recovery) {
    return ended(view, switched, context, { verb: 'power-given-up', because: 'it is fenced' })
  }
  const said = view.fence(host.name)?.verdict
  if (said?.fence !== wantOfPower(power).fence || said === undefined) {
    if (context.now.wall - Date.parse(since) < powerMsMax) return undefined
    const because = `no bootd has said anything of it for ${formatMs(powerMsMax)}`
    return ended(view, switched, context, { verb: 'power-failed', because })
  }
  const isDone = said.verdict === `${step}-confirmed`
  if (!isDone) {
    return ended(view, switched, context, { verb: 'power-failed', because: said.because })
  }
  if (step === 'on' || !isCycle) {
    const because = `${said.because}, in ${formatMs(said.tookMs)}`
    return ended(view, switched, context, { verb: `powered-${step}`, because })
  }
  const next: HostPower = { id: power.id, step: 'on', since: isoOf(context), by: power.by }
  const after: Host = { ...host, decided: { ...host.decided, power: next } }
  const because = `off, and on next: ${said.because}`
  const decisions = [decision(context, 'powered-off', because, subjectOf(host))]
  return { changes: [{ op: 'put', resource: after }], decisions }
}

function ended(
  view: View,
  { host, power }: Switched,
  context: Context,
  { verb, because }: { readonly verb: string; readonly because: string }
): Commit {
  const { power: _, ...decided } = host.decided
  const subject = subjectOf(host)
  const isDone = verb.startsWith('powered')
  const message = isDone ? because : `cannot switch it ${power.step}: ${because}`
  const severity = isDone ? ('notice' as const) : ('warning' as const)
  const seen = { subject, reason: verb, message, severity, at: isoOf(context) }
  const event = notification(view, { ...seen, source: 'controller' }, context)
  return {
    changes: [
      { op: 'put', resource: { ...host, decided } },
      { op: 'put', resource: event }
    ],
    decisions: [decision(context, verb, message, subject)]
  }
}
