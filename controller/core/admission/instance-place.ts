import type { Instance } from '#shared/model/instance.ts'
import type { Volume } from '#shared/model/volume.ts'
import { candidatesOf } from '../placement/candidates.ts'
import { type Candidate, type Demand, type Placement, place } from '../placement/pipeline.ts'
import { rules } from '../placement/rules.ts'
import { type Refusal, refuse } from '../refusal.ts'
import type { Moment, View } from '../view.ts'

/** Room that a new volume needs at once; the rest of its size is a promise. Unit: MiB. */
const volumeStartMib = 16

type Wanted = {
  readonly instance: Instance
  readonly volumes: readonly Volume[]
  /** What binds it besides its spec and its volumes. */
  readonly bonds?: Demand['bonds']
}

/** What an instance asks of its host. */
export function demandOf(wanted: Wanted): Demand {
  const { instance, volumes, bonds = [] } = wanted
  return {
    name: instance.name,
    type: instance.spec.type,
    memoryMib: instance.decided.memoryMib,
    vcpus: instance.decided.vcpus,
    pools: new Map(volumes.map(volume => [volume.spec.pool, volumeStartMib])),
    bonds: [...bonds, ...bondsOf(instance, volumes)],
    running: instance.spec.desiredPower !== 'stopped'
  }
}

function bondsOf(instance: Instance, volumes: readonly Volume[]): Demand['bonds'] {
  const wished = instance.spec.host
  const bound = volumes.flatMap(({ name, decided: { host } }) =>
    host === undefined ? [] : [{ host, because: `volume ${name} is there` }]
  )
  return wished === undefined ? bound : [{ host: wished, because: 'its spec says so' }, ...bound]
}

/**
 * Finds a host. Refuses only when every host is known and none can take it; where a host has not
 * been heard yet, the instance waits unplaced, which the placement without a host says.
 */
export function placeInstance(view: View, wanted: Wanted, now: Moment): Placement | Refusal {
  const { instance } = wanted
  const candidates = candidatesOf(view, now.monotonic)
  const demand = demandOf(wanted)
  const placement = place(demand, candidates, rules)
  const mayTake = ({ host }: Candidate): boolean =>
    demand.bonds.every(one => one.host === host.name)
  const waits = candidates.some(
    candidate => mayTake(candidate) && (candidate.phase === 'unknown' || !candidate.capacity)
  )
  if (placement.chosen || waits) return placement
  return refuse('capacity', `cannot place instance ${instance.name}: ${placement.because}`, {
    reasons: [...placement.rejected].map(([host, reason]) => `${host}: ${reason}`),
    next: nextSteps(candidates)
  })
}

/** A host that is silent is looked after first: it may have all the room that is missing. */
function nextSteps(candidates: readonly Candidate[]): readonly string[] {
  if (candidates.length === 0) return ['remuda host list', 'remuda doctor']
  const silent = candidates.find(({ phase }) => phase === 'silent')
  if (silent)
    return [`remuda host show ${silent.host.name}`, `remuda doctor, on ${silent.host.name}`]
  return ['remuda host list -o wide', 'ask for less memory, or stop an instance on that host']
}
