import type { Volume } from '#shared/model/volume.ts'
import { type Refusal, refuse } from '../refusal.ts'
import type { View } from '../view.ts'

/** Refuses an instance that has less memory than the image of its root volume needs to start. */
export function refuseTooLittle(
  view: View,
  wish: {
    readonly name: string
    readonly memoryMib: number
    /** The first of its volumes. */
    readonly root: Volume | undefined
  }
): Refusal | undefined {
  const { name, memoryMib, root } = wish
  const imageId = root?.decided.imageId
  const image = imageId === undefined ? undefined : view.get('image', imageId)
  const needed = image?.spec.minMemoryMib ?? 0
  if (!image || memoryMib >= needed) return undefined
  return refuse('invalid', `instance ${name} could not start from image ${image.name}`, {
    pointer: '/spec/memoryMib',
    reasons: [`the image needs ${needed} MiB of memory, ${memoryMib} MiB are asked for`],
    next: [`give --memory ${needed}MiB or more`, `remuda image show ${image.name}`]
  })
}
