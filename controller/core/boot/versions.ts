/** Judges whether a version of the host image can be booted: some bootd must have it whole. */
import type { Host, HostSpec } from '#shared/model/host.ts'
import { listed, type Refusal, refuse } from '../refusal.ts'
import type { View } from '../view.ts'
import { imagesShown } from './shown.ts'

/** Refuses a pin to a version that no bootd has: the host would wait in its firmware for it. */
export function refusePin(view: View, host: Host, spec: HostSpec): Refusal | undefined {
  const { image } = spec
  if (image === undefined || image === host.spec.image) return undefined
  return refuseVersion(view, image, {
    cannot: `cannot have host ${host.name} boot image ${image}`,
    pointer: '/spec/image'
  })
}

/** Says why machines cannot be given a version; undefined when some bootd has it whole. */
export function refuseVersion(
  view: View,
  version: string,
  { cannot, pointer }: { readonly cannot: string; readonly pointer?: string }
): Refusal | undefined {
  if (view.boots.has(version)) return undefined
  if (view.boots.bootds.size === 0) {
    return refuse('unavailable', `${cannot}: no bootd is heard`, {
      reasons: ['which versions there are is what bootds say, and nothing else'],
      next: ['remuda status', 'remuda boot show'],
      ...(pointer !== undefined && { pointer })
    })
  }
  const images = imagesShown(view)
  const problems = images.find(one => one.version === version)?.problems ?? []
  const whole = images.filter(({ bootds }) => bootds.length > 0)
  const versions = whole.map(({ version, role }) =>
    role === 'none' ? version : `${version} (${role})`
  )
  return refuse('not-found', `${cannot}: no bootd has it whole and rightly signed`, {
    reasons: [
      ...problems,
      versions.length === 0
        ? `${view.boots.bootds.size} bootds are heard, and none has a version`
        : `there are ${listed(versions)}`
    ],
    next: ['remuda host-image list', 'remuda host-image build'],
    ...(pointer !== undefined && { pointer })
  })
}
