import Type from 'typebox'
import { HostFacts } from './host-facts.ts'
import { type KindDefinition, mib, type Stored, Strict, Timestamp, Words } from './resource.ts'
import type { DeepReadonly } from './types.ts'

/** What an operator may set of a host; all else is found out by its agent. */
export const HostSpec = Strict({
  schedulable: Type.Boolean({
    default: true,
    description: 'Whether new instances may be placed on it.'
  }),
  reservedMib: mib('Memory that is kept for the host itself.', 0, 1024 * 1024),
  vcpusPerThread: Type.Number({
    minimum: 0.1,
    maximum: 64,
    default: 4,
    description: 'Virtual processors that one hardware thread may carry. Unit: ratio.'
  })
})
export type HostSpec = DeepReadonly<Type.Static<typeof HostSpec>>

/** Who the host is and whether it is let in, as it introduced itself at the door. */
export type HostDecided = {
  readonly approval: 'approved' | 'pending'
  /** SMBIOS UUID, lower case. */
  readonly uuid: string
  /** CURVE key of its agent, Z85; pinned: a peer without it is not this host. */
  readonly publicKey: string
  /** Where its agent listens, such as tcp://10.0.0.7:7411. */
  readonly endpoint: string
  readonly deletedAt?: string
}

/** A host in the journal; its name is made of the hostname that it first knocked with. */
export type Host = Stored<'host', HostSpec, HostDecided>

/** `pending`: not let in yet; `unknown`: not heard since this controller leads; see liveness. */
export const hostPhases = ['pending', 'online', 'late', 'silent', 'unknown'] as const

/** How a host stands, with the facts that its agent last reported. */
export const HostStatus = Strict({
  phase: Words(hostPhases, { description: 'Where it stands now.' }),
  lastHeardAt: Type.Optional(Timestamp('When its agent was last heard.')),
  bootId: Type.Optional(Type.String({ description: "Kernel's boot id; changes with each boot." })),
  agentVersion: Type.Optional(Type.String({ description: 'Version of its agent.' })),
  instances: Type.Integer({ description: 'Instances that are placed on it. Unit: count.' }),
  foreign: Type.Integer({ description: 'Domains on it that are not ours. Unit: count.' }),
  memoryMib: mib('Memory that instances may have.', 0, Number.MAX_SAFE_INTEGER),
  memoryPromisedMib: mib('Memory that instances were promised.', 0, Number.MAX_SAFE_INTEGER),
  vcpus: Type.Integer({ description: 'Virtual processors that it may carry. Unit: count.' }),
  vcpusPromised: Type.Integer({ description: 'Virtual processors promised. Unit: count.' }),
  facts: Type.Optional(HostFacts),
  migration: Type.Optional(
    Strict(
      {
        uri: Type.String({ description: 'URI at which its libvirt takes instances in.' }),
        fault: Type.Optional(Type.String({ description: 'Why none can come; left out: they can.' }))
      },
      { description: 'Whether running instances of other hosts can come here.' }
    )
  )
})

/** Hosts are not created: they join, and wait for approval unless they bring a valid token. */
export const hostKind: KindDefinition = {
  kind: 'host',
  plural: 'hosts',
  prefix: 'h',
  scope: 'cloud',
  creatable: false,
  doc: 'A physical machine that runs an agent; it joins by itself.',
  spec: HostSpec,
  status: HostStatus
}
