import type { InstanceDecided, InstanceSpec } from '#shared/model/instance.ts'
import type { Volume } from '#shared/model/volume.ts'
import { type Refusal, refuse } from '../refusal.ts'
import type { View } from '../view.ts'

/**
 * What an instance is built for: its own word, else that of the image of its root. It is recorded,
 * so that it stays known when the image is gone. Refuses who says other than its image.
 */
export function architectureOf(
  view: View,
  wish: {
    readonly name: string
    readonly spec: Pick<InstanceSpec, 'architecture'>
    readonly root: Volume | undefined
  }
): Pick<InstanceDecided, 'architecture'> | Refusal {
  const { name, spec, root } = wish
  const image = view.get('image', root?.decided.imageId ?? '')
  const made = image?.spec.architecture
  const architecture = spec.architecture ?? made
  if (made !== undefined && architecture !== made) {
    return refuse('invalid', `cannot create instance ${name} for ${architecture}`, {
      pointer: '/spec/architecture',
      reasons: [`image ${image?.name} is for ${made}`],
      next: [
        'leave architecture out',
        `remuda image list --filter spec.architecture=${architecture}`
      ]
    })
  }
  return architecture === undefined ? {} : { architecture }
}
