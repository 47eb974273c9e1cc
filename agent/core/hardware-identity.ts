/** Who this machine is, as far as its firmware says something that is its own. */
import { isPlaceholder, ownUuid } from '#shared/hardware-names.ts'
import type { HostFacts } from '#shared/model/host-facts.ts'
import { plain } from './hardware-text.ts'

/** A name or serial number from firmware; undefined when it is only the maker's placeholder. */
export function meaningful(text: string | undefined): string | undefined {
  const line = plain(text)
  return line === undefined || isPlaceholder(line) ? undefined : line
}

/** What firmware says about the machine, as read from `/sys/class/dmi/id` or the device tree. */
export type IdentityText = {
  readonly uuid?: string | undefined
  readonly serial?: string | undefined
  readonly vendor?: string | undefined
  readonly product?: string | undefined
  /** `/sys/firmware/devicetree/base/model`, on machines without SMBIOS. */
  readonly treeModel?: string | undefined
  readonly treeSerial?: string | undefined
}

/** The identity that firmware gives; each part is left out where it says nothing of use. */
export function parseIdentity(
  text: IdentityText
): Partial<Pick<HostFacts, 'uuid' | 'serial' | 'vendor' | 'product'>> {
  const uuid = ownUuid(text.uuid)
  const serial = meaningful(text.serial) ?? meaningful(text.treeSerial)
  const vendor = meaningful(text.vendor)
  const product = meaningful(text.product) ?? meaningful(text.treeModel)
  return {
    ...(uuid !== undefined && { uuid }),
    ...(serial !== undefined && { serial }),
    ...(vendor !== undefined && { vendor }),
    ...(product !== undefined && { product })
  }
}

/** Version of the trusted platform module, from what its driver says; undefined: none is known. */
export function parseTpm(text: {
  readonly major?: string | undefined
  /** `device/caps`, which kernels before 5.6 have instead. */
  readonly caps?: string | undefined
}): string | undefined {
  const major = text.major?.trim()
  if (major === '2') return '2.0'
  if (major === '1') return '1.2'
  return /TCG version:\s*(\d+\.\d+)/.exec(text.caps ?? '')?.[1]
}
