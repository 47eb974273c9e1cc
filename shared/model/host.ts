import Type from 'typebox'
import { FenceLevels, SshCourtesy } from './fence.ts'
import { HostClaims } from './host-claims.ts'
import { HostFacts } from './host-facts.ts'
import { HostImageVersion } from './host-image.ts'
import type {
  HostFenceTest,
  HostFenceTested,
  HostKeptOff,
  HostPower,
  HostRecovery,
  HostSelfFence
} from './host-power.ts'
import { type MovePace, MoveSpeedFields, movePhases } from './instance.ts'
import {
  type KindDefinition,
  mib,
  Name,
  type Stored,
  Strict,
  Timestamp,
  Words
} from './resource.ts'
import type { DeepReadonly } from './types.ts'
import { HostUse } from './use.ts'

export type {
  HostFenceTest,
  HostFenceTested,
  HostKeptOff,
  HostPower,
  HostRecovery,
  HostSelfFence
} from './host-power.ts'
export { proofVerdicts, recoveryPhases } from './host-power.ts'

/** How a host sees to it that nothing of it runs on once nobody hears it. */
export const SelfFence = Strict(
  {
    limitMs: Type.Integer({
      minimum: 15_000,
      maximum: 600_000,
      description:
        'Without a controller for so long nothing of it runs that others could start: it has ' +
        'ended that, or its hardware watchdog has reset it. Unit: ms.'
    })
  },
  { description: 'How it fences itself when it is cut off; left out: it does not.' }
)

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
  }),
  dedicated: Type.Optional(
    Type.Array(Name('Tenant.'), {
      minItems: 1,
      maxItems: 64,
      description: 'The only tenants whose instances may be placed on it; left out: all.'
    })
  ),
  fence: Type.Optional(FenceLevels),
  afterFence: Type.Optional(
    Words(['on', 'off'], {
      description: 'Whether it is switched on again once its instances are safe; left out: on.'
    })
  ),
  courtesy: Type.Optional(SshCourtesy),
  selfFence: Type.Optional(SelfFence),
  image: Type.Optional(HostImageVersion),
  boot: Type.Optional(
    Words(['host', 'disk', 'nothing'], {
      description: 'What it gets when it boots over the network; left out: the host image.'
    })
  )
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
  /** Kernel's boot id when it was last heard: another one is another life. */
  readonly bootId?: string
  /** Where its peers look for it, as it last said: the next controller has not heard it yet. */
  readonly probeEndpoint?: string
  /** What may be relied on of its self-fence; see controller/core/self-fence.ts. */
  readonly selfFence?: HostSelfFence
  /** Fence devices that read what cannot be of a host that is heard; until they read *on*. */
  readonly wrongDevices?: readonly WrongDevice[]
  /** Set from the moment in which it is taken for dead until it is back. */
  readonly recovery?: HostRecovery
  /** What it gets at its next boot over the network, and never again. */
  readonly bootOnce?: {
    readonly profile: 'rescue' | 'disk' | 'host'
    readonly at: string
    readonly by: string
  }
  /** Set while an operator has it emptied, or out of service. */
  readonly duty?: HostDuty
  /** Set while an operator has its power switched. */
  readonly power?: HostPower
  /** Its power was cut for good by an operator. */
  readonly keptOff?: HostKeptOff
  /** Set while its fence devices are tested for real. */
  readonly fenceTest?: HostFenceTest
  /** What came of the last real test of its fence devices. */
  readonly fenceTested?: HostFenceTested
  /** Set after that, while instances that have left come back. */
  readonly returning?: HostReturning
}

/** A fence device that is no use as it is, and why, to follow its name. */
export type WrongDevice = {
  readonly level: number
  readonly name: string
  readonly power: 'off' | 'unknown'
  readonly because: string
}

/** Out of service by an operator's wish. */
export type HostDuty = {
  /** `draining`: its instances are on their way to others; `maintenance`: nothing starts there. */
  readonly state: 'draining' | 'maintenance'
  /** RFC 3339. */
  readonly since: string
  readonly by: string
  /** Most instances that are on their way at once. */
  readonly parallel: number
  /** Whether what cannot go while it runs is shut down for the move. */
  readonly cold: boolean
  readonly pace?: MovePace
  /** Instances that were here when it began, by id: they come back if that is wished. */
  readonly had?: readonly string[]
  /** Instances of those whose move was begun and that are still here. */
  readonly tries?: MoveTries
  /** The longest that one of them stood still on its way, as hypervisors count. Unit: ms. */
  readonly stillMsMax?: number
  /** The boot that is to end, once nothing of ours runs in it. */
  readonly reboot?: HostReboot
}

/** Moves that were begun, by the id of the instance: how many, the last one when and where to. */
export type MoveTries = Readonly<
  Record<string, { readonly count: number; readonly at: string; readonly to: string }>
>

/** A wish that a machine boots anew. */
export type HostReboot = {
  /** The kernel's boot id that it has before: in another one the wish is fulfilled. */
  readonly bootId: string
  /** RFC 3339. */
  readonly at: string
  readonly by: string
}

/** Instances of a host that was emptied are on their way back. */
export type HostReturning = {
  /** RFC 3339. */
  readonly since: string
  readonly by: string
  /** As of the drain; see HostDuty. */
  readonly parallel: number
  readonly cold: boolean
  readonly pace?: MovePace
  /** Ids of those that are not back yet. */
  readonly awaited: readonly string[]
  readonly tries?: MoveTries
}

/** A host in the journal; its name is made of the hostname that it first knocked with. */
export type Host = Stored<'host', HostSpec, HostDecided>

/** How a host stands; what each means is told in controller/core/standing.ts. */
export const hostPhases = [
  'pending',
  'online',
  'late',
  'silent',
  'suspect',
  'unknown',
  'fencing',
  'fenced',
  'recovering',
  'draining',
  'maintenance',
  'gone'
] as const

/** What becomes of the instances of a host that is emptied; see controller/core/departure.ts. */
export const departureStates = ['leaving', 'goes', 'waits', 'held', 'stays'] as const

/** One instance of a host that is emptied. */
export const DepartureStatus = Strict({
  tenant: Name('Who has it.'),
  name: Name('Its name.'),
  state: Words(departureStates, {
    description:
      'leaving: on its way; goes: can go now; waits: will be able to by itself; held: cannot ' +
      'now; stays: cannot as long as what is wished of it is as it is.'
  }),
  because: Type.String({ description: 'Why, or how far it is.' }),
  to: Type.Optional(Name('Host that it goes to.')),
  live: Type.Optional(Type.Boolean({ description: 'Whether it runs on while it goes.' })),
  phase: Type.Optional(Words(movePhases, { description: 'How far its move is.' })),
  totalMib: Type.Optional(mib('Memory that is sent.', 0, Number.MAX_SAFE_INTEGER)),
  remainingMib: Type.Optional(mib('What is left of it.', 0, Number.MAX_SAFE_INTEGER)),
  ...MoveSpeedFields
})
export type DepartureStatus = DeepReadonly<Type.Static<typeof DepartureStatus>>

const DutyStatus = Strict(
  {
    state: Words(['draining', 'maintenance', 'returning'], {
      description: 'Emptied, out of service, or in use while what had left comes back.'
    }),
    since: Timestamp('Since when.'),
    by: Type.String({ description: 'Who wished it.' }),
    parallel: Type.Integer({ description: 'Most that are on their way at once. Unit: count.' }),
    cold: Type.Boolean({ description: 'Whether instances may be shut down for it.' }),
    total: Type.Integer({ description: 'Instances that it is about. Unit: count.' }),
    done: Type.Integer({ description: 'Those that have left, or are back. Unit: count.' }),
    stillMsMax: Type.Optional(
      Type.Integer({ description: 'The longest that one of them stood still. Unit: ms.' })
    ),
    rebootsSince: Type.Optional(Timestamp('Since when it is to boot anew.')),
    instances: Type.Array(DepartureStatus, {
      description: 'The first of those that have not left, or are not back.'
    })
  },
  { description: 'Why it takes no instances, or which ones come back to it.' }
)

/** How a host stands, with the facts that its agent last reported. */
export const HostStatus = Strict({
  phase: Words(hostPhases, { description: 'Where it stands now.' }),
  uuid: Type.String({ description: 'SMBIOS UUID, by which it is known.' }),
  lastHeardAt: Type.Optional(Timestamp('When its agent was last heard.')),
  bootId: Type.Optional(Type.String({ description: "Kernel's boot id; changes with each boot." })),
  agentVersion: Type.Optional(Type.String({ description: 'Version of its agent.' })),
  instances: Type.Integer({ description: 'Instances that are placed on it. Unit: count.' }),
  foreign: Type.Integer({ description: 'Domains on it that are not ours. Unit: count.' }),
  memoryMib: mib('Memory that instances may have.', 0, Number.MAX_SAFE_INTEGER),
  memoryPromisedMib: mib('Memory that instances were promised.', 0, Number.MAX_SAFE_INTEGER),
  vcpus: Type.Integer({ description: 'Virtual processors that it may carry. Unit: count.' }),
  vcpusPromised: Type.Integer({ description: 'Virtual processors promised. Unit: count.' }),
  use: Type.Optional(HostUse),
  facts: Type.Optional(HostFacts),
  claims: Type.Optional(HostClaims),
  migration: Type.Optional(
    Strict(
      {
        uri: Type.String({ description: 'URI at which its libvirt takes instances in.' }),
        fault: Type.Optional(
          Type.String({ description: 'Why none can come; left out: they can.' })
        ),
        postCopyFault: Type.Optional(
          Type.String({
            description: 'Why none can go on here before all of its memory has come.'
          })
        )
      },
      { description: 'Whether running instances of other hosts can come here.' }
    )
  ),
  fence: Type.Optional(
    Strict(
      {
        want: Words(['watch', 'off', 'on'], { description: 'What is wanted of its power.' }),
        phase: Words(['idle', 'working', 'waiting', 'proven'], {
          description: 'How far bootd is with that.'
        }),
        attempt: Type.Integer({ description: 'How often all levels were begun. Unit: count.' }),
        verdict: Type.Optional(Type.String({ description: 'What was found.' })),
        story: Type.Optional(
          Type.Array(Type.String(), { description: 'What was tried, the oldest first.' })
        ),
        devices: Type.Array(
          Strict({
            level: Type.Integer({ description: 'The level that it is of, from 1. Unit: count.' }),
            name: Type.String({ description: 'What it is, and where.' }),
            power: Words(['on', 'off', 'unknown'], { description: 'What it read last.' }),
            reachable: Type.Optional(Type.Boolean({ description: 'Whether it answers.' })),
            because: Type.Optional(Type.String({ description: 'Why it is not reachable.' }))
          }),
          { description: 'Its fence devices, as they were found last.' }
        )
      },
      { description: 'How the devices are that would fence it.' }
    )
  ),
  selfFence: Type.Optional(
    Strict(
      {
        armed: Type.Boolean({ description: 'Whether its watchdog runs and nobody can stop it.' }),
        relied: Type.Boolean({ description: 'Whether its own end can prove it off.' }),
        limitMs: Type.Optional(Type.Integer({ description: 'The limit in force. Unit: ms.' })),
        watchdog: Type.String({ description: 'What its watchdog calls itself; empty: none.' }),
        timeoutMs: Type.Integer({ description: 'When it resets the host. Unit: ms.' }),
        expiresMs: Type.Optional(
          Type.Integer({ description: 'Silence that proves it off without a device. Unit: ms.' })
        ),
        because: Type.String({ description: 'Why it is not armed; empty: it is.' })
      },
      { description: 'What stands behind its self-fence.' }
    )
  ),
  duty: Type.Optional(DutyStatus),
  power: Type.Optional(
    Strict(
      {
        step: Words(['off', 'on'], { description: 'Which way it is switched now.' }),
        since: Timestamp('When that began.'),
        by: Type.String({ description: 'Who asked for it.' })
      },
      { description: 'Its power while it is being switched.' }
    )
  ),
  fenceTest: Type.Optional(
    Strict(
      {
        step: Words(['off', 'on'], { description: 'Which way it is switched now.' }),
        since: Timestamp('When it began.'),
        by: Type.String({ description: 'Who asked for it.' })
      },
      { description: 'The real test of its fence devices that is under way.' }
    )
  ),
  fenceTested: Type.Optional(
    Strict(
      {
        at: Timestamp('When it ended.'),
        passed: Type.Boolean({ description: 'Whether it was proven off and came on again.' }),
        because: Type.String({ description: 'What was found.' })
      },
      { description: 'What came of the last real test of its fence devices.' }
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
