/**
 * What of a domain only its XML says, and a store for it. The XML costs a call and a parse for
 * each domain, and it hardly ever changes: so it is read once for each start of a domain (its UUID
 * and its running number), again after an event that says that it has changed, and now and then
 * all the same: libvirt drops the event of a guest agent when the domain is busy for long. A store
 * lives as long as its connection, since events are only certain while that lasts.
 */
import type { Clock } from '#shared/clock.ts'
import { Fault } from '#shared/fault.ts'
import type { Ms } from '#shared/units.ts'
import { type Mib, parseMib } from '#shared/units.ts'
import { childOf, parseXml, type XmlElement } from '../xml.ts'

/** The namespace of our own element in a domain's metadata. */
export const metadataNamespace = 'https://remuda.dev/domain/1'

/** The channel of QEMU's guest agent. */
const guestAgentChannel = 'org.qemu.guest_agent.0'

/** What of a domain only its XML says. */
export type Description = {
  /** The text of our own metadata element; undefined: not ours. */
  readonly metadata: string | undefined
  readonly memoryMib: Mib
  readonly vcpus: number
  /** The host's ends of its network interfaces. */
  readonly interfaces: readonly string[]
  /** Whether a guest agent holds its end of the channel. */
  readonly guestAgent: boolean
  /** PCI addresses of the host's devices that it has for itself. */
  readonly devices: readonly string[]
  /** The one NUMA cell that its memory comes from; undefined: it is not bound to one. */
  readonly cell: number | undefined
}

/** Reads a domain's XML as libvirt gives it. */
export function describeDomain(xml: string): Description {
  const domain = parseXml(xml, "a domain's description")
  const memory = childOf(domain, 'memory')
  const vcpu = childOf(domain, 'vcpu')
  const devices = childOf(domain, 'devices')?.children ?? []
  const interfaces = devices.filter(({ name }) => name === 'interface')
  return {
    metadata: ownMetadata(domain),
    memoryMib: memory ? parseMib(memory.text + (memory.attributes['unit'] ?? 'KiB')) : 0,
    vcpus: Number(vcpu?.attributes['current'] ?? vcpu?.text ?? 1),
    interfaces: interfaces.flatMap(card => childOf(card, 'target')?.attributes['dev'] ?? []),
    guestAgent: devices.some(device => device.name === 'channel' && isAgentThere(device)),
    devices: devices.flatMap(device => hostAddressOf(device) ?? []),
    cell: cellOf(domain)
  }
}

function cellOf(domain: XmlElement): number | undefined {
  const tune = childOf(domain, 'numatune')
  const nodeset = (tune && childOf(tune, 'memory'))?.attributes['nodeset'] ?? ''
  return /^\d{1,4}$/.test(nodeset) ? Number(nodeset) : undefined
}

/** A NIC may be given as a device, too: as an interface of the type hostdev. */
function hostAddressOf(device: XmlElement): string | undefined {
  const { type } = device.attributes
  const isGiven =
    (device.name === 'hostdev' && type === 'pci') ||
    (device.name === 'interface' && type === 'hostdev')
  const source = isGiven ? childOf(device, 'source') : undefined
  const address = source && childOf(source, 'address')
  if (!address) return undefined
  const [domain, bus, slot, place] = ['domain', 'bus', 'slot', 'function'].map(part =>
    Number(address.attributes[part] ?? 0).toString(16)
  ) as [string, string, string, string]
  return `${domain.padStart(4, '0')}:${bus.padStart(2, '0')}:${slot.padStart(2, '0')}.${place}`
}

/** libvirt says so only of the channel by which it speaks to a guest agent. */
function isAgentThere(channel: XmlElement): boolean {
  const { name, state } = childOf(channel, 'target')?.attributes ?? {}
  return name === guestAgentChannel && state === 'connected'
}

const ownMetadata = (domain: XmlElement): string | undefined =>
  childOf(domain, 'metadata')?.children.find(
    ({ name, namespace }) => name === 'instance' && namespace === metadataNamespace
  )?.text

/** For how long a description is believed without another look. */
export const believedMs: Ms = 30_000

type Known = { readonly id: number; readonly until: Ms; readonly description: Description }

/** Descriptions of the domains of one connection. */
export class Descriptions {
  readonly #clock: Pick<Clock, 'monotonic'>
  #known = new Map<string, Known>()
  #changes = 0

  constructor(clock: Pick<Clock, 'monotonic'>) {
    this.#clock = clock
  }

  /** Gives a domain's description, from the store or by reading its XML. */
  async of(
    { uuid, id }: { readonly uuid: string; readonly id: number },
    readXml: () => Promise<string>
  ): Promise<Description> {
    const known = this.#known.get(uuid)
    const now = this.#clock.monotonic()
    if (known?.id === id && now < known.until) return known.description
    const changes = this.#changes
    const description = describeOrFault(await readXml())
    // An event that came meanwhile may be about this very domain: then what was read is not kept.
    if (changes === this.#changes) {
      this.#known.set(uuid, { id, until: now + believedMs, description })
    }
    return description
  }

  /** Forgets a domain, because an event says that it has changed. */
  forget(uuid: string): void {
    this.#changes++
    this.#known.delete(uuid)
  }

  /** Forgets all domains but these, so that the store cannot grow. */
  keepOnly(uuids: ReadonlySet<string>): void {
    for (const uuid of this.#known.keys()) if (!uuids.has(uuid)) this.#known.delete(uuid)
  }
}

function describeOrFault(xml: string): Description {
  try {
    return describeDomain(xml)
  } catch (thrown) {
    if (!(thrown instanceof Fault)) throw thrown
    throw new Fault('protocol', `cannot use what libvirt says of a domain: ${thrown.message}`, {
      cause: thrown
    })
  }
}
