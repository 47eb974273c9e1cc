/** A domain of the fake hypervisor, and how it is read from its description. */
import { randomUUID } from 'node:crypto'
import type { Duplex } from 'node:stream'
import { Fault, sentence } from '#shared/fault.ts'
import type {
  Domain,
  DomainKey,
  DomainStats,
  Driver,
  HypervisorAbilities
} from '../../agent/core/ports.ts'
import { describeDomain } from '../../agent/io/libvirt/description.ts'
import { childOf, parseXml } from '../../agent/io/xml.ts'

/** What a fake can do where a test says nothing else. */
export const fakeAbilities: HypervisorAbilities = {
  libvirtVersion: '9.0.0',
  qemu: true,
  lxc: true,
  qemuVersion: '7.2.22',
  emulator: '/usr/bin/qemu-system-x86_64',
  machine: 'pc-q35-7.2',
  emulatorUid: 0
}

/** A domain with all that only a fake knows of it. */
export type FakeDomain = {
  domain: Domain
  obeys: boolean
  consoles: Set<Duplex>
  stats: DomainStats
  /** While it is sent: why it is to be given up, once it is; and whether it is to cross. */
  sending?: {
    because: string | undefined
    postCopy: boolean
    crosses: boolean
    standstillMs: number
  }
  hasArrived?: boolean
}

/** One that has just been put there. */
export const newFakeDomain = (domain: Domain): FakeDomain => ({
  domain,
  obeys: true,
  consoles: new Set<Duplex>(),
  stats: {
    uuid: domain.uuid,
    cpuNs: 0,
    balloonMib: domain.memoryMib,
    netReceivedBytes: 0,
    netSentBytes: 0,
    diskReadBytes: 0,
    diskWrittenBytes: 0
  }
})

/** Tells one domain from all others. */
export const keyOf = ({ driver, uuid }: DomainKey): string => `${driver}:${uuid.toLowerCase()}`

const domainTypes: Readonly<Record<Driver, readonly string[]>> = {
  qemu: ['qemu', 'kvm'],
  lxc: ['lxc']
}

/** Reads just enough of a domain's XML; libvirt would refuse much more. */
export function readDomain(driver: Driver, xml: string): Domain {
  try {
    const root = parseXml(xml, 'the description of a new domain')
    const type = root.attributes['type'] ?? 'none'
    const name = childOf(root, 'name')?.text
    if (!name) throw new Fault('invalid', 'it has no name')
    if (!domainTypes[driver].includes(type)) throw new Fault('invalid', `its type is ${type}`)
    const { metadata, memoryMib, vcpus } = describeDomain(xml)
    const uuid = childOf(root, 'uuid')?.text.trim().toLowerCase() ?? randomUUID()
    return { uuid, name, driver, state: 'running', reason: 'booted', metadata, memoryMib, vcpus }
  } catch (thrown) {
    const message = `cannot start a ${driver} domain: libvirt refuses: ${sentence(thrown)}`
    throw new Fault('hypervisor', message, { cause: thrown })
  }
}
