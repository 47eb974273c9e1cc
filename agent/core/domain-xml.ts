/**
 * An instance as libvirt reads it. What is chosen here, and why:
 *
 * - Processor. `portable` is Nehalem, which is x86-64-v2 and emulated in full by TCG too, without
 *   `vme`, which some AMD parts hide; `check='none'` since QEMU leaves out what the host lacks
 *   rather than not start. `host` is the host's own under KVM, and all that TCG can do otherwise.
 * - Architecture. That of its host. Other than x86_64 has no processor that all hosts have in
 *   common: it is the host's own. Its firmware is UEFI, which keeps nothing that matters: the disk
 *   is found by its removable path.
 * - Cache. `none` where other hosts see the volume: what one writes, the next reads. `writeback`
 *   elsewhere: it honours the instance's flushes and works on file systems without O_DIRECT.
 * - Seed. A read-only virtio disk after all volumes, found by its label. Not a SATA CD-ROM: cloud
 *   kernels such as Debian's have no AHCI driver.
 * - Console. A serial line that libvirt also writes to a file, so that it can be read afterwards.
 * - Ends. Whatever way it ends, the domain is gone: the order is the only memory.
 */
import { uuidOf } from '#shared/ids.ts'
import {
  type DomainPlan,
  domainName,
  type Link,
  metadataOf,
  type OrderName
} from './domain-plan.ts'
import { containerDevices } from './domain-xml-container.ts'
import { architectureOf, machineDevices, machineParts } from './domain-xml-machine.ts'
import { metadataNamespace, writeMetadata } from './metadata.ts'
import { element, writeXml, type XmlElement } from './xml-writer.ts'

/** What is known only when the domain is created. */
export type DomainSurroundings = {
  /** RFC 3339. */
  readonly startedAt: string
  /** The order by which it starts; left out: none is known. */
  readonly orderedBy?: OrderName | undefined
  /** The ports' names on the host, in the order of the ports. */
  readonly links: readonly Link[]
  /** Where the cloud-init seed of a VM is; a container has it in its tree. */
  readonly seedPath: string | undefined
}

/** Writes the XML from which libvirt starts the domain; the same plan gives the same text. */
export function domainXml(plan: DomainPlan, options: DomainSurroundings): string {
  const isMachine = plan.driver === 'qemu'
  const type = isMachine ? (plan.acceleration === 'kvm' ? 'kvm' : 'qemu') : 'lxc'
  const { memoryMib, id, hugePages } = plan.instance
  return writeXml(
    element(
      'domain',
      { type },
      element('name', {}, domainName(plan.instance)),
      element('uuid', {}, uuidOf(id)),
      metadataElement(plan, options.startedAt),
      element('memory', { unit: 'MiB' }, String(memoryMib)),
      ...(isMachine && hugePages !== undefined ? [hugeBacking(hugePages)] : []),
      ...seated(plan),
      ...(isMachine ? machineParts(plan, options.orderedBy) : containerParts(plan)),
      element('on_poweroff', {}, 'destroy'),
      element('on_reboot', {}, 'restart'),
      element('on_crash', {}, 'destroy'),
      element(
        'devices',
        {},
        ...(isMachine ? machineDevices(plan, options) : containerDevices(plan, options.links))
      )
    )
  )
}

/**
 * Processors on the threads of a NUMA cell, and memory from it as long as it has some: who did not
 * ask for a cell takes memory wherever the kernel finds it, and that is no reason to fail.
 */
function seated({ cell, instance }: DomainPlan): readonly XmlElement[] {
  const vcpus = String(instance.vcpus)
  if (cell === undefined) return [element('vcpu', {}, vcpus)]
  const cpuset = cell.threads.join(',')
  return [
    element('vcpu', { placement: 'static', cpuset }, vcpus),
    element('cputune', {}, element('emulatorpin', { cpuset })),
    element('numatune', {}, element('memory', { mode: 'preferred', nodeset: cell.index }))
  ]
}

const hugePageKib = { '2M': 2_048, '1G': 1_048_576 } as const

/** QEMU takes its memory from the pool of that size, or does not start. */
const hugeBacking = (size: keyof typeof hugePageKib): XmlElement =>
  element(
    'memoryBacking',
    {},
    element('hugepages', {}, element('page', { size: hugePageKib[size], unit: 'KiB' }))
  )

const metadataElement = (plan: DomainPlan, startedAt: string): XmlElement =>
  element(
    'metadata',
    {},
    element(
      'remuda:instance',
      { 'xmlns:remuda': metadataNamespace },
      writeMetadata(metadataOf(plan, startedAt))
    )
  )

const periodUs = 100_000

const containerParts = (plan: DomainPlan): readonly XmlElement[] => [
  element(
    'cputune',
    {},
    element('period', {}, String(periodUs)),
    element('quota', {}, String(plan.instance.vcpus * periodUs))
  ),
  element(
    'os',
    {},
    element('type', { arch: architectureOf(plan) }, 'exe'),
    element('init', {}, '/sbin/init')
  ),
  // Without an interface libvirt would let it use the host's own network.
  element('features', {}, element('privnet')),
  element('clock', { offset: 'utc' })
]
