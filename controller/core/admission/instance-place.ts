import type { Instance } from '#shared/model/instance.ts'
import type { Volume } from '#shared/model/volume.ts'
import type { Change } from '../commit.ts'
import { failedWords } from '../failed-words.ts'
import { isResting } from '../indexes.ts'
import { orderBytesOf } from '../order-size.ts'
import { heldMib } from '../overhead.ts'
import { askedGroups } from '../placement/asked-groups.ts'
import { candidateOf, candidatesOf } from '../placement/candidates.ts'
import { hasCellLater } from '../placement/cell-queue.ts'
import { filterApproved } from '../placement/filter-approved.ts'
import { filterMemory } from '../placement/filter-memory.ts'
import { filterNuma, waitsForCells } from '../placement/filter-numa.ts'
import { filterOrder } from '../placement/filter-order.ts'
import { filterPinned } from '../placement/filter-pinned.ts'
import { filterScarce } from '../placement/filter-scarce.ts'
import { filterVcpus } from '../placement/filter-vcpus.ts'
import {
  type Candidate,
  type Demand,
  type Placement,
  place,
  refusalSentences,
  sortedSentences
} from '../placement/pipeline.ts'
import { rules, weighedRules } from '../placement/rules.ts'
import { smallestChanges } from '../placement/smallest-change.ts'
import { weightsOf } from '../placement/weights.ts'
import { isRefusal, type Refusal, refuse } from '../refusal.ts'
import { type Kept, placeKeeping } from '../reserve/keeping.ts'
import { type Harm, harmSentence, nextOfHarm } from '../reserve/promise.ts'
import { type Others, placeLeavingRoom } from '../reserve/room-for-others.ts'
import { reserveOf } from '../reserve/settings.ts'
import { noScarce, scarceOf } from '../scarce.ts'
import { defaultTenant } from '../subject.ts'
import type { Moment, View } from '../view.ts'
import { reference } from './context.ts'

/** Room that a new volume needs at once; the rest of its size is a promise. Unit: MiB. */
const volumeStartMib = 16

type Wanted = {
  readonly instance: Instance
  readonly volumes: readonly Volume[]
}

/** What an instance asks of its host. */
export function demandOf(view: View, wanted: Wanted): Demand {
  const { instance, volumes } = wanted
  return {
    name: instance.name,
    type: instance.spec.type,
    memoryMib: heldMib(instance.decided),
    overheadMib: instance.decided.overheadMib ?? 0,
    vcpus: instance.decided.vcpus,
    ...scarceAsked(instance.decided),
    ...(instance.decided.architecture && { architecture: instance.decided.architecture }),
    imageIds: volumes.flatMap(({ decided }) => decided.imageId ?? []),
    pools: new Map(volumes.map(volume => [volume.spec.pool, volumeStartMib])),
    bonds: bondsOf(instance, volumes),
    orderBytes: orderBytesOf(instance),
    running: instance.spec.desiredPower !== 'stopped',
    ...placingOf(view, instance),
    ...avoidedOf(instance)
  }
}

function scarceAsked(decided: Instance['decided']): Pick<Demand, 'scarce'> {
  const scarce = scarceOf(decided)
  return scarce === noScarce ? {} : { scarce }
}

/** What it asks of a host besides room. */
function placingOf(view: View, instance: Instance): Partial<Demand> {
  const { hostLabels, affinity, cpuFeatures, acceleration } = instance.spec
  return {
    tenant: instance.tenant ?? defaultTenant,
    ...(hostLabels && { hostLabels }),
    ...(cpuFeatures?.length && { cpuFeatures }),
    ...(acceleration && instance.spec.type === 'vm' && { acceleration }),
    networks: networksOf(view, instance),
    ...(affinity?.length && { groups: askedGroups(view, instance) })
  }
}

/** Its ports may be wished only so far: then their networks are found by name. */
function networksOf(view: View, { spec, tenant }: Instance): ReadonlyMap<string, string> {
  return new Map(
    spec.ports.flatMap(({ network }) => {
      const found = reference(view, 'network', {
        name: network,
        ...(tenant && { tenant }),
        pointer: ''
      })
      return isRefusal(found) ? [] : [[found.found.id, network] as const]
    })
  )
}

/** Where its runs have failed. */
function avoidedOf({ decided: { crashes } }: Instance): Pick<Demand, 'avoided'> {
  if (!crashes) return {}
  return { avoided: new Map(crashes.hosts.map(one => [one.host, `it ${failedWords(one)}`])) }
}

function bondsOf(instance: Instance, volumes: readonly Volume[]): Demand['bonds'] {
  const wished = instance.spec.host
  const bound = volumes.flatMap(({ name, decided: { host } }) =>
    host === undefined ? [] : [{ host, because: `volume ${name} is there` }]
  )
  return wished === undefined ? bound : [{ host: wished, because: 'its spec says so' }, ...bound]
}

/** What would be recorded, and who else needs a place; see `placeInstance`. */
type Given = {
  readonly changesOn?: (host: string) => readonly Change[]
  readonly others?: Others
}

/**
 * Finds a host. Refuses only when every host is known and none can take it; where a host has not
 * been heard yet, the instance waits unplaced, which the placement without a host says. With
 * `changesOn`, which says what would be recorded, it is a new wish, and the reserve is kept: then
 * nothing waits for a host that may be gone. With `others` it is none, and leaves room for those.
 */
export function placeInstance(
  view: View,
  wanted: Wanted,
  now: Moment,
  given: Given = {}
): Placement | Refusal {
  const { instance } = wanted
  const candidates = candidatesOf(view, now.monotonic)
  const demand = demandOf(view, wanted)
  const isWish = given.changesOn !== undefined && given.others === undefined
  const asked = { demand, candidates, rules: isWish ? weighedRules(weightsOf(view)) : rules }
  const { placement, harm } = chosenOf(view, asked, given, now)
  if (placement.chosen) return placement
  if (harm) return refuseKept(instance, placement, harm)
  const isPromised = isWish && reserveOf(view) !== undefined
  const mayTake = (candidate: Candidate): boolean =>
    filterPinned(candidate, demand) === undefined && filterApproved(candidate, demand) === undefined
  const isUnheard = candidates.some(
    candidate => (candidate.phase === 'unknown' || !candidate.capacity) && mayTake(candidate)
  )
  if (isUnheard && !isPromised) return placement
  const { filters } = rules
  const later = isPromised ? [] : candidates.filter(one => waitsForCells(one, demand, filters))
  const hosts = { candidates: later, filters }
  // Who waits already has been let in: the others keep only a new one from waiting.
  const isLeft = (): boolean =>
    !isWish || hasCellLater(view, { demand, before: waitingForCells(view, instance), ...hosts })
  if (later.length > 0 && isLeft()) return placement
  return refuse('capacity', `cannot place instance ${instance.name}: ${placement.because}`, {
    reasons: [
      ...(isWish ? sortedSentences : refusalSentences)(placement.rejected),
      ...(later.length > 0 ? [noCellLater] : [])
    ],
    next: [
      ...(isWish ? smallestChanges(demand, candidates, rules).map(enough) : []),
      ...nextSteps(candidates)
    ]
  })
}

function chosenOf(
  view: View,
  asked: Omit<Parameters<typeof placeKeeping>[1], 'changesOn'>,
  { changesOn, others }: Given,
  now: Moment
): Pick<Kept, 'placement' | 'harm'> {
  const { demand, candidates, rules } = asked
  if (!changesOn) return { placement: place(demand, candidates, rules), harm: undefined }
  if (!others) return placeKeeping(view, { ...asked, changesOn }, now)
  return { placement: placeLeavingRoom({ ...asked, changesOn, others }), harm: undefined }
}

const noCellLater = 'nor is a cell left for it once those have theirs that came before it'

/** What those ask that wait for a cell already, in the order in which they are placed. */
const waitingForCells = (view: View, { id: own }: Instance): readonly Demand[] =>
  [...view.indexes.unplaced]
    .flatMap(id => view.get('instance', id) ?? [])
    .filter(one => one.id !== own && one.decided.numaFit && !isResting(one))
    .sort((a, b) => b.spec.priority - a.spec.priority || (a.id < b.id ? -1 : 1))
    .map(one => {
      const volumes = one.decided.volumes.flatMap(id => view.get('volume', id) ?? [])
      return demandOf(view, { instance: one, volumes })
    })

const enough = (change: string): string => `it would fit ${change}`

const refuseKept = (instance: Instance, { because, rejected }: Placement, harm: Harm): Refusal =>
  refuse('capacity', `cannot place instance ${instance.name}: ${because}`, {
    reasons: [harmSentence(harm), ...sortedSentences(rejected)],
    next: nextOfHarm(harm)
  })

/**
 * Judges whether a host has room for so much more of an instance that is on it already; nothing
 * else about the host matters then. Undefined: it has, or its hardware is not known.
 */
export function refuseNoRoom(
  view: View,
  wanted: { readonly name: string; readonly host: string; readonly more: More },
  now: Moment
): Refusal | undefined {
  const { name, more } = wanted
  const host = view.named('host', wanted.host)
  const candidate = host && candidateOf(view, host, now.monotonic)
  if (!candidate?.capacity) return undefined
  const demand: Demand = { name, type: 'vm', ...more, pools: new Map(), bonds: [], running: true }
  for (const [filter, amount] of [
    [filterMemory, more.memoryMib],
    [filterVcpus, more.vcpus],
    [filterScarce, more.scarce ? 1 : 0],
    [filterNuma, more.scarce ? 1 : 0],
    [filterOrder, more.orderBytes]
  ] as const) {
    const reason = amount > 0 ? filter(candidate, demand) : undefined
    if (reason === undefined) continue
    return refuse('capacity', `cannot find room for instance ${name} on ${wanted.host}`, {
      reasons: [`${wanted.host}: ${reason}`],
      next: nextSteps([candidate])
    })
  }
  return undefined
}

/** How much more than before; what does not grow is 0 or less. */
type More = Pick<Demand, 'memoryMib' | 'vcpus' | 'orderBytes' | 'scarce'>

/** A host that is silent is looked after first: it may have all the room that is missing. */
function nextSteps(candidates: readonly Candidate[]): readonly string[] {
  if (candidates.length === 0) return ['remuda host list', 'remuda doctor']
  const silent = candidates.find(({ phase }) => phase === 'silent')
  if (silent)
    return [`remuda host show ${silent.host.name}`, `remuda doctor, on ${silent.host.name}`]
  return ['remuda host list -o wide', 'ask for less memory, or stop an instance on that host']
}
