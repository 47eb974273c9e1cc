import type { Instance } from '#shared/model/instance.ts'
import type { Volume } from '#shared/model/volume.ts'
import { candidatesOf } from '../placement/candidates.ts'
import { type Demand, type Placement, place } from '../placement/pipeline.ts'
import { rules } from '../placement/rules.ts'
import { type Refusal, refuse } from '../refusal.ts'
import type { Moment, View } from '../view.ts'

/** Room that a new volume needs in its pool at once; the rest of its size is a promise. Unit: MiB. */
const volumeStartMib = 16

/** What an instance asks of its host. */
export function demandOf(instance: Instance, volumes: readonly Volume[]): Demand {
  const only = onlyHost(instance, volumes)
  return {
    name: instance.name,
    type: instance.spec.type,
    memoryMib: instance.decided.memoryMib,
    vcpus: instance.decided.vcpus,
    pools: new Map(volumes.map(volume => [volume.spec.pool, volumeStartMib])),
    ...(only && { only }),
    running: instance.spec.desiredPower !== 'stopped'
  }
}

function onlyHost(instance: Instance, volumes: readonly Volume[]): Demand['only'] {
  if (instance.spec.host !== undefined) {
    return { host: instance.spec.host, because: 'its spec says so' }
  }
  const bound = volumes.find(volume => volume.decided.host !== undefined)
  return bound && { host: bound.decided.host!, because: `volume ${bound.name} is there` }
}

/**
 * Finds a host. Refuses only when every host is known and none can take it; where a host has not
 * been heard yet, the instance waits unplaced, which the placement without a host says.
 */
export function placeInstance(
  view: View,
  wanted: { readonly instance: Instance; readonly volumes: readonly Volume[] },
  now: Moment
): Placement | Refusal {
  const { instance, volumes } = wanted
  const candidates = candidatesOf(view, now.monotonic)
  const placement = place(demandOf(instance, volumes), candidates, rules)
  const waits = candidates.some(({ phase, capacity }) => phase === 'unknown' || !capacity)
  if (placement.chosen || waits) return placement
  return refuse('capacity', `cannot place instance ${instance.name}: ${placement.because}`, {
    reasons: [...placement.rejected].map(([host, reason]) => `${host}: ${reason}`),
    next:
      candidates.length === 0
        ? ['remuda host list', 'remuda doctor']
        : ['remuda host list -o wide', 'ask for less memory, or stop an instance on that host']
  })
}
