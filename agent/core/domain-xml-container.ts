import type { DomainPlan, Link } from './domain-plan.ts'
import { bridgedInterface } from './domain-xml-interface.ts'
import { element, type XmlElement } from './xml-writer.ts'

/** The devices of a container: its root directory, its interfaces, a console. */
export const containerDevices = (
  plan: DomainPlan,
  links: readonly Link[]
): readonly (XmlElement | undefined)[] => [
  ...plan.volumes
    .slice(0, 1)
    .map(volume =>
      element(
        'filesystem',
        { type: 'mount', accessmode: 'passthrough' },
        element('source', { dir: volume.path }),
        element('target', { dir: '/' })
      )
    ),
  ...plan.ports.map((port, index) =>
    bridgedInterface(port, links[index]!, element('guest', { dev: `eth${index}` }))
  ),
  element('console', { type: 'pty' })
]
