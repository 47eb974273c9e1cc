import Type from 'typebox'
import type { Architecture } from './host-facts.ts'
import type { InstanceCrashes, InstancePreempted } from './instance-trouble.ts'
import { type DeviceWish, PlacingFields } from './placing.ts'
import { Readiness, readyWords } from './readiness.ts'
import { type KindDefinition, mib, Name, type Stored, Strict, Words } from './resource.ts'
import type { DeepReadonly } from './types.ts'
import { InstanceUse } from './use.ts'

/** Whether an instance may run on the target before all of its memory is there. */
export const postCopyWishes = ['never', 'when-needed'] as const

/** How a running instance is sent, as people and other programs wish it. */
export const MovePaceFields = {
  bandwidthMib: Type.Optional(mib('Most memory of one that is sent in a second.', 1, 1024 * 1024)),
  downtimeMs: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: 60_000,
      description: 'How long one may stand still at the end of its way. Unit: ms.'
    })
  ),
  postCopy: Type.Optional(
    Words(postCopyWishes, {
      description:
        'Whether one that writes faster than it is sent may go on there before all of its memory ' +
        'has come (when-needed, the default): it is lost, and starts anew from its volumes, if a ' +
        'host or the line fails meanwhile.'
    })
  )
}

/** When and how soon an instance that ended by itself is started again. */
export const RestartPolicy = Strict(
  {
    policy: Words(['always', 'on-failure', 'never'], {
      description:
        'When an instance that ended by itself is started again: always, only after a crash ' +
        'or an ending by force, or never.',
      default: 'always'
    }),
    delayMsMin: Type.Integer({
      minimum: 0,
      maximum: 3_600_000,
      default: 100,
      description: 'Wait before the first start again; doubles with each further one. Unit: ms.'
    }),
    delayMsMax: Type.Integer({
      minimum: 0,
      maximum: 86_400_000,
      default: 60_000,
      description: 'The longest wait. Unit: ms.'
    }),
    resetMs: Type.Integer({
      minimum: 1_000,
      maximum: 86_400_000,
      default: 60_000,
      description: 'After so long a run the wait is the first one again. Unit: ms.'
    })
  },
  { default: {}, description: 'What happens when the instance ends by itself.' }
)

/** After how many failed runs, and on how many hosts, where nothing is said. */
export const failedMaxElse = { runs: 5, hosts: 3 } as const

/** A VM or container of a tenant, as wished. */
export const InstanceSpec = Strict({
  type: Words(['vm', 'container'], {
    description: 'A virtual machine, or a container that shares the kernel of its host.',
    default: 'vm'
  }),
  size: Type.Optional(Name('Named shape; gives vcpus and memoryMib where these are left out.')),
  vcpus: Type.Optional(
    Type.Integer({ minimum: 1, maximum: 512, description: 'Virtual processors. Unit: count.' })
  ),
  memoryMib: Type.Optional(mib('Memory.', 16, 16 * 1024 * 1024)),
  image: Type.Optional(
    Name('Image that the root volume is made from; without one, the first of volumes is the root.')
  ),
  rootMib: Type.Optional(
    mib("Size of the root volume; the image's own size when left out.", 1, 64 * 1024 * 1024)
  ),
  pool: Name('Pool of the root volume.', { default: 'local' }),
  volumes: Type.Array(Name('Volume of the same tenant.'), {
    maxItems: 32,
    default: [],
    description: 'Further volumes, in the order in which the instance sees them.'
  }),
  ports: Type.Array(
    Strict({
      network: Name('Network that the port is in.'),
      address: Type.Optional(
        Type.String({ format: 'ipv4', description: 'A fixed address; one is chosen otherwise.' })
      )
    }),
    {
      maxItems: 16,
      default: [{ network: 'default' }],
      description: 'Plugs into networks, in the order in which the instance sees them.'
    }
  ),
  userData: Type.Optional(
    Type.String({ maxLength: 65_536, description: 'cloud-init user data, as it is.' })
  ),
  sshKeys: Type.Array(
    Type.String({ minLength: 16, maxLength: 16_384, description: 'An OpenSSH public key.' }),
    {
      maxItems: 64,
      default: [],
      description: 'OpenSSH public keys, one line each.'
    }
  ),
  cpuBaseline: Words(['portable', 'host'], {
    description:
      'portable: features that all hosts have, so that it can move; host: all that its host has.',
    default: 'portable'
  }),
  desiredPower: Words(['running', 'paused', 'stopped'], {
    description: 'The power state that it should be in.',
    default: 'running'
  }),
  restart: RestartPolicy,
  restarts: Type.Integer({
    minimum: 0,
    maximum: 1_000_000_000,
    default: 0,
    description: 'Raise it by one to have the instance restarted once. Unit: count.'
  }),
  failedRunsMax: Type.Integer({
    minimum: 0,
    maximum: 1_000,
    default: failedMaxElse.runs,
    description:
      'After so many failed runs in a row on one host it goes to another one; 0: it stays. A run ' +
      'fails when it ends by itself sooner than restart.resetMs. Unit: count.'
  }),
  failedHostsMax: Type.Integer({
    minimum: 1,
    maximum: 64,
    default: failedMaxElse.hosts,
    description: 'On so many hosts it is tried in that way before it counts as failed. Unit: count.'
  }),
  stopGraceMs: Type.Integer({
    minimum: 0,
    maximum: 3_600_000,
    default: 15_000,
    description:
      'How long it may take to shut down before its plug is pulled; 0: at once. Unit: ms.'
  }),
  priority: Type.Integer({
    minimum: 0,
    maximum: 1000,
    default: 500,
    description: 'Who goes first when room is short; higher goes first.'
  }),
  after: Type.Optional(
    Type.Array(Name('Instance of the same tenant.'), {
      maxItems: 16,
      description:
        'Instances that must be ready before it is started; what runs goes on without them.'
    })
  ),
  readiness: Type.Optional(Readiness),
  highlyAvailable: Type.Boolean({
    default: true,
    description: 'Whether it starts elsewhere when its host is proven dead.'
  }),
  migration: Type.Optional(
    Strict(MovePaceFields, {
      description:
        'How it is sent while it runs, whoever has it moved; what is wished of one move alone ' +
        'comes before it, and what is wished for all of a host after it.'
    })
  ),
  host: Type.Optional(Name('The only host that it may run on.')),
  ...PlacingFields,
  coldStart: Type.Optional(
    Type.Boolean({
      description:
        'Whether its host starts it by itself after a power cut, before any controller is there; ' +
        'it must name its host and have local volumes only.'
    })
  )
})
export type InstanceSpec = DeepReadonly<Type.Static<typeof InstanceSpec>>

/**
 * Phases of a move, see controller/core/moves.ts: the target gets ready, the source sends, nobody
 * may send any more, the target is asked whether it has the instance.
 */
export const movePhases = ['preparing', 'sending', 'crossing', 'withdrawing', 'asking'] as const

/** How an instance gets from its host, which has it until the move is over, to another one. */
export type InstanceMove = {
  readonly id: string
  /** Name of the host that it goes to. */
  readonly to: string
  /** Whether it runs on while it goes; else it is shut down first and started there. */
  readonly live: boolean
  /** RFC 3339. */
  readonly startedAt: string
  readonly phase: (typeof movePhases)[number]
  /** Raised with each phase: what a host says of an earlier one is not said of this. */
  readonly step: number
  readonly pace?: MovePace
  /** Where libvirt and the hypervisor of the target listen, and its agent's own folder. */
  readonly door?: MoveDoor
  /** Why it is given up, once it is. */
  readonly because?: string
  /** It had begun to cross: unless the target has all of its memory, nobody has. */
  readonly lost?: boolean
}

/** How a running instance is sent; what is left out is the hypervisor's own choice. */
export type MovePace = {
  /** Most memory that is sent in a second. Unit: MiB. */
  readonly bandwidthMib?: number
  /** How long it may stand still at the end; it is sent until that can be kept. Unit: ms. */
  readonly downtimeMs?: number
  /** Left out: when it is needed. */
  readonly postCopy?: (typeof postCopyWishes)[number]
}

/** How fast one is sent, and how fast it writes meanwhile. */
export const MoveSpeedFields = {
  mibPerSecond: Type.Optional(mib('What is sent of it in a second.', 0, Number.MAX_SAFE_INTEGER)),
  writtenMibPerSecond: Type.Optional(
    mib('What it writes meanwhile, and is sent again.', 0, Number.MAX_SAFE_INTEGER)
  )
}

/** Where a host takes instances in, as its agent says. */
export type MoveDoor = {
  /** libvirt's URI of the target, as the source's libvirt reaches it. */
  readonly uri: string
  /** Address that the memory is sent to. */
  readonly address: string
  /** Folder of the agent's own files, which the instance's description names. */
  readonly folder: string
  /** Whether one can run there before all of its memory has come. */
  readonly postCopy?: boolean
}

/** Where an instance is, how large, and which volumes and ports it was given. */
export type InstanceDecided = {
  /** Name of the host that it was given. */
  readonly host?: string
  /** Whole numbers that the size or the spec gave when it was last changed. */
  readonly vcpus: number
  readonly memoryMib: number
  /** What its host needs for it beside that; see controller/core/overhead.ts. Unit: MiB. */
  readonly overheadMib?: number
  /** Its memory is in pages of this size, and takes nothing of the host's common memory. */
  readonly hugePages?: '2M' | '1G'
  /** What the processors of its host must be; left out: x86_64. */
  readonly architecture?: Architecture
  /** Its memory and its processors are in one NUMA cell. */
  readonly numaFit?: boolean
  /** What it has of its host's devices while it runs, each sort once. */
  readonly devices?: readonly DeviceWish[]
  /** Ids of its volumes, root first, and of its ports. */
  readonly volumes: readonly string[]
  readonly ports: readonly string[]
  /** Its plug shall be pulled: it was asked to stop by force. */
  readonly forced?: boolean
  /** The start, RFC 3339, since which it has phoned home: its next host need not hear it again. */
  readonly phonedHome?: string
  /** RFC 3339; set once it was asked to go. */
  readonly deletedAt?: string
  /** Set while its runs fail, until something else is wished or it has run well for a while. */
  readonly crashes?: InstanceCrashes
  /** Set when it has lost its host, until it has another one. */
  readonly displaced?: { readonly from: string; readonly at: string }
  /** Set while it is stopped for another one, though it is wished to run. */
  readonly preempted?: InstancePreempted
  /** Ids of those that stop to make room for it on its host; it is held until they have. */
  readonly roomFrom?: readonly string[]
  /** Set while it is on its way to another host. */
  readonly moving?: InstanceMove
}

/** An instance in the journal; its id's UUID is also that of its libvirt domain. */
export type Instance = Stored<'instance', InstanceSpec, InstanceDecided>

/** What an instance may be found to be; `waiting`: it should run, and its start is due later. */
export const instancePhases = [
  'pending',
  'starting',
  'running',
  'paused',
  'stopping',
  'stopped',
  'waiting',
  'failed',
  'unknown',
  'deleting'
] as const

/**
 * `pending`, `unknown` and `deleting` are the controller's own judgement, all others the host's
 * word.
 */
export type InstancePhase = (typeof instancePhases)[number]

/** How an instance is; where its host is silent, the phase is `unknown`. */
export const InstanceStatus = Strict({
  phase: Words(instancePhases, { description: 'Where it stands now.' }),
  host: Type.Optional(Name('Host that it is placed on.')),
  move: Type.Optional(
    Strict(
      {
        to: Name('Host that it goes to.'),
        live: Type.Boolean({ description: 'Whether it runs on while it goes.' }),
        phase: Words(movePhases, { description: 'How far the move is.' }),
        startedAt: Type.String({ description: 'Since when, RFC 3339.' }),
        message: Type.String({ description: 'What it waits for.' }),
        totalMib: Type.Optional(mib('Memory that is sent.', 0, Number.MAX_SAFE_INTEGER)),
        remainingMib: Type.Optional(mib('What is left of it.', 0, Number.MAX_SAFE_INTEGER)),
        ...MoveSpeedFields
      },
      { description: 'Its way to another host, while it is on it.' }
    )
  ),
  vcpus: Type.Integer({ description: 'Virtual processors that it was given. Unit: count.' }),
  memoryMib: mib('Memory that it was given.', 0, 16 * 1024 * 1024),
  overheadMib: Type.Optional(
    mib('What its host keeps for it beside that, as emulators need it.', 0, 1024 * 1024)
  ),
  use: Type.Optional(InstanceUse),
  addresses: Type.Array(Type.String(), { description: 'IP addresses of its ports, in order.' }),
  volumes: Type.Array(Type.String(), { description: 'Names of its volumes, root first.' }),
  startedAt: Type.Optional(Type.String({ description: 'When it was last started, RFC 3339.' })),
  startCount: Type.Optional(
    Type.Integer({ description: 'Starts that its host knows of. Unit: count.' })
  ),
  acceleration: Type.Optional(
    Words(['kvm', 'tcg', 'none'], { description: 'How its processor runs.' })
  ),
  readiness: Type.Optional(
    Strict(
      {
        state: Words(readyWords, { description: 'Whether it is ready for those after it.' }),
        message: Type.String({ description: 'What was found, or is waited for.' })
      },
      { description: 'While it runs, and its wish says when it is ready.' }
    )
  )
})
export type InstanceStatus = DeepReadonly<Type.Static<typeof InstanceStatus>>

/** Instances are created with their root volume and ports, and take those with them. */
export const instanceKind: KindDefinition = {
  kind: 'instance',
  plural: 'instances',
  prefix: 'i',
  scope: 'tenant',
  creatable: true,
  doc: 'A VM or container of a tenant.',
  spec: InstanceSpec,
  status: InstanceStatus
}
