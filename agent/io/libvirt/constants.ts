/**
 * Numbers of libvirt's API that the protocol carries, from the headers of Debian's libvirt-dev
 * 9.0.0: libvirt-domain.h, libvirt-host.h and virterror.h. The position of a word in a table is its
 * number; `unknown` also stands for what a later libvirt may add.
 */
import type { DomainState } from '../../core/ports.ts'

/** virErrorNumber: only the codes that we decide on. */
export const errorCode = {
  noConnect: 5,
  noDomain: 42,
  operationInvalid: 55,
  operationUnsupported: 84,
  resourceBusy: 87
} as const

/** virDomainEventID: the events that we ask for. */
export const eventId = {
  lifecycle: 0,
  reboot: 1,
  watchdog: 3,
  ioErrorReason: 6,
  balloonChange: 13,
  deviceRemoved: 15,
  blockJob2: 16,
  tunable: 17,
  deviceAdded: 19,
  agentLifecycle: 18,
  jobCompleted: 21,
  deviceRemovalFailed: 22,
  metadataChange: 23
} as const

/** virDomainStatsTypes. */
export const statsKind = {
  state: 1 << 0,
  cpuTotal: 1 << 1,
  balloon: 1 << 2,
  interface: 1 << 4,
  block: 1 << 5
} as const

/** virConnectListAllDomainsFlags: those that run. */
export const listActive = 1 << 0

/** virConnectGetAllDomainStatsFlags: leave out what would have to wait for a busy domain. */
export const statsNoWait = 1 << 29

/** virDomainConsoleFlags: take the console over from whoever holds it. */
export const consoleForce = 1 << 0

/** virDomainMigrateFlags: while it runs, from libvirt to libvirt. */
export const migrateFlags = {
  live: 1 << 0,
  peerToPeer: 1 << 1,
  /** libvirt knows few file systems that hosts share; which pools are shared we know. */
  unsafe: 1 << 9,
  /** A disk that fails while it is sent ends the sending. */
  abortOnError: 1 << 12,
  /** The processor of an instance that writes faster than can be sent is slowed down. */
  autoConverge: 1 << 13,
  /** It may go on there before all of its memory has come. */
  postCopy: 1 << 15,
  tls: 1 << 16,
  /** What is left of one whose two parts have lost each other. */
  postCopyResume: 1 << 19
} as const

/** virDomainGetJobStatsFlags: of the last job that ended, without forgetting it. */
export const jobStatsCompleted = (1 << 0) | (1 << 1)

/** virDomainJobType: none goes on. */
export const jobTypeNone = 0

/** virDomainXMLFlags: as another libvirt takes it, with all secrets that it needs. */
export const xmlMigratable = 1 << 3

/** virDomainShutdownFlagValues: send SIGTERM to a container's init. */
export const shutdownSignal = 1 << 3

/** virConnectAuthType, as authList gives them. */
export const authType = { none: 0, polkit: 2 } as const

type StateWords = { readonly state: DomainState; readonly reasons: readonly string[] }

const paused = [
  'unknown',
  'user',
  'migration',
  'save',
  'dump',
  'I/O error',
  'watchdog',
  'from snapshot',
  'shutting down',
  'snapshot',
  'crashed',
  'starting up',
  'postcopy',
  'postcopy failed'
]

/** virDomainState, with the reasons of each state (virDomainRunningReason and following). */
const states: readonly StateWords[] = [
  { state: 'running', reasons: ['no state'] },
  {
    state: 'running',
    reasons: [
      'unknown',
      'booted',
      'migrated',
      'restored',
      'from snapshot',
      'unpaused',
      'migration canceled',
      'save canceled',
      'wakeup',
      'crashed',
      'postcopy',
      'postcopy failed'
    ]
  },
  { state: 'running', reasons: ['blocked'] },
  { state: 'paused', reasons: paused },
  { state: 'stopping', reasons: ['unknown', 'user'] },
  {
    state: 'stopped',
    reasons: [
      'unknown',
      'shutdown',
      'destroyed',
      'crashed',
      'migrated',
      'saved',
      'failed',
      'from snapshot',
      'daemon'
    ]
  },
  { state: 'crashed', reasons: ['unknown', 'panicked'] },
  { state: 'paused', reasons: ['power management'] }
]

/** Puts libvirt's two numbers of a state into our words. A state that is new to us still runs. */
export function stateWords(state: number, reason: number): { state: DomainState; reason: string } {
  const words = states[state]
  return { state: words?.state ?? 'running', reason: words?.reasons[reason] ?? 'unknown' }
}

type EventWords = { readonly event: string; readonly details: readonly string[] }

/** virDomainEventType, with the details of each event (virDomainEventStartedDetailType …). */
const lifecycle: readonly EventWords[] = [
  { event: 'defined', details: ['added', 'updated', 'renamed', 'from snapshot'] },
  { event: 'undefined', details: ['removed', 'renamed'] },
  { event: 'started', details: ['booted', 'migrated', 'restored', 'from snapshot', 'wakeup'] },
  {
    event: 'suspended',
    details: [
      'paused',
      'migrated',
      'I/O error',
      'watchdog',
      'restored',
      'from snapshot',
      'API error',
      'postcopy',
      'postcopy failed'
    ]
  },
  {
    event: 'resumed',
    details: ['unpaused', 'migrated', 'from snapshot', 'postcopy', 'postcopy failed']
  },
  {
    event: 'stopped',
    details: ['shutdown', 'destroyed', 'crashed', 'migrated', 'saved', 'failed', 'from snapshot']
  },
  { event: 'shutdown', details: ['finished', 'by the guest', 'by the host'] },
  { event: 'power-suspended', details: ['to memory', 'to disk'] },
  { event: 'crashed', details: ['panicked', 'crash kernel loaded'] }
]

/** Puts the two numbers of a lifecycle event into words. */
export function lifecycleWords(event: number, detail: number): { event: string; detail: string } {
  const words = lifecycle[event]
  return { event: words?.event ?? 'unknown', detail: words?.details[detail] ?? 'unknown' }
}

const blockJobTypes = ['job', 'pull', 'copy', 'commit', 'active commit', 'backup']
const blockJobStatuses = ['completed', 'failed', 'canceled', 'ready']

/** Puts the numbers of a block job into words (virDomainBlockJobType, …BlockJobStatus). */
export const blockJobWords = (type: number, status: number): string =>
  `block ${blockJobTypes[type] ?? 'job'} ${blockJobStatuses[status] ?? 'changed'}`

const agentStates = ['unknown', 'connected', 'disconnected']

/** Says whether a guest agent has come or gone (virConnectDomainEventAgentLifecycleState). */
export const agentStateWords = (state: number): string => agentStates[state] ?? 'unknown'

const watchdogActions = ['none', 'pause', 'reset', 'poweroff', 'shutdown', 'debug', 'inject NMI']

/** Says what the hypervisor did when a guest's watchdog fired (virDomainEventWatchdogAction). */
export const watchdogWords = (action: number): string => watchdogActions[action] ?? 'unknown'

const ioErrorActions = ['none', 'paused', 'reported']

/** Says what the hypervisor did about an I/O error (virDomainEventIOErrorAction). */
export const ioErrorWords = (action: number): string => ioErrorActions[action] ?? 'unknown'
