/** The agent's hands: does one step with the ports, and says what came of it. */
import type { Clock } from '#shared/clock.ts'
import { within } from '#shared/deadline.ts'
import { Fault } from '#shared/fault.ts'
import type { Ms } from '#shared/units.ts'
import { domainXml } from '../core/domain-xml.ts'
import { timestamp } from '../core/moment.ts'
import type { Hypervisor, NetworkDriver, StorageDriver } from '../core/ports.ts'
import {
  type InstanceName,
  laneOf,
  type Step,
  type StepResult,
  type StepType,
  stepSentence
} from '../core/steps.ts'

/** Has the machine boot anew, if this is still that boot. */
export type Reboot = (boot: string, signal: AbortSignal) => Promise<void>

/** What the agent acts with. */
export type Hands = {
  readonly hypervisor: Hypervisor
  readonly storage: StorageDriver
  readonly networks: NetworkDriver
  /** Forgets the console log of an instance, of which the name need not be known. */
  readonly forgetConsole: (
    instance: Pick<InstanceName, 'id'> & Partial<InstanceName>
  ) => Promise<void>
  /** Ids of the instances of which a seed or a console log lies here. */
  readonly findRemains: () => Promise<readonly string[]>
  /** Left out: the machine cannot be had to boot anew. */
  readonly reboot?: Reboot
  readonly clock: Clock
}

const minuteMs: Ms = 60_000

/**
 * How long a step may take. An image is given an hour: it may be large and the line thin. Nothing
 * waits behind it but the volumes that are made from it.
 */
const deadlineMs: Readonly<Record<StepType, Ms>> = {
  'open-pool': minuteMs,
  'fetch-image': 60 * minuteMs,
  'keep-images': 5 * minuteMs,
  'create-volume': 30 * minuteMs,
  'grow-volume': 5 * minuteMs,
  'remove-volume': 10 * minuteMs,
  'apply-networks': 2 * minuteMs,
  'create-domain': 2 * minuteMs,
  shutdown: minuteMs,
  destroy: minuteMs,
  suspend: minuteMs,
  resume: minuteMs,
  // The memory of a busy instance is sent again and again; it can be called back at any moment.
  'migrate-domain': 12 * 60 * minuteMs,
  'abort-migration': minuteMs,
  'start-post-copy': minuteMs,
  'allow-standstill': minuteMs,
  'prepare-arrival': minuteMs,
  'forget-instance': minuteMs,
  'remove-remains': minuteMs,
  reboot: minuteMs
}

/** Sorts of work that do not get into each other's way, and how much of each goes on at once. */
export type WorkClass =
  | ('fetch' | 'storage' | 'network' | 'start')
  | ('end' | 'domain' | 'migration')
/**
 * So many steps of one sort are under way at once. How many migrations there are is the
 * controller's to say; each takes one of the twenty calls that libvirtd works on at once.
 */
export const workAtOnceMax: Readonly<Record<WorkClass, number>> = {
  fetch: 2,
  storage: 4,
  network: 1,
  // The order says how many; this only bounds what one libvirt is asked at once.
  start: 32,
  // A host that is cut off has seconds to end all that it runs.
  end: 16,
  domain: 4,
  migration: 16
}

/** The sort of work that a step is. */
export const classOf: Readonly<Record<StepType, WorkClass>> = {
  'open-pool': 'storage',
  'fetch-image': 'fetch',
  'keep-images': 'storage',
  'create-volume': 'storage',
  'grow-volume': 'storage',
  'remove-volume': 'storage',
  'apply-networks': 'network',
  'create-domain': 'start',
  shutdown: 'domain',
  destroy: 'end',
  suspend: 'domain',
  resume: 'domain',
  'migrate-domain': 'migration',
  'abort-migration': 'domain',
  'start-post-copy': 'domain',
  'allow-standstill': 'domain',
  'prepare-arrival': 'storage',
  'forget-instance': 'domain',
  'remove-remains': 'storage',
  reboot: 'domain'
}

/** Asking may be given up at once: the answer does not matter any more. */
const asksOnly: ReadonlySet<StepType> = new Set(['shutdown', 'suspend', 'resume'])

/**
 * Does a step. The signal withdraws it where that makes sense: fetching and copying stop, a request
 * to an instance is no longer waited for; everything else is brought to its end.
 */
export async function act(step: Step, hands: Hands, signal: AbortSignal): Promise<StepResult> {
  const { clock } = hands
  const limitMs = deadlineMs[step.type]
  const late = new AbortController()
  const work = perform(step, hands, AbortSignal.any([signal, late.signal]))
  try {
    return await within(work, {
      clock,
      deadlineMs: limitMs,
      signal: asksOnly.has(step.type) ? signal : new AbortController().signal,
      late: `cannot ${stepSentence(step)}: it took longer than ${limitMs} ms`
    })
  } catch (thrown) {
    if (signal.aborted) {
      throw new Fault('aborted', `cannot ${stepSentence(step)}: it is no longer wanted`, {
        cause: thrown
      })
    }
    throw thrown
  } finally {
    late.abort(new Fault('deadline', `${laneOf(step)} took longer than ${limitMs} ms`))
    work.catch(() => {})
  }
}

async function perform(step: Step, hands: Hands, signal: AbortSignal): Promise<StepResult> {
  const { hypervisor, storage, networks } = hands
  switch (step.type) {
    case 'open-pool': {
      const pool = await storage.openPool(step.pool)
      if (pool.failure !== undefined) return { pool, poolVolumes: [] }
      return { pool, poolVolumes: await storage.volumes(step.pool) }
    }
    case 'fetch-image':
      await storage.fetchImage(step.image, signal)
      return {}
    case 'keep-images':
      await storage.keepOnlyImages(step.ids)
      return { images: await storage.images() }
    case 'create-volume':
    case 'grow-volume': {
      const { volume, pool, image } = step
      return { volume: await storage.createVolume(volume, { pool, image }, signal) }
    }
    case 'remove-volume':
      await storage.removeVolume(step.volume, step.pool)
      return {}
    case 'apply-networks':
      return { networks: await networks.apply(step.networks, step.ports) }
    case 'create-domain':
      await createDomain(step, hands)
      return {}
    case 'shutdown':
    case 'destroy':
    case 'suspend':
    case 'resume':
      await hypervisor[step.type](step.domain)
      return {}
    case 'migrate-domain':
      await hypervisor.migrate(step.domain, step.way)
      return {}
    case 'abort-migration':
      await hypervisor.abortMigration(step.domain)
      return {}
    case 'start-post-copy':
      await hypervisor.startPostCopy(step.domain)
      return {}
    case 'allow-standstill':
      await hypervisor.allowStandstill(step.domain, step.standstillMs)
      return {}
    case 'prepare-arrival':
      await storage.writeSeed(step.instance.id, new Map(Object.entries(step.seed)))
      return {}
    case 'forget-instance':
      await storage.removeSeed(step.instance.id)
      await hands.forgetConsole(step.instance)
      return {}
    case 'remove-remains':
      await storage.removeSeed(step.id)
      await hands.forgetConsole({ id: step.id })
      return {}
    case 'reboot':
      await hands.reboot?.(step.boot, signal)
      return {}
    default:
      return step satisfies never
  }
}

async function createDomain(
  { plan, seed, tree, orderedBy }: Step & { readonly type: 'create-domain' },
  { hypervisor, storage, networks, clock }: Hands
): Promise<void> {
  const files = new Map(Object.entries(seed))
  if (tree !== undefined) await storage.writeTreeFiles(tree, files)
  const seedPath = tree === undefined ? await storage.writeSeed(plan.instance.id, files) : undefined
  const startedAt = timestamp(clock.wall())
  const links = plan.ports.map(port => ({
    bridge: networks.bridgeOf(port.networkId),
    interface: networks.interfaceOf(port.id)
  }))
  await hypervisor.create(plan.driver, domainXml(plan, { startedAt, orderedBy, links, seedPath }))
  networks.announce(plan.ports)
}
