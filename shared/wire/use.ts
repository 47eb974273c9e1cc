/**
 * What a host was found to use of itself, beside what it has promised. It comes with every report,
 * and is the same until the host has looked again.
 */
import Type from 'typebox'
import { Strict } from '../model/resource.ts'
import type { DeepReadonly } from '../model/types.ts'

const Share = () => Type.Number({ minimum: 0, maximum: 1 })

/** Means since the look before. */
export const ReportUse = Strict({
  /** Counts the looks of this run of the agent, so that none is taken in twice. */
  look: Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER }),
  /** Of all hardware threads together. */
  cpu: Share(),
  /** Of the time in which the busiest disk had something to do; left out: it has no disk. */
  disk: Type.Optional(Share()),
  /** Of what the busiest interface whose speed is known can carry one way; left out: none is. */
  network: Type.Optional(Share()),
  /** Of instances that run. */
  instances: Type.Array(
    Strict({
      id: Type.String({ maxLength: 256 }),
      /** How many threads it kept busy. */
      cpu: Type.Number({ minimum: 0, maximum: 65_536 }),
      /** The more of what it has sent and received. Unit: Mbit/s. */
      networkMbit: Type.Number({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })
    }),
    { maxItems: 10_000 }
  )
})
export type ReportUse = DeepReadonly<Type.Static<typeof ReportUse>>
