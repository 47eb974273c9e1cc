import type { Host, HostDuty, HostReturning } from '#shared/model/host.ts'
import type { MovePace } from '#shared/model/instance.ts'
import { leaversOf } from '../departure.ts'
import { phaseOf } from '../liveness.ts'
import { listed, type Refusal, refuse } from '../refusal.ts'
import type { View } from '../view.ts'
import { admitted, type Context, isoOf, unchanged, type Verdict } from './context.ts'
import { same } from './instance-change.ts'

/** What an instance may be in while nothing of it runs. */
const atRest: readonly string[] = ['stopped', 'waiting', 'failed']

/** What is wished of a host that is to be emptied. */
export type DrainWish = {
  readonly host: Host
  /** Most instances that are on their way at once. */
  readonly parallel: number
  /** Whether what cannot go while it runs is shut down for the move. */
  readonly cold: boolean
  /** How those are sent that go live. */
  readonly pace?: MovePace
}

/** Judges the wish that a host is emptied, and stays out of service after that. */
export function drainHost(view: View, wish: DrainWish, context: Context): Verdict {
  const { host, parallel, cold, pace } = wish
  const objection = refuseDuty(host, 'drain')
  if (objection) return objection
  const { duty: before, returning, ...decided } = host.decided
  const present = leaversOf(view, host.name).map(({ id }) => id)
  const isSame = before?.parallel === parallel && before.cold === cold && same(before.pace, pace)
  if (before && isSame && (before.state === 'draining' || present.length === 0)) {
    return unchanged(host)
  }
  // Those that had not come back yet are still its own.
  const had = [...new Set([...(before?.had ?? []), ...(returning?.awaited ?? []), ...present])]
  const duty: HostDuty = {
    ...(before?.stillMsMax !== undefined && { stillMsMax: before.stillMsMax }),
    ...(before?.tries && { tries: before.tries }),
    state: 'draining',
    since: isoOf(context),
    by: context.by,
    parallel,
    cold,
    ...(pace && { pace }),
    had
  }
  const what = `${present.length} instances leave, at most ${parallel} at once`
  const how = cold ? ', what cannot go while it runs is shut down for it' : ''
  const after = { ...host, decided: { ...decided, duty } }
  return admitted(context, after, { verb: 'draining', because: `asked for: ${what}${how}` })
}

/** Judges the wish that a host is used again; with `back` what has left comes back. */
export function resumeHost(
  view: View,
  { host, back }: { readonly host: Host; readonly back: boolean },
  context: Context
): Verdict {
  const objection = refuseDuty(host, 'resume')
  if (objection) return objection
  const { duty, returning: before, ...decided } = host.decided
  const awaited = (duty?.had ?? before?.awaited ?? []).filter(id => isElsewhere(view, host, id))
  const returns = back && awaited.length > 0
  if (!duty && (before !== undefined) === returns) return unchanged(host)
  const { parallel, cold, pace } = duty ?? before!
  const returning: HostReturning = {
    since: isoOf(context),
    by: context.by,
    parallel,
    cold,
    ...(pace && { pace }),
    awaited
  }
  const after: Host = { ...host, decided: { ...decided, ...(returns && { returning }) } }
  const was = duty ? `it was in state ${duty.state}` : 'no more instances come back'
  const coming = returns ? `; ${awaited.length} instances come back` : ''
  return admitted(context, after, { verb: 'resumed', because: `asked for: ${was}${coming}` })
}

/** One that is on its way from here counts: it may have left by the time that it is looked at. */
function isElsewhere(view: View, host: Host, id: string): boolean {
  const decided = view.get('instance', id)?.decided
  if (!decided || decided.deletedAt !== undefined) return false
  return decided.host !== host.name || decided.moving !== undefined
}

/** Judges the wish that a machine boots anew; nothing of ours may run on it. */
export function rebootHost(view: View, host: Host, context: Context): Verdict {
  const objection = refuseDuty(host, 'reboot')
  if (objection) return objection
  const { name, decided } = host
  const { duty } = decided
  if (duty?.state !== 'maintenance') {
    return refuse('conflict', `cannot reboot host ${name}: it is not in maintenance`, {
      reasons: [duty ? `it is ${duty.state} since ${duty.since}` : 'it is in use'],
      next: [`remuda host drain ${name} --wait`]
    })
  }
  const heard = view.heard(name)
  const phase = phaseOf(host, heard, context.now.monotonic)
  const { report } = heard
  if (!report || (phase !== 'online' && phase !== 'late')) {
    return refuse('unavailable', `cannot reboot host ${name}: its agent is ${phase}`, {
      reasons: [heard.because],
      next: [`remuda host show ${name}`]
    })
  }
  const running = report.instances.filter(({ power }) => !atRest.includes(power))
  if (running.length > 0) {
    const names = running.map(({ id }) => view.get('instance', id)?.name ?? id)
    return refuse('conflict', `cannot reboot host ${name}: ${running.length} instances run there`, {
      reasons: [listed(names)],
      next: names.slice(0, 5).map(one => `remuda instance stop ${one}`)
    })
  }
  if (report.foreign.length > 0) {
    return refuse('conflict', `cannot reboot host ${name}: others run there`, {
      reasons: [`not ours: ${listed(report.foreign.map(one => one.name))}`],
      next: [`end them, or have ${name} boot by hand`]
    })
  }
  if (duty.reboot?.bootId === report.bootId) return unchanged(host)
  const reboot = { bootId: report.bootId, at: isoOf(context), by: context.by }
  const after = { ...host, decided: { ...decided, duty: { ...duty, reboot } } }
  const because = `asked for: boot ${report.bootId} ends`
  return admitted(context, after, { verb: 'rebooting', because })
}

function refuseDuty({ name, decided }: Host, verb: string): Refusal | undefined {
  const cannot = `cannot ${verb} host ${name}`
  if (decided.approval === 'pending') {
    const next = [`remuda host approve ${name}`]
    return refuse('conflict', `${cannot}: it was never let in`, { next })
  }
  if (decided.deletedAt !== undefined) {
    return refuse('conflict', `${cannot}: it is being removed`, {
      reasons: [`since ${decided.deletedAt}`]
    })
  }
  const { recovery } = decided
  if (!recovery || verb === 'resume') return undefined
  return refuse('conflict', `${cannot}: it is being recovered`, {
    reasons: [`${recovery.phase} since ${recovery.since}: ${recovery.because}`],
    next: [`remuda host show ${name}`]
  })
}
