/**
 * An instance that should run and does not. Whatever it needs is looked for in turn, and the first
 * thing that is missing is the reason that is reported: its name and UUID free, the end of its
 * restart wait, a driver, volumes, networks. Then the domain is created, with a new seed.
 */
import { uuidOf } from '#shared/ids.ts'
import type { OrderInstance } from '#shared/wire/order.ts'
import { seedFiles, seedFolder } from './cloud-init.ts'
import type { InstanceVerdict } from './diff-instance.ts'
import type { VolumeVerdict } from './diff-volumes.ts'
import { type DomainPlan, domainName, driverOf } from './domain-plan.ts'
import { homeOf } from './gates.ts'
import { lastWordsMsMax } from './memory.ts'
import { type Acceleration, hardwareOf } from './metadata.ts'
import { isAlive } from './own-domains.ts'
import type { Driver, HypervisorAbilities } from './ports.ts'
import { doneSentence, waitSentence } from './restart.ts'
import { failureOf, wishFor } from './situation.ts'
import { nameOf, type Step } from './steps.ts'
import { indexKey, type Surroundings } from './surroundings.ts'

const drivers: readonly Driver[] = ['qemu', 'lxc']
/** Of a network that the order does not name; one that it needs is waited for. Unit: bytes. */
const mtuElse = 1500

/** Why it does not run yet: everything of the verdict but what is the same for all. */
type Standing = Pick<InstanceVerdict, 'power' | 'reason' | 'message'> &
  Partial<Pick<InstanceVerdict, 'lookAgainAt' | 'settled' | 'wish'>>

/** Says what an instance that should run still lacks, or starts it. */
export function startVerdict(instance: OrderInstance, about: Surroundings): InstanceVerdict {
  const standing =
    foreignInTheWay(instance, about) ??
    waitsForOthers(instance, about) ??
    waitsForRestart(instance, about) ??
    lacking(instance, about) ??
    start(instance, about)
  return { instance, own: undefined, restartNeeded: false, settled: false, ...standing }
}

/** Says what an instance would lack on this host, or undefined: nothing. */
export const lacking = (instance: OrderInstance, about: Surroundings): Standing | undefined =>
  foreignInTheWay(instance, about) ??
  lacksDriver(instance, about) ??
  lacksVolume(instance, about) ??
  lacksNetwork(instance, about) ??
  lacksDevice(instance, about) ??
  lacksCell(instance, about) ??
  waitsForName(instance, about)

const starting = (reason: string, message: string): Standing => ({
  power: 'starting',
  reason,
  message
})
const failed = (reason: string, message: string): Standing => ({ power: 'failed', reason, message })

function foreignInTheWay(instance: OrderInstance, { indexes }: Surroundings): Standing | undefined {
  const name = domainName(instance)
  const uuid = uuidOf(instance.id)
  const driver = driverOf(instance)
  const other = indexes.foreign.get(uuid) ?? indexes.foreign.get(indexKey(driver, name))
  if (other === undefined) return undefined
  const same = other.uuid === uuid ? `UUID ${uuid}` : `name ${name}`
  return failed(
    'foreign-in-the-way',
    `cannot start ${nameOf(instance)}: a ${other.driver} domain that is not of this cloud has ` +
      `its ${same}; remove or rename that domain ` +
      `(virsh -c ${other.driver}:///system dominfo ${other.uuid})`
  )
}

function lacksDriver(instance: OrderInstance, { situation }: Surroundings): Standing | undefined {
  const { abilities } = situation.host
  if (abilities === undefined) return starting('hypervisor-away', 'waits for libvirt to answer')
  const driver = driverOf(instance)
  if (abilities[driver]) return undefined
  const what = instance.type === 'vm' ? 'VMs' : 'containers'
  return failed(
    'no-driver',
    `cannot start: libvirt on this host has no ${driver} driver for ${what}`
  )
}

function lacksVolume(instance: OrderInstance, about: Surroundings): Standing | undefined {
  if (instance.type === 'container' && instance.volumes.length === 0) {
    return failed('no-volume', 'cannot start: a container needs a root volume, and none is ordered')
  }
  for (const [index, id] of instance.volumes.entries()) {
    const verdict = about.volumes.get(id)
    if (verdict === undefined) {
      return failed('no-volume', `cannot start: its volume ${id} is not in the order`)
    }
    if (verdict.volume.desired === 'absent') {
      const message = `cannot start: its volume ${verdict.volume.name} is ordered to be removed`
      return failed('no-volume', message)
    }
    const isTree = verdict.volume.format === 'tree'
    if (isTree !== (instance.type === 'container' && index === 0)) {
      const { name, format } = verdict.volume
      const unfit = `a ${instance.type} cannot use the ${format} volume ${name} there`
      return failed('wrong-format', `cannot start: ${unfit}`)
    }
    const user = about.users.get(id)?.find(each => each.instanceId !== instance.id)
    if (user !== undefined) {
      return starting('volume-in-use', `waits for ${user.name} to let go of ${verdict.volume.name}`)
    }
    if (!verdict.usable) return volumeStanding(verdict)
  }
  return undefined
}

const volumeStanding = ({ phase, message }: VolumeVerdict): Standing =>
  phase === 'failed'
    ? failed('no-volume', `cannot start: ${message}`)
    : starting('no-volume', message)

function lacksNetwork(instance: OrderInstance, about: Surroundings): Standing | undefined {
  for (const port of instance.ports) {
    const verdict = about.networks.get(port.networkId)
    if (verdict === undefined) {
      const message = `cannot start: its network ${port.networkId} is not in the order`
      return failed('no-network', message)
    }
    if (verdict.phase === 'failed') {
      return failed(
        'no-network',
        `cannot start: network ${verdict.network.name}: ${verdict.message}`
      )
    }
    if (verdict.phase === 'opening') return starting('no-network', verdict.message)
  }
  return undefined
}

function lacksDevice({ id }: OrderInstance, { indexes }: Surroundings): Standing | undefined {
  const allotment = indexes.allotments.get(id)
  if (!allotment || !('lacking' in allotment)) return undefined
  return failed('no-device', `cannot start: ${allotment.lacking}`)
}

function lacksCell({ id }: OrderInstance, { indexes }: Surroundings): Standing | undefined {
  const allotment = indexes.cells.get(id)
  if (!allotment || !('lacking' in allotment)) return undefined
  return failed('no-cell', `cannot start: ${allotment.lacking}`)
}

// A deleted instance of the same name may still be shutting down; or this one, as another type.
function waitsForName(instance: OrderInstance, { indexes }: Surroundings): Standing | undefined {
  const bearers = [
    indexes.names.get(indexKey(driverOf(instance), domainName(instance))),
    ...drivers.map(driver => indexes.own.get(indexKey(driver, instance.id)))
  ]
  if (!bearers.some(own => own !== undefined && isAlive(own.domain))) return undefined
  return starting('name-taken', `waits for an earlier ${nameOf(instance)} to end`)
}

/** Whoever ran here goes on: neither a crash nor a restart puts it behind others again. */
function waitsForOthers(
  instance: OrderInstance,
  { situation }: Surroundings
): Standing | undefined {
  if (!instance.hold || situation.memory.instances.get(instance.id)?.goesOn) return undefined
  const message = 'waits for those before it to be ready; the controller says when they are'
  return { power: 'waiting', reason: 'others-not-ready', message }
}

function waitsForRestart(
  instance: OrderInstance,
  { situation }: Surroundings
): Standing | undefined {
  const last = situation.memory.instances.get(instance.id)
  if (last === undefined) return undefined
  const { history, missingSince } = last
  const state = history.now
  if (state.state === 'running' && missingSince !== undefined) {
    const lookAgainAt = missingSince + lastWordsMsMax
    const message = 'has just ended; waits for libvirt to say how'
    return { ...starting('ended', message), lookAgainAt }
  }
  if (state.state === 'done') {
    const message = doneSentence(state.ending, instance.restart)
    return { power: 'stopped', reason: 'ended', message, settled: true }
  }
  if (state.state !== 'waiting' || state.until <= situation.now.monotonic) return undefined
  const message = waitSentence(history, state.waitMs, {
    now: situation.now.monotonic,
    windowMs: instance.restart.resetMs
  })
  return { power: 'waiting', reason: 'restart-wait', message, lookAgainAt: state.until }
}

function start(instance: OrderInstance, about: Surroundings): Standing {
  const isMachine = instance.type === 'vm'
  const { order } = about.situation
  const step: Step = {
    type: 'create-domain',
    plan: planOf(instance, about),
    seed: seedOf(instance, about),
    tree: isMachine ? undefined : about.volumes.get(instance.volumes[0]!)?.stored,
    orderedBy: { epoch: order.epoch, generation: order.generation },
    because: whyStart(instance, about)
  }
  const wish = wishFor(step, about.situation)
  const failure = failureOf(wish, about.situation.now)
  if (failure === undefined) return { ...starting('starting', 'is being started'), wish }
  const { code } = (wish.state === 'later' && wish.retry) || {}
  if (code === 'locked') {
    const why = 'it may run elsewhere, so it is not started by force'
    return { ...starting('volume-locked', `a volume of it is locked: ${why}; ${failure}`), wish }
  }
  const refused = code !== undefined && code !== 'storage'
  return { ...failed(refused ? 'hypervisor-refused' : 'no-seed', failure), wish }
}

function whyStart(instance: OrderInstance, { situation }: Surroundings): string {
  const history = situation.memory.instances.get(instance.id)?.history
  return history?.now.state === 'waiting'
    ? `it has ended, and its restart policy is ${instance.restart.policy}`
    : 'it is wished to run and does not'
}

/** The files that a start hands over to cloud-init, and what the host is called in them. */
export function seedOf(
  instance: OrderInstance,
  { situation, indexes }: Surroundings,
  hostname = situation.host.hostname
): Readonly<Record<string, string>> {
  const files = seedFiles(instance, {
    hostname,
    home: homeOf(situation.order, instance),
    mtuOf: id => indexes.mtus.get(id) ?? mtuElse
  })
  if (instance.type === 'vm') return { ...files }
  const inTree = Object.entries(files).map(([name, text]) => [`${seedFolder}/${name}`, text])
  return Object.fromEntries(inTree)
}

function planOf(instance: OrderInstance, about: Surroundings): DomainPlan {
  const { order, host, memory } = about.situation
  const { abilities } = host
  const { formats, mtus, sharedPools, allotments, cells } = about.indexes
  const allotment = allotments.get(instance.id)
  const cell = cells.get(instance.id)
  return {
    cloud: order.cloud,
    instance,
    driver: driverOf(instance),
    acceleration: accelerationOf(instance, host.kvm),
    emulator: instance.type === 'vm' ? abilities?.emulator : undefined,
    machine: machineOf(abilities),
    ...(host.architecture !== undefined && { architecture: host.architecture }),
    volumes: instance.volumes.map(id => {
      const { stored, volume } = about.volumes.get(id)!
      return {
        id,
        path: stored!.path,
        format: volume.format,
        shared: sharedPools.has(volume.pool)
      }
    }),
    ports: instance.ports.map(port => ({ ...port, mtu: mtus.get(port.networkId) ?? mtuElse })),
    ...(allotment && 'devices' in allotment && { devices: allotment.devices }),
    ...(cell && 'cell' in cell && { cell: cell.cell }),
    consoleLog: `${host.consoleFolder}/${instance.id}.log`,
    hardware: hardwareOf(instance, formats),
    startCount: (memory.instances.get(instance.id)?.history.startCount ?? 0) + 1
  }
}

const machineOf = (abilities: HypervisorAbilities | undefined): string =>
  abilities?.machine ?? 'q35'

const accelerationOf = (instance: OrderInstance, kvm: boolean): Acceleration =>
  instance.type === 'container' ? 'none' : kvm ? 'kvm' : 'tcg'
