/**
 * What of a domain only its XML says, and a store for it. The XML costs a call and a parse for
 * each domain, and it hardly ever changes: so it is read once for each start of a domain (its UUID
 * and its running number) and again after an event that says that it has changed. A store lives
 * as long as its connection, since events are only certain while that lasts.
 */
import { Fault } from '#shared/fault.ts'
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
    guestAgent: devices.some(device => device.name === 'channel' && isAgentThere(device))
  }
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

type Known = { readonly id: number; readonly description: Description }

/** Descriptions of the domains of one connection. */
export class Descriptions {
  #known = new Map<string, Known>()
  #changes = 0

  /** Gives a domain's description, from the store or by reading its XML. */
  async of(
    { uuid, id }: { readonly uuid: string; readonly id: number },
    readXml: () => Promise<string>
  ): Promise<Description> {
    const known = this.#known.get(uuid)
    if (known?.id === id) return known.description
    const changes = this.#changes
    const description = describeOrFault(await readXml())
    // An event that came meanwhile may be about this very domain: then what was read is not kept.
    if (changes === this.#changes) this.#known.set(uuid, { id, description })
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
