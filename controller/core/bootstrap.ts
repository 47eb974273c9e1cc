/**
 * Keeps the signed list as it should be: all candidates that are trusted, where the ensemble is,
 * and the instances that their hosts start by themselves.
 *
 * Who can write the shared journal could sign any list. So a candidate that shows its card there is
 * trusted without a question, and stays in the list while it is down. Only an operator takes one
 * out, by its name and by its key, and lets it in again.
 */
import type { Host } from '#shared/model/host.ts'
import type { Instance } from '#shared/model/instance.ts'
import {
  type Bootstrap,
  type BootstrapCandidate,
  candidatesMax,
  canonicalBytes,
  type SigningKeys,
  servicesMax,
  signBootstrap
} from '#shared/wire/bootstrap.ts'
import { type Context, decision, isoOf } from './admission/context.ts'
import type { Cloud, Commit } from './commit.ts'
import { type Refusal, refuse } from './refusal.ts'
import type { View } from './view.ts'

/** Subject of decisions about the list. */
export const clusterSubject = 'cluster/cluster'

/** What is known of candidates beside the view. */
export type BootstrapWish = {
  /** The candidates that show themselves now. */
  readonly cards: readonly BootstrapCandidate[]
  readonly ensemble: readonly string[]
  /** The highest version that a host keeps: higher than ours when the journal is an older copy. */
  readonly versionSeen?: number
  /** Makes the cloud's keys where it has none yet. */
  readonly newKeys: () => SigningKeys
}

/** The commit that brings the list up to date; undefined: it is. */
export function renewBootstrap(
  view: View,
  wish: BootstrapWish,
  context: Context
): Commit | undefined {
  const { cloud } = view
  if (cloud === undefined || wish.cards.length === 0) return undefined
  const signing = cloud.signing ?? wish.newKeys()
  const before = cloud.bootstrap?.bootstrap
  const after: Bootstrap = {
    cloud: cloud.id,
    version: before?.version ?? 1,
    candidates: candidatesOf(cloud, wish.cards),
    ensemble: [...wish.ensemble],
    services: servicesOf(view)
  }
  const { versionSeen = 0 } = wish
  if (before && versionSeen <= before.version && saysTheSame(before, after)) return undefined
  const version = Math.max(before?.version ?? 0, versionSeen) + 1
  const raised = { ...after, version }
  return commitOf({ ...cloud, signing, bootstrap: signBootstrap(raised, signing) }, context, {
    verb: 'bootstrap-renewed',
    because: storyOf(before, raised)
  })
}

const saysTheSame = (a: Bootstrap, b: Bootstrap): boolean =>
  Buffer.from(canonicalBytes(a)).equals(canonicalBytes(b))

/** Those of the list with what their cards say now, then new ones, as far as there is room. */
function candidatesOf(
  cloud: Cloud,
  cards: readonly BootstrapCandidate[]
): readonly BootstrapCandidate[] {
  const known = cloud.bootstrap?.bootstrap.candidates ?? []
  const byName = new Map(known.map(candidate => [candidate.name, candidate]))
  for (const { name, apiUrl, meshKey, doorEndpoint, doorKey } of cards) {
    byName.set(name, { name, apiUrl, meshKey, doorEndpoint, doorKey })
  }
  return [...byName.values()].filter(one => !isTakenOut(cloud, one)).slice(0, candidatesMax)
}

/** Whether an operator has taken a candidate out: then no host lets it in, whoever elects it. */
export const isTakenOut = (
  cloud: Cloud | undefined,
  { name, meshKey }: Pick<BootstrapCandidate, 'name' | 'meshKey'>
): boolean => (cloud?.candidatesOut ?? []).some(one => one.name === name || one.meshKey === meshKey)

/** Instances that may start without a controller, by id. */
function servicesOf(view: View): Bootstrap['services'] {
  const services: { instance: string; host: string }[] = []
  for (const instance of view.all('instance').values()) {
    if (!instance.spec.coldStart) continue
    const host = startsAlone(view, instance)
    if (host) services.push({ instance: instance.id, host: host.decided.uuid })
  }
  return services.sort((a, b) => (a.instance < b.instance ? -1 : 1)).slice(0, servicesMax)
}

/**
 * The host that may start an instance by itself: the only one that it may run on, with all of its
 * volumes in pools that no other host sees. Then it cannot run anywhere else, whoever leads.
 */
function startsAlone(view: View, { spec, decided }: Instance): Host | undefined {
  if (decided.host === undefined || spec.host !== decided.host) return undefined
  if (decided.deletedAt !== undefined || spec.desiredPower !== 'running') return undefined
  const isLocal = (id: string): boolean => {
    const pool = view.get('volume', id)?.spec.pool
    return pool !== undefined && view.named('pool', pool)?.spec.shared === false
  }
  if (decided.volumes.length === 0 || !decided.volumes.every(isLocal)) return undefined
  return view.named('host', decided.host)
}

function storyOf(before: Bootstrap | undefined, after: Bootstrap): string {
  const names = (list: Bootstrap | undefined) => list?.candidates.map(({ name }) => name) ?? []
  const added = names(after).filter(name => !names(before).includes(name))
  const gone = names(before).filter(name => !names(after).includes(name))
  const services = after.services.length
  return [
    `version ${after.version}: candidates ${names(after).join(', ') || 'none'}`,
    ...(before && added.length > 0 ? [`${added.join(', ')} came in`] : []),
    ...(gone.length > 0 ? [`${gone.join(', ')} taken out`] : []),
    ...(services > 0 ? [`${services} instance${services === 1 ? ' starts' : 's start'} alone`] : [])
  ].join('; ')
}

const commitOf = (
  cloud: Cloud,
  context: Context,
  { verb, because }: { readonly verb: string; readonly because: string }
): Commit => ({
  changes: [{ op: 'cloud-put', cloud }],
  decisions: [decision(context, verb, because, clusterSubject)]
})

/** Takes a candidate out of the list: from then on no agent lets its key in. */
export function removeCandidate(
  view: View,
  wish: { readonly name: string; readonly self: string },
  context: Context
): Commit | Refusal {
  const { name, self } = wish
  const { cloud } = view
  const list = cloud?.bootstrap?.bootstrap
  const found = list?.candidates.find(candidate => candidate.name === name)
  if (!cloud?.signing || !list || !found) return noCandidate(name, list)
  if (name === self) {
    return refuse('conflict', `cannot take candidate ${name} out: it leads`, {
      reasons: ['it would cut itself off from all hosts'],
      next: ['remuda cluster step-down, and try again']
    })
  }
  const { meshKey } = found
  const out = { name, meshKey, at: isoOf(context), by: context.by }
  const candidates = list.candidates.filter(candidate => candidate !== found)
  const raised: Bootstrap = { ...list, version: list.version + 1, candidates }
  const bootstrap = signBootstrap(raised, cloud.signing)
  const candidatesOut = [...(cloud.candidatesOut ?? []), out]
  return commitOf({ ...cloud, bootstrap, candidatesOut }, context, {
    verb: 'candidate-removed',
    because: `${name} taken out with its key ${meshKey}; version ${raised.version} of the list`
  })
}

/** Lets a candidate come in again that was taken out. */
export function allowCandidate(view: View, name: string, context: Context): Commit | Refusal {
  const { cloud } = view
  const out = cloud?.candidatesOut ?? []
  if (!cloud || !out.some(one => one.name === name)) {
    return noCandidate(name, cloud?.bootstrap?.bootstrap)
  }
  const candidatesOut = out.filter(one => one.name !== name)
  return commitOf({ ...cloud, candidatesOut }, context, {
    verb: 'candidate-allowed',
    because: `${name} may come in again, as soon as it stands`
  })
}

const noCandidate = (name: string, list: Bootstrap | undefined): Refusal =>
  refuse('not-found', `there is no candidate "${name.slice(0, 64)}"`, {
    reasons: [`candidates: ${list?.candidates.map(one => one.name).join(', ') || 'none'}`],
    next: ['remuda cluster candidate list']
  })
