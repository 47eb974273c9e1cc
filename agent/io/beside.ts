import type { Beside } from '../core/report.ts'
import { reachableEndpoint } from './address.ts'
import type { LockWatch } from './lock-service.ts'
import type { MigrationDoor } from './migration-door.ts'
import type { Probes } from './probes.ts'
import type { SelfFence } from './self-fence.ts'
import type { StorageHeartbeats } from './storage-heartbeats.ts'
import type { Trust } from './trust.ts'
import type { UseWatch } from './use-watch.ts'

/** What a report says beside what the loop knows. */
export const besideOf = (given: {
  readonly trust: Trust
  readonly probes: Probes
  readonly door: MigrationDoor
  readonly lease: SelfFence
  readonly locks: LockWatch
  readonly beats: StorageHeartbeats
  readonly use: UseWatch
}): Beside => ({
  ...(given.beats.said && { storage: [...given.beats.said] }),
  ...(given.lease.said && { selfFence: given.lease.said }),
  ...(given.use.said && { use: given.use.said }),
  migration: given.door.said,
  locks: given.locks.said,
  bootstrapVersion: given.trust.version,
  probeEndpoint: reachableEndpoint(given.probes.endpoint),
  peersPrint: given.probes.print,
  peers: [...given.probes.results()]
})
