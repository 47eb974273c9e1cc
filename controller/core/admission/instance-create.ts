import type { Image } from '#shared/model/image.ts'
import { kinds, type Resource } from '#shared/model/index.ts'
import type { Instance, InstanceDecided, InstanceSpec } from '#shared/model/instance.ts'
import type { Port } from '#shared/model/network.ts'
import type { Volume } from '#shared/model/volume.ts'
import type { Change } from '../commit.ts'
import { fitName } from '../fit-name.ts'
import { overheadIn } from '../overhead.ts'
import { isRefusal, type Refusal, refuse } from '../refusal.ts'
import { devicesWished, hugePageMib } from '../scarce.ts'
import { defaultTenant, subjectOf } from '../subject.ts'
import type { View } from '../view.ts'
import { architectureOf } from './architecture.ts'
import { refuseColdStart } from './cold-start.ts'
import { born, type Context, decision, nameClash, reference, type Verdict } from './context.ts'
import { refuseTooLittle } from './image-memory.ts'
import { placeInstance } from './instance-place.ts'
import { treeFault } from './locks.ts'
import { refuseUnkept } from './placing-change.ts'
import { portsFor } from './ports.ts'
import { refuseStartOrder } from './start-order.ts'

/** The spec has passed its schema and carries its defaults; the tenant is `default` if unsaid. */
export type InstanceWish = {
  readonly name: string
  readonly tenant?: string
  readonly labels?: Readonly<Record<string, string>>
  readonly spec: InstanceSpec
}

/** The size that an instance has which says neither size nor memory. */
export const sizeWhenUnsaid = 'small'

/** Judges the wish for a new instance: its volumes, ports, addresses and host in one commit. */
export function createInstance(view: View, wish: InstanceWish, context: Context): Verdict {
  const tenant = wish.tenant ?? defaultTenant
  const clash = nameClash(view, 'instance', wish)
  if (clash) return clash
  const alone = refuseColdStart(view, wish)
  if (alone) return alone
  const order = refuseStartOrder(view, wish)
  if (order) return order
  const shape = shapedOf(view, wish.spec)
  if (isRefusal(shape)) return shape
  const born_ = born(context, 'instance', wish)
  const volumes = volumesFor(view, { ...wish, tenant, id: born_.id }, context)
  if (isRefusal(volumes)) return volumes
  const { memoryMib } = shape
  const tooLittle = refuseTooLittle(view, { name: wish.name, memoryMib, root: volumes.all[0] })
  if (tooLittle) return tooLittle
  const built = architectureOf(view, { ...wish, root: volumes.all[0] })
  if (isRefusal(built)) return built
  const ports = portsFor(view, { ...wish, tenant, id: born_.id }, context)
  if (isRefusal(ports)) return ports

  const unplaced: Instance = {
    ...born_,
    kind: 'instance',
    spec: wish.spec,
    decided: {
      ...shape,
      ...built,
      volumes: volumes.all.map(volume => volume.id),
      ports: ports.map(port => port.id)
    }
  }
  const unkept = refuseUnkept(view, unplaced)
  if (unkept) return unkept
  const wanted = { instance: unplaced, volumes: volumes.all }
  const changesOn = (host: string | undefined): readonly Change[] =>
    [on(unplaced, host), ...madeOn(view, volumes.all, host), ...ports].map(
      (resource: Resource): Change => ({ op: 'put', resource })
    )
  const placement = placeInstance(view, wanted, context.now, { changesOn })
  if (isRefusal(placement)) return placement
  const host = placement.chosen?.name
  const instance = on(unplaced, host)
  return {
    commit: {
      changes: changesOn(host),
      decisions: [
        decision(context, 'created', storyOf(instance, ports, volumes.made), subjectOf(instance)),
        placedDecision(context, instance, placement.because)
      ]
    },
    resource: instance,
    placement
  }
}

const on = (instance: Instance, host: string | undefined): Instance =>
  host === undefined ? instance : { ...instance, decided: { ...instance.decided, host } }

const madeOn = (view: View, volumes: readonly Volume[], host: string | undefined) =>
  volumes
    .map(volume => onHost(volume, host))
    .filter(volume => view.get('volume', volume.id) !== volume)

/**
 * A volume belongs to the host that makes it, also where its pool is shared: it is in the order of
 * one host, so that never two work on it.
 */
export const onHost = (volume: Volume, host: string | undefined): Volume =>
  host === undefined || volume.decided.host === host
    ? volume
    : { ...volume, decided: { ...volume.decided, host } }

/** The decision that tells where an instance was placed, or that it waits for a host. */
export const placedDecision = (context: Context, instance: Instance, because: string) =>
  instance.decided.host === undefined
    ? decision(context, 'not-placed', `waits for a host: ${because}`, subjectOf(instance))
    : decision(
        context,
        'placed',
        `placed on ${instance.decided.host}: ${because}`,
        subjectOf(instance)
      )

const storyOf = (instance: Instance, ports: readonly Port[], made: readonly Volume[]): string => {
  const { vcpus, memoryMib } = instance.decided
  const shape = `${instance.spec.type}, ${vcpus} vcpu${vcpus === 1 ? '' : 's'}, ${memoryMib} MiB`
  const image = instance.spec.image === undefined ? '' : `, image ${instance.spec.image}`
  const volume = made.map(one => `, volume ${one.name} of ${one.spec.sizeMib} MiB`).join('')
  const address = ports.map(port => `, address ${port.decided.address}`).join('')
  return `asked for: ${shape}${image}${volume}${address}`
}

/** Processors and memory: the spec's own, else those of its size. */
export function shapeOf(
  view: View,
  spec: InstanceSpec
): { readonly vcpus: number; readonly memoryMib: number } | Refusal {
  const { size, vcpus, memoryMib } = spec
  if (size === undefined && memoryMib !== undefined) return { vcpus: vcpus ?? 1, memoryMib }
  const named = reference(view, 'size', { name: size ?? sizeWhenUnsaid, pointer: '/spec/size' })
  if (isRefusal(named)) {
    if (size !== undefined) return named
    return refuse('invalid', 'the instance says neither its memory nor a size', {
      pointer: '/spec/memoryMib',
      next: ['give --memory 512MiB, or --size NAME from: remuda size list']
    })
  }
  return {
    vcpus: vcpus ?? named.found.spec.vcpus,
    memoryMib: memoryMib ?? named.found.spec.memoryMib
  }
}

/** The same, with what its host needs for it beside its memory. */
export function shapedOf(
  view: View,
  spec: InstanceSpec
):
  | (Exclude<ReturnType<typeof shapeOf>, Refusal> &
      Pick<InstanceDecided, 'overheadMib' | 'hugePages' | 'devices' | 'numaFit'>)
  | Refusal {
  const shape = shapeOf(view, spec)
  if (isRefusal(shape)) return shape
  const { hugePages } = spec
  const refused = hugePages && refuseHuge(spec.type, { hugePages, memoryMib: shape.memoryMib })
  if (refused) return refused
  const overheadMib = overheadIn(view, spec.type, shape)
  const numaFit = spec.numa === 'fit'
  if (numaFit && (spec.type === 'container' || hugePages)) {
    const what = hugePages ? 'memory in huge pages' : 'a container'
    return refuse('invalid', `cannot fit ${what} into one NUMA cell`, { pointer: '/spec/numa' })
  }
  const devices = devicesWished(spec.devices)
  if (devices && spec.type === 'container') {
    return refuse('invalid', 'a container cannot have devices of its host for itself', {
      pointer: '/spec/devices'
    })
  }
  const many = devices?.find(({ count }) => count > devicesOfKindMax)
  if (many) {
    return refuse('invalid', `cannot give a VM ${many.count} ${many.kind}`, {
      pointer: '/spec/devices',
      reasons: [`at most ${devicesOfKindMax} of a sort can be given`]
    })
  }
  return {
    ...{ ...shape, overheadMib },
    ...(hugePages && { hugePages }),
    ...(devices && { devices }),
    ...(numaFit && { numaFit })
  }
}

/** As the schema says of each entry; an order with more is refused by its host, all of it. */
const devicesOfKindMax = 64

function refuseHuge(
  type: InstanceSpec['type'],
  { hugePages, memoryMib }: { readonly hugePages: '2M' | '1G'; readonly memoryMib: number }
): Refusal | undefined {
  const pointer = '/spec/hugePages'
  if (type === 'container') {
    return refuse('invalid', 'a container cannot have its memory in huge pages', { pointer })
  }
  const page = hugePageMib[hugePages]
  if (memoryMib % page === 0) return undefined
  const whole = Math.ceil(memoryMib / page) * page
  return refuse('invalid', `cannot make ${memoryMib} MiB of whole pages of ${hugePages}`, {
    pointer,
    next: [`give --memory ${whole}MiB`]
  })
}

type Owner = InstanceWish & { readonly tenant: string; readonly id: string }

function volumesFor(
  view: View,
  wish: Owner,
  context: Context
): { readonly all: readonly Volume[]; readonly made: readonly Volume[] } | Refusal {
  const made: Volume[] = []
  if (wish.spec.image !== undefined) {
    const root = rootVolume(view, wish, context)
    if (isRefusal(root)) return root
    made.push(root)
  } else if (wish.spec.volumes.length === 0) {
    return refuse('invalid', `cannot create instance ${wish.name}: it has nothing to start from`, {
      pointer: '/spec/image',
      reasons: ['it names neither an image nor a volume'],
      next: ['give --image NAME from: remuda image list', 'or --volume NAME']
    })
  }
  const attached = attachedVolumes(view, wish)
  if (isRefusal(attached)) return attached
  return { all: [...made, ...attached.volumes], made }
}

/** The volumes that the spec names, each there and free. */
export function attachedVolumes(
  view: View,
  wish: {
    readonly name: string
    readonly tenant: string
    readonly id: string
    readonly spec: InstanceSpec
  }
): { readonly volumes: readonly Volume[] } | Refusal {
  const volumes: Volume[] = []
  for (const [index, name] of wish.spec.volumes.entries()) {
    const pointer = `/spec/volumes/${index}`
    const volume = reference(view, 'volume', { name, tenant: wish.tenant, pointer })
    if (isRefusal(volume)) return volume
    const user = [...view.indexes.of('volume-user', volume.found.id)].find(id => id !== wish.id)
    if (user !== undefined) {
      return refuse('conflict', `volume ${name} is in use`, {
        pointer,
        reasons: [`instance ${view.get('instance', user)?.name} uses it`],
        next: [`remuda volume show ${name}`]
      })
    }
    if (volumes.includes(volume.found)) {
      return refuse('invalid', `volume ${name} is named twice`, { pointer })
    }
    if (volume.found.decided.deletedAt) {
      return refuse('conflict', `volume ${name} is being deleted`, { pointer })
    }
    const tree = volume.found.spec.format === 'tree'
    if (tree !== (wish.spec.type === 'container')) {
      return refuse('invalid', `a ${wish.spec.type} cannot use volume ${name}`, {
        pointer,
        reasons: [`its format is ${volume.found.spec.format}; trees are for containers`]
      })
    }
    volumes.push(volume.found)
  }
  return { volumes }
}

function rootVolume(view: View, wish: Owner, context: Context): Volume | Refusal {
  const { spec, tenant } = wish
  const name = spec.image as string
  const image = reference(view, 'image', { name, tenant, pointer: '/spec/image' })
  if (isRefusal(image)) return image
  const fault = imageFault(image.found, wish)
  if (fault) return fault
  const pool = reference(view, 'pool', { name: spec.pool, pointer: '/spec/pool' })
  if (isRefusal(pool)) return pool
  const volumeName = fitName(`${wish.name}-root`)
  if (spec.type === 'container' && pool.found.spec.locks === 'virtlockd') {
    return treeFault(volumeName, pool.found)
  }
  const clash = nameClash(view, 'volume', { name: volumeName, tenant })
  if (clash) return clash
  const smallest = image.found.decided.content!.virtualMib
  const sizeMib = spec.rootMib ?? smallest
  if (sizeMib < smallest) {
    return refuse('invalid', `the root volume of ${wish.name} would be too small`, {
      pointer: '/spec/rootMib',
      reasons: [`image ${name} needs ${smallest} MiB, ${sizeMib} MiB are asked for`],
      next: [`leave rootMib out, or ask for ${smallest} MiB or more`]
    })
  }
  return {
    ...born(context, 'volume', { name: volumeName, tenant }),
    kind: 'volume',
    spec: { pool: spec.pool, format: spec.type === 'vm' ? 'qcow2' : 'tree', sizeMib, image: name },
    decided: { imageId: image.found.id, ownerId: wish.id }
  }
}

function imageFault(image: Image, wish: Owner): Refusal | undefined {
  const pointer = '/spec/image'
  if (image.spec.type !== wish.spec.type) {
    return refuse('invalid', `image ${image.name} is for a ${image.spec.type}`, {
      pointer,
      reasons: [`the instance is a ${wish.spec.type}`],
      next: [`remuda ${kinds.image.kind} list --filter spec.type=${wish.spec.type}`]
    })
  }
  if (image.decided.deletedAt) {
    return refuse('conflict', `image ${image.name} is being deleted`, { pointer })
  }
  if (!image.decided.content) {
    return refuse('conflict', `image ${image.name} has no content yet`, {
      pointer,
      reasons: [image.decided.failure ?? `created at ${image.createdAt}, nothing was uploaded`],
      next: [`remuda image show ${image.name}`, `remuda wait image/${image.name}`]
    })
  }
  return undefined
}
