import type { Link, PlannedPort } from './domain-plan.ts'
import { element, type XmlElement } from './xml-writer.ts'

/** A port as libvirt plugs it into its network's bridge; the details are those of the driver. */
export const bridgedInterface = (
  { mac }: PlannedPort,
  link: Link,
  ...details: readonly XmlElement[]
): XmlElement =>
  element(
    'interface',
    { type: 'bridge' },
    element('mac', { address: mac }),
    element('source', { bridge: link.bridge }),
    element('target', { dev: link.interface }),
    ...details
  )
