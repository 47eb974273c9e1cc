import { uuidOf } from '#shared/ids.ts'
import { libvirtFeature } from './cpu-feature-names.ts'
import type { DomainPlan, OrderName, PlannedVolume } from './domain-plan.ts'
import type { DomainSurroundings } from './domain-xml.ts'
import { bridgedInterface } from './domain-xml-interface.ts'
import { element, type XmlElement } from './xml-writer.ts'

/** How often an instance's balloon driver is asked how much memory is in use. Unit: s. */
const balloonPeriodS = 10

/** What describes a VM outside of its devices. */
export const machineParts = (
  plan: DomainPlan,
  orderedBy: OrderName | undefined
): readonly XmlElement[] => [
  element(
    'sysinfo',
    { type: 'smbios' },
    element(
      'system',
      {},
      element('entry', { name: 'manufacturer' }, 'Remuda'),
      element('entry', { name: 'product' }, 'Remuda instance'),
      ...(orderedBy === undefined ? [] : [startToken(orderedBy)]),
      // cloud-init looks for a NoCloud seed without trying the other clouds first.
      element('entry', { name: 'serial' }, 'ds=nocloud'),
      element('entry', { name: 'uuid' }, uuidOf(plan.instance.id))
    )
  ),
  element(
    'os',
    isPersonal(plan) ? {} : { firmware: 'efi' },
    element('type', { arch: architectureOf(plan), machine: plan.machine }, 'hvm'),
    element('smbios', { mode: 'sysinfo' })
  ),
  element(
    'features',
    {},
    element('acpi'),
    ...(isPersonal(plan) ? [element('apic'), element('vmport', { state: 'off' })] : [])
  ),
  processor(plan),
  element('clock', { offset: 'utc' }, ...(isPersonal(plan) ? personalTimers : []))
]

/** What its processor is. */
export const architectureOf = ({ architecture = 'x86_64' }: DomainPlan): string => architecture

/** Whether it is a machine with the old parts of a personal computer. */
const isPersonal = (plan: DomainPlan): boolean => architectureOf(plan) === 'x86_64'

const personalTimers: readonly XmlElement[] = [
  element('timer', { name: 'rtc', tickpolicy: 'catchup' }),
  element('timer', { name: 'pit', tickpolicy: 'delay' }),
  element('timer', { name: 'hpet', present: 'no' })
]

/**
 * What fences an instance's own writes: of two of its starts on different hosts the later has the
 * higher token, so that whoever takes its writes can refuse those of an earlier one.
 */
const startToken = ({ epoch, generation }: OrderName): XmlElement =>
  element('entry', { name: 'version' }, `${epoch}/${generation}`)

function processor(plan: DomainPlan): XmlElement {
  if (plan.instance.cpuBaseline === 'portable' && isPersonal(plan)) {
    return element(
      'cpu',
      { mode: 'custom', match: 'exact', check: 'none' },
      element('model', { fallback: 'forbid' }, 'Nehalem'),
      element('feature', { policy: 'disable', name: 'vme' }),
      ...(plan.instance.cpuFeatures ?? []).map(required)
    )
  }
  return element('cpu', { mode: plan.acceleration === 'kvm' ? 'host-passthrough' : 'maximum' })
}

/** Placement has found them on the host; without one of them the VM does not start. */
const required = (feature: string): XmlElement =>
  element('feature', { policy: 'require', name: libvirtFeature(feature) })

/** The devices of a VM. */
export const machineDevices = (
  plan: DomainPlan,
  { links, seedPath }: Pick<DomainSurroundings, 'links' | 'seedPath'>
): readonly (XmlElement | undefined)[] => [
  plan.emulator === undefined ? undefined : element('emulator', {}, plan.emulator),
  ...plan.volumes.map(disk),
  seedPath === undefined ? undefined : seed(seedPath, plan.volumes.length),
  element('controller', { type: 'usb', model: 'none' }),
  ...plan.ports.map((port, index) =>
    bridgedInterface(
      port,
      links[index]!,
      element('model', { type: 'virtio' }),
      element('mtu', { size: port.mtu })
    )
  ),
  ...(plan.devices ?? []).map(hostDevice),
  serialLine(plan),
  element(
    'channel',
    { type: 'unix' },
    element('target', { type: 'virtio', name: 'org.qemu.guest_agent.0' })
  ),
  element('memballoon', { model: 'virtio' }, element('stats', { period: balloonPeriodS })),
  element('rng', { model: 'virtio' }, element('backend', { model: 'random' }, '/dev/urandom')),
  isPersonal(plan) ? element('panic', { model: 'isa' }) : undefined
]

/** libvirt binds it to vfio-pci before the start, and gives it back as it was afterwards. */
function hostDevice(pci: string): XmlElement {
  const [domain = '', bus = '', slot = '', place = ''] = pci.split(/[:.]/).map(part => `0x${part}`)
  return element(
    'hostdev',
    { mode: 'subsystem', type: 'pci', managed: 'yes' },
    element('driver', { name: 'vfio' }),
    element('source', {}, element('address', { domain, bus, slot, function: place }))
  )
}

const disk = (volume: PlannedVolume, index: number): XmlElement =>
  element(
    'disk',
    { type: 'file', device: 'disk' },
    element('driver', {
      name: 'qemu',
      type: volume.format,
      cache: volume.shared ? 'none' : 'writeback',
      discard: 'unmap',
      detect_zeroes: 'unmap'
    }),
    element('source', { file: volume.path }),
    element('target', { dev: diskName(index), bus: 'virtio' }),
    index === 0 ? element('boot', { order: 1 }) : undefined,
    element('serial', {}, serialOf(volume.id))
  )

const seed = (path: string, index: number): XmlElement =>
  element(
    'disk',
    { type: 'file', device: 'disk' },
    element('driver', { name: 'qemu', type: 'raw' }),
    element('source', { file: path }),
    element('target', { dev: diskName(index), bus: 'virtio' }),
    element('readonly')
  )

const serialLine = (plan: DomainPlan): XmlElement =>
  element(
    'serial',
    { type: 'pty' },
    element('log', { file: plan.consoleLog, append: 'on' }),
    element('target', { type: isPersonal(plan) ? 'isa-serial' : 'system-serial', port: 0 })
  )

/** vda … vdz, vdaa …: the kernel's own way to name virtio disks. */
function diskName(index: number): string {
  const letter = String.fromCharCode(97 + (index % 26))
  return index < 26 ? `vd${letter}` : `${diskName(Math.floor(index / 26) - 1)}${letter}`
}

// virtio-blk has room for 20 characters; the end of a UUIDv7 is its random part.
const serialOf = (volumeId: string): string => uuidOf(volumeId).replaceAll('-', '').slice(-20)
