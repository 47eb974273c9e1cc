/** What a host says of its self-fence, as a part of its report. */
import Type from 'typebox'
import { Strict, Words } from '../model/resource.ts'
import type { DeepReadonly } from '../model/types.ts'

const Text = (maxLength: number) => Type.String({ maxLength })
const Count = () => Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })

/** What stands behind a host's self-fence; see agent/core/self-fence.ts. */
export const ReportSelfFence = Strict({
  kind: Words(['hardware', 'software', 'none'], { description: 'Its watchdog; software: none.' }),
  identity: Text(64),
  /** How long after it was last pet it resets the host. */
  timeoutMs: Count(),
  /** Whether this run of the agent has started it, and nobody can stop it. */
  armed: Type.Boolean(),
  /** Whether it bites by the limit, also when the agent dies; left out: by an agent of before. */
  kept: Type.Optional(Type.Boolean()),
  nowayout: Type.Boolean(),
  /** The limit that is in force; left out: none. */
  limitMs: Type.Optional(Count()),
  /** Why it is not armed; empty: it is. */
  because: Text(2048)
})
export type ReportSelfFence = DeepReadonly<Type.Static<typeof ReportSelfFence>>
