import Type from 'typebox'
import {
  type KindDefinition,
  mib,
  type NothingDecided,
  type Stored,
  Strict,
  Words
} from './resource.ts'
import type { DeepReadonly } from './types.ts'

/** A change of a size concerns only instances that are created or changed after it. */
export const SizeSpec = Strict({
  vcpus: Type.Integer({
    minimum: 1,
    maximum: 512,
    description: 'Virtual processors. Unit: count.'
  }),
  memoryMib: mib('Memory.', 16, 16 * 1024 * 1024)
})
export type SizeSpec = DeepReadonly<Type.Static<typeof SizeSpec>>

/** A size in the journal. */
export type Size = Stored<'size', SizeSpec, NothingDecided>

/** A size can always be used. */
export const SizeStatus = Strict({
  phase: Words(['ready'], { description: 'Always ready.' })
})

/** Sizes belong to the cloud; instances of all tenants name them. */
export const sizeKind: KindDefinition = {
  kind: 'size',
  plural: 'sizes',
  prefix: 'z',
  scope: 'cloud',
  creatable: true,
  doc: 'A named shape: so many processors, so much memory.',
  spec: SizeSpec,
  status: SizeStatus
}
