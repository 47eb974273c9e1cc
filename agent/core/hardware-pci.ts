/**
 * Scarce devices: those that an instance may ask to have for itself. They are told by their PCI
 * class; what carries the class without being worth anything (the screen of a BMC, a device that
 * is itself emulated) is told by its maker.
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
}

/** A scarce device; undefined when the entry is of another class, or a virtual function. */
export function parsePci(text: PciText): Device | undefined {
  const code = hexadecimal(text.class, 6)
  const vendor = hexadecimal(text.vendor, 4)
  const device = hexadecimal(text.device, 4)
  if (code === undefined || vendor === undefined || device === undefined) return undefined
  if (text.virtualFunction) return undefined
  const word = classOf(code, vendor)
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
