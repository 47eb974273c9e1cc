/**
 * The order: all that one host should hold. It is level-triggered: the complete desired state,
 * never "start instance 3". A lost order costs nothing, a repeated one does nothing.
 *
 * An instance that runs but is not in the order is stopped. A volume, which holds what cannot be
 * made again, is removed only when the order says so of that very volume (`absent`); one that the
 * order does not name is left alone.
 */
import Type from 'typebox'
import { severities } from '../model/event.ts'
import { HostFacts } from '../model/host-facts.ts'
import { imageFormats } from '../model/image.ts'
import { MovePaceFields, RestartPolicy } from '../model/instance.ts'
import { PlacingFields } from '../model/placing.ts'
import { Readiness, readyWords } from '../model/readiness.ts'
import { Strict, Words } from '../model/resource.ts'
import type { DeepReadonly } from '../model/types.ts'
import { volumeFormats } from '../model/volume.ts'
import { ReportSelfFence } from './self-fence.ts'
import { ReportStorage, storagePoolsMax } from './storage.ts'
import { ReportUse } from './use.ts'

const Text = (maxLength = 256) => Type.String({ maxLength })
const Count = () => Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })

/** An image that volumes of this host are made from; its content is verified when fetched. */
export const OrderImage = Strict({
  id: Text(),
  name: Text(),
  format: Words(imageFormats, { description: 'How the content is laid out.' }),
  sha256: Type.String({ pattern: '^[0-9a-f]{64}$' }),
  sizeBytes: Count(),
  /** Where the agent fetches it: an HTTP address of the controller, with a ticket. */
  url: Text(2048)
})
export type OrderImage = DeepReadonly<Type.Static<typeof OrderImage>>

/** A pool, whether or not this host has volumes in it yet. */
export const OrderPool = Strict({
  name: Text(),
  driver: Words(['directory'], { description: 'How volumes are kept.' }),
  path: Type.Optional(Text(1024)),
  shared: Type.Boolean(),
  /** How its volumes are locked while they are used; left out: they are not. */
  locks: Type.Optional(Words(['none', 'virtlockd'], { description: 'By whom.' })),
  lockFolder: Type.Optional(Text(1024)),
  heartbeats: Type.Optional(Type.Boolean())
})
export type OrderPool = DeepReadonly<Type.Static<typeof OrderPool>>

/** A volume that this host holds, or holds no longer once `desired` is `absent`. */
export const OrderVolume = Strict({
  id: Text(),
  name: Text(),
  pool: Text(),
  format: Words(volumeFormats, { description: 'How it is kept.' }),
  sizeMib: Count(),
  imageId: Type.Optional(Text()),
  /** `absent`: remove it for good. */
  desired: Words(['present', 'absent'], { description: 'Whether it should be there.' }),
  /** An instance has run with it: one that is missing is lost, and is not made anew. */
  isUsed: Type.Optional(Type.Boolean()),
  /** Another host has it, and this one only looks whether it sees it too. */
  elsewhere: Type.Optional(Type.Boolean())
})
export type OrderVolume = DeepReadonly<Type.Static<typeof OrderVolume>>

/** A network that an instance of this host is in; its subnets carry their gateway worked out. */
export const OrderNetwork = Strict({
  id: Text(),
  name: Text(),
  mtu: Count(),
  nat: Type.Boolean(),
  uplink: Type.Optional(Text(15)),
  subnets: Type.Array(
    Strict({ cidr: Text(), gateway: Text(), dns: Type.Array(Text(), { maxItems: 4 }) }),
    { maxItems: 16 }
  )
})
export type OrderNetwork = DeepReadonly<Type.Static<typeof OrderNetwork>>

/** A plug of an instance, with the addresses that only it may use. */
export const OrderPort = Strict({
  id: Text(),
  networkId: Text(),
  mac: Type.String({ pattern: '^[0-9a-f]{2}(:[0-9a-f]{2}){5}$' }),
  address: Text()
})
export type OrderPort = DeepReadonly<Type.Static<typeof OrderPort>>

/** An instance is on its way to another host; see agent/core/diff-move.ts. */
export const OrderLeaving = Strict({
  move: Text(),
  step: Count(),
  /** Name of the host that it goes to. */
  to: Text(),
  live: Type.Boolean(),
  /** Whether it may be sent, or shut down, now; else nothing is begun, and what is, called back. */
  go: Type.Boolean(),
  /** How it is sent, if it goes live. */
  pace: Type.Optional(Strict(MovePaceFields)),
  /** Where the target takes it in. */
  door: Type.Optional(
    Strict({
      uri: Text(2048),
      address: Text(),
      folder: Text(1024),
      /** Whether it can run there before all of its memory has come. */
      postCopy: Type.Optional(Type.Boolean())
    })
  ),
  /** It runs there, and a part of its memory is here still: that can only go on. */
  crossing: Type.Optional(Type.Boolean()),
  /** What is here of it is worth nothing any more, and is ended. */
  lost: Type.Optional(Type.Boolean())
})
export type OrderLeaving = DeepReadonly<Type.Static<typeof OrderLeaving>>

/** An instance is on its way to this host, which must not start it by itself. */
export const OrderArriving = Strict({
  move: Text(),
  step: Count(),
  /** Name of the host that it comes from, and what that machine calls itself. */
  from: Text(),
  fromHostname: Text(),
  live: Type.Boolean(),
  /** Nobody sends any more: what has not arrived in full never will. */
  over: Type.Boolean()
})
export type OrderArriving = DeepReadonly<Type.Static<typeof OrderArriving>>

/** An instance as this host should hold it; its volumes are named by id, the root first. */
export const OrderInstance = Strict({
  id: Text(),
  name: Text(),
  tenant: Text(),
  type: Words(['vm', 'container'], { description: 'What it is.' }),
  generation: Count(),
  vcpus: Count(),
  memoryMib: Count(),
  volumes: Type.Array(Text(), { maxItems: 64 }),
  ports: Type.Array(OrderPort, { maxItems: 16 }),
  userData: Type.Optional(Text(65_536)),
  sshKeys: Type.Array(Text(16_384), { maxItems: 64 }),
  cpuBaseline: Words(['portable', 'host'], { description: 'Which features it sees.' }),
  /** Features that it sees in any case, as Linux names them. */
  cpuFeatures: Type.Optional(Type.Array(Text(32), { maxItems: 32 })),
  /** Size of the pages that its memory is made of; left out: common ones. */
  hugePages: Type.Optional(Words(['2M', '1G'], { description: 'Size of its pages.' })),
  /** Devices that it has for itself while it runs; the agent chooses which. */
  devices: PlacingFields.devices,
  /** What it takes of the one NUMA cell that it is to fit into; left out: it need not. */
  fit: Type.Optional(Strict({ memoryMib: Count() })),
  desiredPower: Words(['running', 'paused', 'stopped'], { description: 'Power state.' }),
  restart: RestartPolicy,
  restarts: Count(),
  /** How long it may take to shut down before it is ended by force; 0: at once. Unit: ms. */
  stopGraceMs: Count(),
  /** Whether the end that is wished now is to be by force; a later one has its grace again. */
  pullPlug: Type.Optional(Type.Boolean()),
  /** Higher goes first where not all may be started at once. */
  priority: Type.Optional(Count()),
  /** Those before it are not ready: it is not started yet. What runs goes on. */
  hold: Type.Optional(Type.Boolean()),
  readiness: Type.Optional(Readiness),
  /** The start, RFC 3339, since which it is known to have phoned home. */
  phonedHome: Type.Optional(Text(40)),
  leaving: Type.Optional(OrderLeaving),
  arriving: Type.Optional(OrderArriving)
})
export type OrderInstance = DeepReadonly<Type.Static<typeof OrderInstance>>

/** An agent refuses one of another cloud, of a lower epoch than seen, or older in that epoch. */
export const Order = Strict({
  type: Type.Literal('order'),
  cloud: Text(),
  epoch: Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER }),
  generation: Count(),
  host: Text(),
  /** The boot of the host that this was made for; in another one it is void. */
  boot: Type.Optional(Text(64)),
  images: Type.Array(OrderImage, { maxItems: 10_000 }),
  pools: Type.Array(OrderPool, { maxItems: 1_000 }),
  volumes: Type.Array(OrderVolume, { maxItems: 50_000 }),
  networks: Type.Array(OrderNetwork, { maxItems: 10_000 }),
  instances: Type.Array(OrderInstance, { maxItems: 10_000 }),
  /** So many may be on their way up at once; left out: all. */
  startsMax: Type.Optional(Type.Integer({ minimum: 1, maximum: 10_000 })),
  /** What the host may give of its NUMA cells; left out: no instance is to fit into one. */
  cellTerms: Type.Optional(Strict({ reservedMib: Count(), vcpusPerThread: Type.Number() })),
  /** Without a lease for so long it ends what others could start; left out: it never does. */
  selfFence: Type.Optional(Strict({ limitMs: Count() })),
  /** The kernel's boot id of the boot that is to end; in another one there is nothing to do. */
  reboot: Type.Optional(Text(64)),
  /** Notices of this boot of the agent, up to this number, are in the journal: forget them. */
  noticesKept: Count()
})
export type Order = DeepReadonly<Type.Static<typeof Order>>

/** What an instance may be on its host; `waiting`: it should run, and its start is due later. */
export const observedPowers = [
  'running',
  'paused',
  'starting',
  'stopping',
  'stopped',
  'waiting',
  'failed'
] as const

/**
 * What a host says of an instance on its way. The target: it prepares, is ready, has a part of it,
 * has it in full. The source: it has it, sends it, sends what is left of it while it runs there
 * already, cannot send that, has tried in vain, has it held still, has it no more.
 */
export const moveStands = [
  'preparing',
  'ready',
  'receiving',
  'here',
  'stays',
  'sending',
  'crossing',
  'broken',
  'failed',
  'held',
  'gone'
] as const

/** Where the way of an instance stands on one of its two hosts. */
export const ReportMove = Strict({
  move: Text(),
  /** The step of the order that this answers. */
  step: Count(),
  stand: Words(moveStands, { description: 'What the host finds.' }),
  message: Text(2048),
  totalMib: Type.Optional(Count()),
  remainingMib: Type.Optional(Count()),
  /** What is sent in a second, and what it writes meanwhile. Unit: MiB. */
  mibPerSecond: Type.Optional(Count()),
  writtenMibPerSecond: Type.Optional(Count()),
  /** How often it was tried in vain to send what is left. */
  tries: Type.Optional(Count()),
  /** How long it stood still, as the hypervisor counted. Unit: ms. */
  downtimeMs: Type.Optional(Count())
})
export type ReportMove = DeepReadonly<Type.Static<typeof ReportMove>>

/** Runs, and starts, of an instance that have failed in a row on its host. */
export const ReportFailed = Strict({
  runs: Count(),
  /** From the beginning of the first to the end of the last; 0: nothing of it has run. Unit: ms. */
  withinMs: Count(),
  /** How the last one ended. */
  last: Text(512)
})
export type ReportFailed = DeepReadonly<Type.Static<typeof ReportFailed>>

/** An instance as its host finds it, also one that still ends though no longer ordered. */
export const ReportInstance = Strict({
  id: Text(),
  /** Generation of the wish that this speaks of; 0: it is no longer wished. */
  generation: Count(),
  power: Words(observedPowers, { description: 'What is observed.' }),
  /** One word for programs: running, no-image, no-volume, restart-wait, hypervisor-refused … */
  reason: Text(64),
  /** The sentence for people: why it is not as desired, or since when it is. */
  message: Text(2048),
  startedAt: Type.Optional(Text(40)),
  startCount: Count(),
  acceleration: Type.Optional(Words(['kvm', 'tcg', 'none'], { description: 'How it runs.' })),
  /** The NUMA cell that it runs in; left out: it need not be in one. */
  cell: Type.Optional(Count()),
  /** Whether it runs with other hardware than desired, and will until its next start. */
  restartNeeded: Type.Boolean(),
  failed: Type.Optional(ReportFailed),
  /** Whether it is ready for those after it; left out: it does not run, or no gate is asked for. */
  ready: Type.Optional(Words(readyWords, { description: 'Whether it is ready.' })),
  readyMessage: Type.Optional(Text(2048)),
  move: Type.Optional(ReportMove)
})
export type ReportInstance = DeepReadonly<Type.Static<typeof ReportInstance>>

/** A volume as its host finds it; `absent` proves to the controller that it is removed. */
export const ReportVolume = Strict({
  id: Text(),
  phase: Words(['absent', 'creating', 'ready', 'failed'], { description: 'What is observed.' }),
  message: Text(2048),
  sizeMib: Count(),
  usedMib: Count()
})
export type ReportVolume = DeepReadonly<Type.Static<typeof ReportVolume>>

/** Something that happened on the host and belongs into the journal. */
export const Notice = Strict({
  /** Counts from 1 in each boot of the agent. */
  number: Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER }),
  /** RFC 3339. */
  at: Text(40),
  /** Id of the resource that it is about. */
  subject: Text(),
  reason: Text(64),
  message: Text(2048),
  severity: Words(severities, { description: 'How urgent it is.' })
})
export type Notice = DeepReadonly<Type.Static<typeof Notice>>

/** What a host found when it last looked for one of its peers. */
export const PeerSeen = Strict({
  /** UUID of the peer. */
  host: Text(64),
  reached: Type.Boolean(),
  /** Where it was not: whether its kernel takes calls, says that nobody listens, or is silent. */
  sign: Type.Optional(Words(['accepts', 'refuses', 'silent'], { description: 'What it shows.' })),
  /** How long ago it was looked for last. Unit: ms. */
  ageMs: Type.Number({ minimum: 0 }),
  /**
   * How long ago it was lost: reached once, and then no more, look after look without a gap; left
   * out: it is reached, or never was. Unit: ms.
   */
  missedMs: Type.Optional(Type.Number({ minimum: 0 }))
})
export type PeerSeen = DeepReadonly<Type.Static<typeof PeerSeen>>

/** What a host holds, in full. Sent at each change, and unasked every few seconds. */
export const Report = Strict({
  type: Type.Literal('report'),
  /** SMBIOS UUID of the host. */
  host: Text(),
  hostname: Text(),
  agentVersion: Text(64),
  bootId: Text(64),
  /** Names this run of the agent; another one means that it has restarted. */
  agentRun: Text(64),
  /** Counts up in one run, so that a late report is known. */
  number: Count(),
  /** The highest epoch that the agent has seen, and the order that it last took on. */
  epoch: Count(),
  generation: Count(),
  /** Generation of the last order that was wholly carried out. */
  settledGeneration: Count(),
  facts: Type.Optional(HostFacts),
  memoryFreeMib: Count(),
  /** How busy it is; left out: it has not found out yet. */
  use: Type.Optional(ReportUse),
  /** Why libvirt does not answer the agent; left out: it does. */
  libvirtSilence: Type.Optional(Text(2048)),
  /** Where instances of other hosts are taken in; with `fault` they cannot be. */
  migration: Type.Optional(
    Strict({
      uri: Text(2048),
      address: Text(),
      folder: Text(1024),
      fault: Type.Optional(Text(2048)),
      /** Whether one can run here before all of its memory has come, and why, or why not. */
      postCopy: Type.Optional(Strict({ works: Type.Boolean(), because: Text(2048) }))
    })
  ),
  images: Type.Array(Text(), { maxItems: 10_000 }),
  pools: Type.Array(
    Strict({
      name: Text(),
      phase: Words(['ready', 'failed'], { description: 'Whether it can be used.' }),
      message: Text(2048),
      capacityMib: Count(),
      freeMib: Count()
    }),
    { maxItems: 1_000 }
  ),
  networks: Type.Array(
    Strict({
      id: Text(),
      phase: Words(['ready', 'failed'], { description: 'Whether it can be used.' }),
      message: Text(2048)
    }),
    { maxItems: 10_000 }
  ),
  volumes: Type.Array(ReportVolume, { maxItems: 50_000 }),
  instances: Type.Array(ReportInstance, { maxItems: 10_000 }),
  /** Domains that are not ours: name and driver. Never touched. */
  foreign: Type.Array(Strict({ name: Text(), driver: Text(16), memoryMib: Count() }), {
    maxItems: 10_000
  }),
  notices: Type.Array(Notice, { maxItems: 256 }),
  /** Version of the signed list that this host keeps; left out: none. */
  bootstrapVersion: Type.Optional(Count()),
  /** Where this host can be looked for by its peers, and by which list of them it goes. */
  probeEndpoint: Type.Optional(Text()),
  peersPrint: Type.Optional(Text(64)),
  peers: Type.Optional(Type.Array(PeerSeen, { maxItems: 16 })),
  storage: Type.Optional(Type.Array(ReportStorage, { maxItems: storagePoolsMax })),
  /** Left out: this host was never told to fence itself. */
  selfFence: Type.Optional(ReportSelfFence),
  /** Whether its libvirt can lock volumes; with `fault` it cannot. */
  locks: Type.Optional(Strict({ fault: Type.Optional(Text(2048)) }))
})
export type Report = DeepReadonly<Type.Static<typeof Report>>
