/**
 * Network interfaces with hardware behind them. Bridges, taps, bonds and VLANs are what Remuda or
 * an operator makes of those, and virtual functions and their representors come and go with
 * instances.
 */
import type { HostFacts } from '#shared/model/host-facts.ts'
import { parseCount, plain } from './hardware-text.ts'

type Nic = HostFacts['nics'][number]

/** One entry of `/sys/class/net`. */
export type NicText = {
  readonly name: string
  /** Where `device` leads: `/sys/devices/pci0000:00/0000:00:03.0/virtio2`; undefined: nowhere. */
  readonly devicePath: string | undefined
  readonly address: string | undefined
  /** `bonding_slave/perm_hwaddr`: its own address, since in a bond it wears the bond's. */
  readonly ownAddress: string | undefined
  /** Last part of where `device/driver` leads. */
  readonly driver: string | undefined
  /** In Mbit/s; -1 or unreadable while the link is down. */
  readonly speed: string | undefined
  readonly carrier: string | undefined
  readonly operstate: string | undefined
  readonly virtualFunctionsMax: string | undefined
  /** Whether `device/physfn` is there: the device is itself a virtual function. */
  readonly virtualFunction: boolean
  /** `pf0vf3` for the representor of a virtual function on a NIC with a switch inside. */
  readonly portName: string | undefined
}

/** A physical (or virtio) NIC; undefined when the entry is none. */
export function parseNic(text: NicText): Nic | undefined {
  const path = text.devicePath
  if (path === undefined || path.includes('/virtual/')) return undefined
  if (text.virtualFunction || /^(c\d+)?pf\d+(vf|sf)\d+$/.test(text.portName?.trim() ?? '')) {
    return undefined
  }
  const mac = (plain(text.ownAddress) ?? plain(text.address))?.toLowerCase()
  if (mac === undefined || !/^([0-9a-f]{2}:){5,19}[0-9a-f]{2}$/.test(mac)) return undefined
  const driver = plain(text.driver)
  const speedMbit = parseCount(text.speed)
  const pci = pciAddress(path)
  return {
    name: text.name,
    mac,
    ...(driver !== undefined && { driver }),
    ...(speedMbit !== undefined && speedMbit > 0 && speedMbit < 2 ** 31 && { speedMbit }),
    ...(pci !== undefined && { pci }),
    // Drivers that do not tell their state say "unknown"; then the carrier counts.
    up: text.operstate?.trim() === 'up' || (operstateUnknown(text) && text.carrier?.trim() === '1'),
    virtualFunctionsMax: parseCount(text.virtualFunctionsMax) ?? 0
  }
}

const operstateUnknown = (text: NicText): boolean =>
  text.operstate === undefined || text.operstate.trim() === 'unknown'

/** The PCI address nearest to the end of a sysfs path, such as 0000:3b:00.1. */
export const pciAddress = (path: string): string | undefined =>
  path.split('/').findLast(part => /^[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]$/.test(part))
