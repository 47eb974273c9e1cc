/**
 * Scarce devices: those that an instance may ask to have for itself. They are told by their PCI
 * class; what carries the class without being worth anything (the screen of a BMC, a device that
 * is itself emulated) is told by its maker. Of virtual functions (SR-IOV) those of NICs count.
 *
 * Whether an instance can have one is another question. The host's own disk is an NVMe device, too:
 * so nothing is given away that its owner has not set aside, by the driver vfio-pci; a virtual
 * function without any driver was made for nothing else. And the IOMMU tells devices apart only by
 * their groups, so a whole group goes to one instance, and no driver of the host may use the rest
 * of it (Linux, Documentation/driver-api/vfio.rst).
 */
import type { HostFacts } from '#shared/model/host-facts.ts'
import { plain } from './hardware-text.ts'

type Device = HostFacts['devices'][number]

/** One entry of `/sys/bus/pci/devices`. */
export type PciText = {
  readonly address: string
  /** Six hexadecimal digits: base class, subclass, programming interface. */
  readonly class: string | undefined
  readonly vendor: string | undefined
  readonly device: string | undefined
  readonly driver: string | undefined
  readonly virtualFunction: boolean
  /** Number of its IOMMU group; left out: it is in none. */
  readonly iommuGroup?: string | undefined
}

/** So many devices are told of at most, as the report has room for. */
const devicesMax = 1_024

/** The scarce devices among all entries, and which of them an instance can have. */
export function parsePciDevices(texts: readonly PciText[]): readonly Device[] {
  const groups = Map.groupBy(texts, ({ iommuGroup }) => iommuGroup?.trim())
  const given = new Map<string, string>()
  const devices: Device[] = []
  for (const text of texts.toSorted((a, b) => (a.address < b.address ? -1 : 1))) {
    const device = parsePci(text)
    if (!device || devices.length === devicesMax) continue
    const group = text.iommuGroup?.trim()
    const members = group === undefined ? [] : groups.get(group)!
    const first = group === undefined ? undefined : given.get(group)
    const fault =
      ownFault(text) ??
      groupFault(text, members) ??
      (first && `it goes with ${first}, which is in its IOMMU group ${group}`)
    if (fault === undefined && group !== undefined) given.set(group, text.address)
    const because = fault ?? `it is set aside, in IOMMU group ${group}`
    devices.push({ ...device, assignable: { works: fault === undefined, because } })
  }
  return devices
}

/** The driver that holds a device for whoever is given it. */
const keeper = 'vfio-pci'

function ownFault({ driver, virtualFunction, iommuGroup }: PciText): string | undefined {
  const name = plain(driver)
  if (name === undefined && !virtualFunction) return `it has no driver, ${keeper} sets it aside`
  if (name !== undefined && name !== keeper) return `its driver is ${name}, not ${keeper}`
  return iommuGroup === undefined ? 'it is in no IOMMU group: the IOMMU is off' : undefined
}

/** Bridges may stay with their drivers. */
function groupFault({ address }: PciText, members: readonly PciText[]): string | undefined {
  for (const member of members) {
    const driver = plain(member.driver)
    const isBridge = hexadecimal(member.class, 6)?.startsWith('06') === true
    if (member.address === address || isBridge) continue
    if (driver === undefined || driver === keeper || driver === 'pci-stub') continue
    return `${member.address} is in its IOMMU group ${member.iommuGroup?.trim()}, for ${driver}`
  }
  return undefined
}

/** A scarce device; undefined when the entry is of another class. */
export function parsePci(text: PciText): Device | undefined {
  const code = hexadecimal(text.class, 6)
  const vendor = hexadecimal(text.vendor, 4)
  const device = hexadecimal(text.device, 4)
  if (code === undefined || vendor === undefined || device === undefined) return undefined
  const word = text.virtualFunction ? virtualClassOf(code) : classOf(code, vendor)
  if (word === undefined) return undefined
  const driver = plain(text.driver)
  return { pci: text.address, vendor, device, class: word, ...(driver !== undefined && { driver }) }
}

/** Screens without a GPU worth the name: ASPEED and Matrox in BMCs, the rest emulated. */
const plainScreens: ReadonlySet<string> = new Set([
  '1a03', // ASPEED
  '102b', // Matrox
  '1013', // Cirrus
  '1234', // QEMU
  '1b36', // QXL
  '1af4', // virtio
  '15ad', // VMware
  '80ee' // VirtualBox
])
const intel = '8086'
const amd = '1022'

const virtualClassOf = (code: string): Device['class'] | undefined =>
  code.startsWith('02') ? 'virtual-function' : undefined

function classOf(code: string, vendor: string): Device['class'] | undefined {
  switch (code.slice(0, 4)) {
    case '0300':
    case '0302':
    case '0380':
      return plainScreens.has(vendor) ? undefined : 'gpu'
    case '0c04':
      return 'fibre-channel'
    case '0207':
    case '0c06':
      return 'infiniband'
    case '0108':
      return code === '010802' ? 'nvme' : undefined
    case '0b40':
      // Intel's QuickAssist calls itself a co-processor.
      return vendor === intel ? 'crypto' : 'accelerator'
    case '1000':
    case '1080':
      // In each AMD package sits a security processor of this class; it is not for instances.
      return vendor === amd ? undefined : 'crypto'
    case '1200':
      return 'accelerator'
    default:
      return undefined
  }
}

function hexadecimal(text: string | undefined, digits: number): string | undefined {
  const value = text?.trim().toLowerCase().replace(/^0x/, '')
  return value !== undefined && value.length === digits && /^[0-9a-f]+$/.test(value)
    ? value
    : undefined
}
