import Type from 'typebox'
import { type KindDefinition, mib, type Stored, Strict, Words } from './resource.ts'
import type { DeepReadonly } from './types.ts'

export const SizeSpec = Strict({
  vcpus: Type.Integer({
    minimum: 1,
    maximum: 512,
    description: 'Virtual processors. Unit: count.'
  }),
  memoryMib: mib('Memory.', 16, 16 * 1024 * 1024)
})
export type SizeSpec = DeepReadonly<Type.Static<typeof SizeSpec>>
export type SizeDecided = { readonly deletedAt?: string }
export type Size = Stored<'size', SizeSpec, SizeDecided>

export const SizeStatus = Strict({
  phase: Words(['ready'], { description: 'Always ready.' })
})

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
