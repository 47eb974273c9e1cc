import Type from 'typebox'
import { Strict, Words } from './resource.ts'
import type { DeepReadonly } from './types.ts'

/** What becomes of those after an instance that is not ready in time. */
export const lateWords = ['wait', 'go-on'] as const

/** When an instance counts as ready for those after it; without any gate, as soon as it runs. */
export const Readiness = Strict(
  {
    tcp: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 65_535,
        description:
          'TCP port at which it takes calls of its host, at the address of its first port.'
      })
    ),
    guestAgent: Type.Optional(
      Type.Boolean({
        description: 'Whether its QEMU guest agent must be there; VMs alone have one.'
      })
    ),
    phoneHome: Type.Optional(
      Type.Boolean({
        description:
          'Whether it must have called http://GATEWAY:7416/ of its first port since its start; ' +
          'cloud-init is told to.'
      })
    ),
    timeoutMs: Type.Integer({
      minimum: 1_000,
      maximum: 86_400_000,
      default: 300_000,
      description: 'After so long it is late, which is an alarm. Unit: ms.'
    }),
    late: Words(lateWords, {
      default: 'wait',
      description: 'What those after it do once it is late: wait on, or go on without it.'
    })
  },
  { description: 'When it counts as ready for those after it; left out: as soon as it runs.' }
)
export type Readiness = DeepReadonly<Type.Static<typeof Readiness>>

/** Whether an instance is ready for those after it; `late`: it is not, and should be by now. */
export const readyWords = ['waiting', 'ready', 'late'] as const
