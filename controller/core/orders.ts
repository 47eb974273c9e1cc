import { formatIpv4 } from '#shared/cidr.ts'
import type { Host } from '#shared/model/host.ts'
import type { Image } from '#shared/model/image.ts'
import type { Instance, InstanceMove } from '#shared/model/instance.ts'
import type { Network, Port } from '#shared/model/network.ts'
import type { Volume } from '#shared/model/volume.ts'
import type {
  Order,
  OrderImage,
  OrderInstance,
  OrderNetwork,
  OrderVolume
} from '#shared/wire/order.ts'
import { rangeOf } from './addresses.ts'
import { heldMib } from './overhead.ts'
import { roomHostOf } from './preemption.ts'
import { orderedLimit } from './self-fence.ts'
import { isHeld } from './start-order.ts'
import { startsMaxOf } from './starts-max.ts'
import { defaultTenant, subjectOf } from './subject.ts'
import type { Moment, View } from './view.ts'

/** What an order carries besides the view. */
export type OrderContext = {
  readonly epoch: number
  /** Where the agents fetch an image's content. */
  readonly imageUrl: (image: Image) => string
  /** Left out: nobody waits for others. */
  readonly now?: Moment
}

/** Works out everything that one host should hold. */
export function orderFor(view: View, host: Host, context: OrderContext): Order {
  const instances = held(view, 'instance', view.indexes.of('host-instances', host.name))
  const arrivals = held(view, 'instance', view.indexes.of('host-arrivals', host.name))
  const volumes = held(view, 'volume', view.indexes.of('host-volumes', host.name))
  const coming = new Set(arrivals.flatMap(instance => instance.decided.volumes))
  for (const { id } of volumes) coming.delete(id)
  const limitMs = orderedLimit(host)
  const wanted = [...instances, ...arrivals].filter(instance => !instance.decided.deletedAt)
  const images = new Set(volumes.flatMap(volume => volume.decided.imageId ?? []))
  const networks = new Set(
    wanted.flatMap(instance =>
      instance.decided.ports.flatMap(id => view.get('port', id)?.decided.networkId ?? [])
    )
  )
  return {
    type: 'order',
    cloud: view.cloud?.id ?? '',
    epoch: context.epoch,
    generation: view.indexes.hostGeneration(host.name),
    host: host.decided.uuid,
    ...bootOf(view, host),
    images: held(view, 'image', images).flatMap(image => imageOrder(image, context)),
    pools: [...view.all('pool').values()].map(({ name, spec }) => ({ name, ...spec })),
    volumes: [
      ...volumes.map(volumeOrder),
      ...held(view, 'volume', coming).map(volume => ({ ...volumeOrder(volume), elsewhere: true }))
    ],
    networks: held(view, 'network', networks).map(network => networkOrder(view, network)),
    instances: wanted.map(instance => {
      const { moving } = instance.decided
      const waits = instance.decided.roomFrom && roomHostOf(view, instance) === host.name
      const held = waits || (context.now && isHeld(view, instance, context.now))
      const order = { ...instanceOrder(view, instance), ...(held && { hold: true }) }
      return moving ? { ...order, ...wayOf(view, instance, { moving, host }) } : order
    }),
    startsMax: startsMaxOf(view, host),
    ...(wanted.some(({ decided }) => decided.numaFit) && { cellTerms: cellTermsOf(host) }),
    ...rebootOf(host),
    ...(limitMs !== undefined && { selfFence: { limitMs } }),
    noticesKept: noticesKept(view, host)
  }
}

const cellTermsOf = ({ spec: { reservedMib, vcpusPerThread } }: Host) => ({
  reservedMib,
  vcpusPerThread
})

/** What was ordered before a host was lost must not be taken on by the one that comes back. */
function bootOf(view: View, { name }: Host): Pick<Order, 'boot'> {
  const boot = view.heard(name).report?.bootId
  return boot === undefined ? {} : { boot }
}

/** A host that is used again meanwhile is not to boot any more. */
function rebootOf({ decided: { duty } }: Host): Pick<Order, 'reboot'> {
  const isOut = duty?.state === 'maintenance' && duty.reboot
  return isOut ? { reboot: isOut.bootId } : {}
}

/** Notices of the agent's present run that are in the journal. */
function noticesKept(view: View, host: Host): number {
  const kept = view.noticesKept(host.name)
  return kept && kept.run === view.heard(host.name).report?.agentRun ? kept.number : 0
}

const held = <K extends 'instance' | 'volume' | 'image' | 'network'>(
  view: View,
  kind: K,
  ids: Iterable<string>
) => [...ids].sort().flatMap(id => view.get(kind, id) ?? [])

function imageOrder(image: Image, context: OrderContext): readonly OrderImage[] {
  const { content } = image.decided
  if (!content) return []
  const { sha256, sizeBytes } = content
  const { id, name, spec } = image
  return [{ id, name, format: spec.format, sha256, sizeBytes, url: context.imageUrl(image) }]
}

/** Resources are never altered: what one is ordered as is worked out once for each. */
const volumeOrders = new WeakMap<Volume, OrderVolume>()

function volumeOrder(volume: Volume): OrderVolume {
  const known = volumeOrders.get(volume)
  if (known) return known
  const made = makeVolumeOrder(volume)
  volumeOrders.set(volume, made)
  return made
}

const makeVolumeOrder = ({ id, name, spec, decided }: Volume): OrderVolume => ({
  id,
  name,
  pool: spec.pool,
  format: spec.format,
  sizeMib: spec.sizeMib,
  ...(decided.imageId !== undefined && { imageId: decided.imageId }),
  ...(decided.isUsed && { isUsed: true }),
  desired: decided.deletedAt ? 'absent' : 'present'
})

function networkOrder(view: View, network: Network): OrderNetwork {
  const { mtu, nat, uplink } = network.spec
  const subnets = [...view.indexes.of('network-subnets', subjectOf(network))].sort().flatMap(id => {
    const subnet = view.get('subnet', id)
    const range = subnet && rangeOf(subnet.spec)
    if (!subnet || !range || 'fault' in range) return []
    const { cidr, dns } = subnet.spec
    return [{ cidr, gateway: formatIpv4(range.gateway), dns: [...dns] }]
  })
  return { id: network.id, name: network.name, mtu, nat, ...(uplink && { uplink }), subnets }
}

/** What an order says of an instance on its way: it leaves this host, or comes to it. */
function wayOf(
  view: View,
  instance: Instance,
  { moving, host }: { readonly moving: InstanceMove; readonly host: Host }
): Pick<OrderInstance, 'leaving' | 'arriving'> {
  const { id: move, step, to, live, phase, door, pace, lost } = moving
  if (to !== host.name) {
    const go = phase === 'sending'
    const crossing = phase === 'crossing'
    const way = {
      ...(pace && { pace }),
      ...((go || crossing) && door && { door }),
      ...(crossing && { crossing }),
      ...(phase === 'withdrawing' && lost === true && { lost })
    }
    return { leaving: { move, step, to, live, go, ...way } }
  }
  const from = instance.decided.host ?? ''
  const fromHostname = view.heard(from).report?.hostname ?? from
  return { arriving: { move, step, from, fromHostname, live, over: phase === 'asking' } }
}

const instanceOrders = new WeakMap<
  Instance,
  { readonly ports: readonly Port[]; readonly order: OrderInstance }
>()

function instanceOrder(view: View, instance: Instance): OrderInstance {
  const ports = instance.decided.ports.flatMap(id => view.get('port', id) ?? [])
  const known = instanceOrders.get(instance)
  const isSame =
    ports.length === known?.ports.length && ports.every((p, at) => p === known.ports[at])
  if (known && isSame) return known.order
  const order = makeInstanceOrder(instance, ports)
  instanceOrders.set(instance, { ports, order })
  return order
}

function makeInstanceOrder(instance: Instance, plugs: readonly Port[]): OrderInstance {
  const { id, name, spec, decided, generation } = instance
  const ports = plugs.map(port => {
    const { networkId, mac, address } = port.decided
    return { id: port.id, networkId, mac, address }
  })
  return {
    id,
    name,
    tenant: instance.tenant ?? defaultTenant,
    type: spec.type,
    generation,
    vcpus: decided.vcpus,
    memoryMib: decided.memoryMib,
    volumes: decided.volumes,
    ports,
    ...(spec.userData !== undefined && { userData: spec.userData }),
    sshKeys: spec.sshKeys,
    cpuBaseline: spec.cpuBaseline,
    ...(spec.cpuFeatures?.length && { cpuFeatures: spec.cpuFeatures }),
    ...(decided.hugePages && { hugePages: decided.hugePages }),
    ...(decided.devices && { devices: decided.devices }),
    ...(decided.numaFit && { fit: { memoryMib: heldMib(decided) } }),
    desiredPower: decided.preempted ? 'stopped' : spec.desiredPower,
    stopGraceMs: spec.stopGraceMs,
    ...(decided.forced && { pullPlug: true }),
    priority: spec.priority,
    ...(spec.readiness && { readiness: spec.readiness }),
    ...(decided.phonedHome !== undefined && { phonedHome: decided.phonedHome }),
    restart: spec.restart,
    restarts: spec.restarts
  }
}
