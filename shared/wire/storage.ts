/** What a report says of heartbeats on shared storage; see agent/core/storage-heartbeats.ts. */
import Type from 'typebox'
import { Strict } from '../model/resource.ts'
import type { DeepReadonly } from '../model/types.ts'

/** A host has heartbeats in so many shared pools at most. */
export const storagePoolsMax = 16

const Text = (maxLength = 256) => Type.String({ maxLength })
const Count = () => Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })

/** What a host found of a neighbour's heartbeat in a shared pool. */
export const StorageSeen = Strict({
  /** UUID of the neighbour, and the boot in which it wrote. */
  host: Text(64),
  bootId: Text(64),
  /** Counts its heartbeats. */
  number: Count(),
  /** How long ago the last look at it began. Unit: ms. */
  ageMs: Type.Number({ minimum: 0 }),
  /** For how long, up to that look, it has not changed at least. Unit: ms. */
  stillMs: Type.Number({ minimum: 0 }),
  /** It was written no longer ago than this; left out: it was never seen to change. Unit: ms. */
  writtenMs: Type.Optional(Type.Number({ minimum: 0 }))
})
export type StorageSeen = DeepReadonly<Type.Static<typeof StorageSeen>>

/** How the heartbeat on a shared pool goes, as one host finds it. */
export const ReportStorage = Strict({
  pool: Text(),
  /** Why its own does not get there; left out: it does. */
  fault: Type.Optional(Text(2048)),
  seen: Type.Array(StorageSeen, { maxItems: 16 })
})
export type ReportStorage = DeepReadonly<Type.Static<typeof ReportStorage>>
