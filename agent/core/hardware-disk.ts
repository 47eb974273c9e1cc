/**
 * Disks: what is screwed into the machine or cabled to it, not what the kernel or Remuda makes of
 * it (loop, zram, device mapper, RAID, network block devices).
 */
import type { HostFacts } from '#shared/model/host-facts.ts'
import { parseCount, plain } from './hardware-text.ts'

type Disk = HostFacts['disks'][number]

/** One entry of `/sys/block`. */
export type DiskText = {
  readonly name: string
  /** Where the entry leads: `/sys/devices/pci0000:00/…/block/sda`. */
  readonly path: string
  /** In sectors of 512 bytes, whatever the disk's own sector size. */
  readonly size: string | undefined
  readonly rotational: string | undefined
  readonly model: string | undefined
  readonly serial: string | undefined
  /** SCSI vital product page 0x80, which holds the serial number after a header of 4 bytes. */
  readonly serialPage: string | undefined
  readonly wwid: string | undefined
  /** `1` for one path of an NVMe disk that can be reached by several. */
  readonly hidden: string | undefined
}

/** A disk; undefined when the entry is no physical disk, or has no medium. */
export function parseDisk(text: DiskText): Disk | undefined {
  if (!physical(text)) return undefined
  const sizeMib = Math.floor((parseCount(text.size) ?? 0) / 2048)
  if (sizeMib === 0) return undefined
  const model = plain(text.model)
  const serial = plain(text.serial) ?? plain(text.serialPage?.slice(4))
  const wwn = worldWideName(text.wwid)
  return {
    name: text.name,
    sizeMib,
    rotational: text.rotational?.trim() === '1',
    ...(model !== undefined && { model }),
    ...(serial !== undefined && { serial }),
    ...(wwn !== undefined && { wwn })
  }
}

function physical(text: DiskText): boolean {
  if (text.hidden?.trim() === '1') return false
  if (/^(loop|ram|zram|dm-|md|nbd|rbd|drbd|zd|sr|fd|ublkb)/.test(text.name)) return false
  // With native multipath, even a plain NVMe disk hangs below a virtual subsystem.
  if (text.path.includes('/virtual/')) return text.path.includes('/nvme-subsystem/')
  return true
}

/** `t10.` names hold the maker's text instead of a number that is unique in the world. */
function worldWideName(wwid: string | undefined): string | undefined {
  const name = plain(wwid)
  return name !== undefined && /^(naa|eui|uuid)\./.test(name) ? name : undefined
}
