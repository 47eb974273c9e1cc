import type { Host } from '#shared/model/host.ts'
import { architectureElse } from '#shared/model/host-facts.ts'
import type { Instance, InstanceMove, MovePace } from '#shared/model/instance.ts'
import type { Volume } from '#shared/model/volume.ts'
import type { Change } from '../commit.ts'
import { inPhase, stayed, wordsOf } from '../moves.ts'
import { candidateOf } from '../placement/candidates.ts'
import {
  type Candidate,
  type Demand,
  type Filter,
  type Placement,
  place,
  type Rules,
  sortedSentences
} from '../placement/pipeline.ts'
import { rules } from '../placement/rules.ts'
import { isRefusal, listed, type Refusal, refuse } from '../refusal.ts'
import { placeKeeping } from '../reserve/keeping.ts'
import { harmSentence, nextOfHarm } from '../reserve/promise.ts'
import { holdsOf } from '../scarce.ts'
import type { View } from '../view.ts'
import { admitted, type Context, isoOf, reference, unchanged, type Verdict } from './context.ts'
import { refuseGoing } from './instance-change.ts'
import { demandOf } from './instance-place.ts'

/** What is wished of a move. */
export type MoveWish = {
  readonly instance: Instance
  /** Name of the host; left out: placement chooses. */
  readonly to?: string
  /** Whether it runs on while it goes; left out: if it runs now. */
  readonly live?: boolean
  /** How it is sent, if it goes live. */
  readonly pace?: MovePace | undefined
  /** Whose wish it is; left out: somebody asked for it. */
  readonly because?: string
}

/** Judges the wish that an instance goes to another host. */
export function moveInstance(view: View, wish: MoveWish, context: Context): Verdict {
  const { instance } = wish
  const { name, decided } = instance
  const going = refuseGoing(instance)
  if (going) return going
  if (decided.moving) return alreadyMoving(instance, decided.moving, wish)
  const { host } = decided
  if (host === undefined) {
    return refuse('conflict', `cannot move instance ${name}: it is on no host yet`, {
      next: [`remuda why instance/${name}`]
    })
  }
  if (wish.to === host) {
    return refuse('conflict', `cannot move instance ${name} to ${host}: it is there`, {
      pointer: '/to',
      next: ['remuda host list']
    })
  }
  const volumes = decided.volumes.flatMap(id => view.get('volume', id) ?? [])
  const local = refuseLocal(view, instance, volumes)
  if (local) return local
  const live = liveness(wish)
  if (isRefusal(live)) return live
  const about = { instance, volumes, host, live: live.live }
  const target = targetFor(view, { ...about, to: wish.to }, context)
  if (isRefusal(target)) return target
  const to = target.host.name
  const moving: InstanceMove = {
    id: context.newId('mv'),
    to,
    live: live.live,
    startedAt: isoOf(context),
    ...(live.live && paceOf(instance, wish.pace)),
    phase: 'preparing',
    step: 1
  }
  const how = live.live ? 'while it runs' : coldWords(instance)
  const because = `${wish.because ?? 'asked for'}: from ${host} to ${to}, ${how}`
  const after: Instance = { ...instance, decided: { ...decided, moving } }
  const { placement } = target
  return admitted(context, after, { verb: 'moving', because, ...(placement && { placement }) })
}

const coldWords = ({ spec }: Instance): string =>
  spec.desiredPower === 'stopped' ? 'stopped as it is' : 'shut down and started again'

/** The same wish again is no news; another one has to wait. */
function alreadyMoving(instance: Instance, moving: InstanceMove, wish: MoveWish): Verdict {
  const isSame = wish.to === moving.to && (wish.live ?? moving.live) === moving.live
  if (isSame && moving.because === undefined) return unchanged(instance)
  return refuseMoving(instance, 'move')!
}

/** Refuses to change what is on its way. */
export function refuseMoving(instance: Instance, verb: string): Refusal | undefined {
  const { moving } = instance.decided
  if (!moving) return undefined
  const { name } = instance
  return refuse('conflict', `cannot ${verb} instance ${name}: it is on its way to ${moving.to}`, {
    reasons: [`since ${moving.startedAt}, ${moving.phase}`],
    next: [
      `remuda wait instance/${name}, and try again`,
      `remuda instance migrate ${name} --cancel`
    ]
  })
}

/** Judges the wish that an instance stays where it is after all. */
export function cancelMove(view: View, instance: Instance, context: Context): Verdict {
  const { moving } = instance.decided
  const { name } = instance
  if (!moving) {
    return refuse('conflict', `cannot cancel the move of instance ${name}: it is not on its way`, {
      next: [`remuda instance show ${name}`]
    })
  }
  const because = `cancelled by ${context.by}`
  if (moving.phase === 'preparing') {
    const text = `${because} before anything was sent to ${moving.to}`
    return admitted(context, stayed(instance), { verb: 'move-cancelled', because: text })
  }
  if (moving.phase === 'crossing') return cancelCrossing(view, instance, context)
  if (moving.phase !== 'sending') return unchanged(instance)
  const after = inPhase(instance, moving, { phase: 'withdrawing', because })
  return admitted(context, after, { verb: 'move-withdrawing', because })
}

/** What runs there already cannot stay here; it is given up only where it can go on no further. */
function cancelCrossing(view: View, instance: Instance, context: Context): Verdict {
  const { name } = instance
  const moving = instance.decided.moving!
  const { source } = wordsOf(view, instance, moving)
  if (source?.step !== moving.step || source.stand !== 'broken') {
    const cannot = `cannot cancel the move of instance ${name}`
    return refuse('conflict', `${cannot}: it runs on ${moving.to} already`, {
      reasons: [`the rest of its memory is on its way: ${source?.message ?? 'nothing is said'}`],
      next: [`remuda instance show ${name}`]
    })
  }
  const because = `given up by ${context.by}, and its memory is lost: ${source.message}`
  const after = inPhase(instance, moving, { phase: 'withdrawing', because, lost: true })
  return admitted(context, after, { verb: 'move-withdrawing', because })
}

/** Volumes are not copied from host to host: both must see them where they are. */
function refuseLocal(
  view: View,
  instance: Instance,
  volumes: readonly Volume[]
): Refusal | undefined {
  const local = volumes.filter(({ spec }) => view.named('pool', spec.pool)?.spec.shared !== true)
  if (local.length === 0) return undefined
  return refuse('conflict', `cannot move instance ${instance.name}: its volumes stay behind`, {
    reasons: local.map(
      ({ name, spec }) =>
        `volume ${name} is in pool ${spec.pool}, which only its own host sees; ` +
        'local volumes cannot move yet'
    ),
    next: [
      'remuda pool list',
      'remuda pool create NAME --path FOLDER --shared, and instances with --pool NAME'
    ]
  })
}

function liveness({ instance, live }: MoveWish): { readonly live: boolean } | Refusal {
  const { name, spec } = instance
  const runs = spec.desiredPower !== 'stopped'
  if (spec.type === 'container' && runs && live !== false) {
    return refuse('conflict', `cannot move instance ${name} while it runs: it is a container`, {
      pointer: '/live',
      reasons: ['libvirt cannot send a running container to another host'],
      next: [`remuda instance migrate ${name} --cold, which shuts it down for the move`]
    })
  }
  const held = holdsOf(instance.decided)
  if (held.length > 0 && runs && live !== false) {
    return refuse('conflict', `cannot move instance ${name} while it runs: its host holds it`, {
      pointer: '/live',
      reasons: [`${listed(held)} of ${instance.decided.host} cannot be sent to another host`],
      next: [`remuda instance migrate ${name} --cold, which shuts it down for the move`]
    })
  }
  return { live: runs && live !== false }
}

/** A move as its targets are judged for it. */
export type About = {
  readonly instance: Instance
  readonly volumes: readonly Volume[]
  /** Name of the host where it is. */
  readonly host: string
  readonly live: boolean
}

function targetFor(
  view: View,
  about: About & { readonly to: string | undefined },
  context: Context
): { readonly host: Host; readonly placement?: Placement } | Refusal {
  const { instance, to } = about
  const named = to === undefined ? undefined : reference(view, 'host', { name: to, pointer: '/to' })
  if (named && isRefusal(named)) return named
  const now = context.now.monotonic
  const candidates = [...view.all('host').values()]
    .filter(({ name, decided }) => name !== about.host && !decided.deletedAt)
    .filter(host => named === undefined || host === named.found)
    .map(host => candidateOf(view, host, now))
  const [demand, rules] = [demandOfMove(view, about), rulesOfMove(view, about)]
  const changesOn = (host: string): readonly Change[] => [arrivalOn(instance, host)]
  const { placement, harm } =
    to === undefined
      ? placeKeeping(view, { demand, candidates, rules, changesOn }, context.now)
      : { placement: place(demand, candidates, rules), harm: undefined }
  if (placement.chosen) {
    return { host: placement.chosen, ...(to === undefined && { placement }) }
  }
  const where = to === undefined ? '' : ` to ${to}`
  return refuse('capacity', `cannot move instance ${instance.name}${where}: ${placement.because}`, {
    ...(to !== undefined && { pointer: '/to' }),
    reasons: [...(harm ? [harmSentence(harm)] : []), ...sortedSentences(placement.rejected)],
    next: harm
      ? nextOfHarm(harm)
      : [
          instance.spec.host === undefined
            ? `remuda instance migrate ${instance.name}, to any host with room`
            : 'create another instance there: one that was created with --host stays on its host',
          'remuda host list'
        ]
  })
}

/** How it is sent: as it is wished of this move, and else as it is wished of the instance. */
function paceOf({ spec }: Instance, pace: MovePace | undefined): { readonly pace?: MovePace } {
  const wished = { ...spec.migration, ...pace }
  return Object.keys(wished).length === 0 ? {} : { pace: wished }
}

/** The least of what a move records: that the instance is on its way to a host. */
export function arrivalOn(instance: Instance, to: string): Change {
  const moving = { id: '', to, live: false, startedAt: '', phase: 'preparing', step: 1 } as const
  return { op: 'put', resource: { ...instance, decided: { ...instance.decided, moving } } }
}

/** What an instance asks of the host that it goes to. */
export const demandOfMove = (view: View, { instance, volumes }: About): Demand =>
  demandOf(view, { instance, volumes: volumes.map(unbound) })

/** The rules by which hosts are judged that an instance may go to. */
export function rulesOfMove(view: View, about: About): Rules {
  const filters = [...rules.filters, filterUnseen, ...(about.live ? [filterLive(view, about)] : [])]
  return { ...rules, filters }
}

/** A shared volume is bound to no host. */
const unbound = (volume: Volume): Volume => {
  const { host: _, ...decided } = volume.decided
  return { ...volume, decided }
}

/** Keeps the hosts that have said which pools they see. */
const filterUnseen: Filter = ({ poolFreeMib }, { pools }) => {
  const missing = [...pools.keys()].find(pool => !poolFreeMib.has(pool))
  return missing === undefined ? undefined : `has not said that it can use pool ${missing}`
}

/** Keeps the hosts that a running VM of this host can go to. */
function filterLive(view: View, { instance, host }: About): Filter {
  const from = view.heard(host).report
  const seen = from?.instances.find(one => one.id === instance.id)
  return (candidate: Candidate) => {
    const { report } = view.heard(candidate.host.name)
    const { migration, facts } = report ?? {}
    if (!migration) return 'has not said where it takes running instances in'
    if (migration.fault !== undefined) return `takes no running instances in: ${migration.fault}`
    if (seen?.acceleration === 'kvm' && facts?.kvm.works === false) {
      return `has no KVM, which the instance runs with on ${host}: ${facts.kvm.because}`
    }
    // Processors of other makers have no common model that KVM could show.
    const isUsual = (instance.decided.architecture ?? architectureElse) === architectureElse
    if (instance.spec.cpuBaseline !== 'host' && isUsual) return undefined
    const [has, needs] = [facts?.cpu.model, from?.facts?.cpu.model]
    if (has === needs) return undefined
    return `its processor is ${has}, the instance was given all that ${needs} of ${host} has`
  }
}
