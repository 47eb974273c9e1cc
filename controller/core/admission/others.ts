/** Admission of the kinds that are little more than their spec. */
import { overlaps, parseCidr } from '#shared/cidr.ts'
import { type Host, HostSpec } from '#shared/model/host.ts'
import type { Resource, ResourceOf } from '#shared/model/index.ts'
import type { Network, Subnet } from '#shared/model/network.ts'
import { rangeOf } from '../addresses.ts'
import { isRefusal, type Refusal, refuse } from '../refusal.ts'
import { defaultTenant, subjectOf } from '../subject.ts'
import type { View } from '../view.ts'
import {
  admitted,
  born,
  type Context,
  nameClash,
  reference,
  unchanged,
  type Verdict
} from './context.ts'
import { same } from './instance-change.ts'
import { lockFault, treeFault } from './locks.ts'

/** The kinds that this file creates. */
export type PlainKind = 'tenant' | 'size' | 'pool' | 'network' | 'subnet' | 'image' | 'volume'

/** The spec has passed its schema and carries its defaults; the tenant is `default` if unsaid. */
export type PlainWish<K extends PlainKind> = {
  readonly kind: K
  readonly name: string
  readonly tenant?: string
  readonly labels?: Readonly<Record<string, string>>
  readonly spec: ResourceOf[K]['spec']
}

/** Judges a wish for a new tenant, size, pool, network, subnet, image or volume. */
export function createPlain<K extends PlainKind>(
  view: View,
  wish: PlainWish<K>,
  context: Context
): Verdict {
  const clash = nameClash(view, wish.kind, wish)
  if (clash) return clash
  const decided = decidedFor(view, wish)
  if (isRefusal(decided)) return decided
  const start = born(context, wish.kind, wish)
  const resource = { ...start, spec: wish.spec, decided } as unknown as Resource
  return admitted(context, resource, { verb: 'created', because: storyOf(resource) })
}

/** Fields of each kind that may change later; all others are fixed. */
const changeable: { readonly [K in PlainKind | 'host']: readonly string[] } = {
  tenant: ['description', 'preemption', 'quota'],
  size: ['vcpus', 'memoryMib'],
  pool: [],
  network: ['mtu', 'nat', 'shared', 'uplink'],
  subnet: ['dns', 'first', 'last'],
  image: ['shared', 'source', 'sha256', 'minMemoryMib'],
  volume: ['sizeMib'],
  // A host is not made by a wish: all that can be wished of it is wished later.
  host: Object.keys(HostSpec.properties)
}

/** Judges a changed wish for a resource of these kinds that is there. */
export function changePlain(
  wish: {
    readonly resource: ResourceOf[PlainKind | 'host']
    readonly labels: Readonly<Record<string, string>>
    readonly spec: object
  },
  context: Context
): Verdict {
  const { resource, labels } = wish
  const [before, spec] = [resource.spec as Fields, wish.spec as Fields]
  if (same(spec, before) && same(labels, resource.labels)) return unchanged(resource)
  const keys = new Set([...Object.keys(before), ...Object.keys(spec)])
  const changed = [...keys].filter(key => !same(before[key], spec[key])).sort()
  const wrong = changed.find(key => !changeable[resource.kind].includes(key))
  if (wrong !== undefined) {
    const may = changeable[resource.kind]
    return refuse('invalid', `cannot change ${wrong} of ${resource.kind} ${resource.name}`, {
      pointer: `/spec/${wrong}`,
      reasons: [
        `it is ${JSON.stringify(before[wrong])} since it was made`,
        may.length === 0 ? 'nothing of it can change' : `what can change: ${may.join(', ')}`
      ],
      next: [`create another ${resource.kind}`]
    })
  }
  const fault = faultOfChange(resource, spec)
  if (fault) return fault
  const after = {
    ...resource,
    labels,
    spec,
    generation: resource.generation + (changed.length > 0 ? 1 : 0)
  } as unknown as Resource
  const parts = changed.map(key => `${key} ${text(before[key])} → ${text(spec[key])}`)
  const because = `asked for: ${parts.length === 0 ? 'labels' : parts.join(', ')}`
  return admitted(context, after, { verb: 'changed', because })
}

type Fields = Readonly<Record<string, unknown>>
const text = (value: unknown): string => (value === undefined ? 'unset' : JSON.stringify(value))

/**
 * Who comes after a level whose word was contradicted is asked next, by its number: with another
 * one before it the device that lied would be asked again, and believed.
 */
function faultOfLevels({ name, decided, spec: before }: Host, spec: Fields): Refusal | undefined {
  const { level = 0 } = decided.recovery?.contradicted ?? {}
  const after = (spec['fence'] ?? []) as NonNullable<Host['spec']['fence']>
  const upTo = (levels: Host['spec']['fence']): string => JSON.stringify(levels?.slice(0, level))
  if (level === 0 || upTo(before.fence) === upTo(after)) return undefined
  const count = before.fence?.length ?? 0
  return refuse('conflict', `cannot change levels 1 to ${level} of the fence of host ${name} now`, {
    pointer: '/spec/fence',
    reasons: [
      `it is being fenced, and what level ${level} said was contradicted: those after it are asked`
    ],
    next: [
      `remuda host fence set ${name} --level ${count + 1} --help`,
      `cut its power by hand, then: remuda host confirm-off ${name}`
    ]
  })
}

function faultOfChange(
  resource: ResourceOf[PlainKind | 'host'],
  spec: Fields
): Refusal | undefined {
  if (resource.kind === 'volume' && Number(spec['sizeMib']) < resource.spec.sizeMib) {
    return refuse('invalid', `cannot make volume ${resource.name} smaller`, {
      pointer: '/spec/sizeMib',
      reasons: [`it has ${resource.spec.sizeMib} MiB, ${spec['sizeMib']} MiB are asked for`],
      next: [`ask for ${resource.spec.sizeMib} MiB or more`]
    })
  }
  if (resource.kind === 'image' && resource.decided.content && 'sha256' in spec) {
    if (spec['sha256'] !== resource.decided.content.sha256) {
      return refuse('conflict', `image ${resource.name} has its content already`, {
        pointer: '/spec/sha256',
        reasons: [`its SHA-256 is ${resource.decided.content.sha256}`],
        next: ['import the other content under another name']
      })
    }
  }
  if (resource.kind === 'host') return faultOfLevels(resource, spec)
  if (resource.kind === 'subnet') {
    const range = rangeOf(spec as Subnet['spec'])
    if ('fault' in range) return refuse('invalid', range.fault, { pointer: '/spec' })
  }
  return undefined
}

function decidedFor<K extends PlainKind>(view: View, wish: PlainWish<K>): object | Refusal {
  if (wish.kind === 'subnet') return subnetDecided(view, wish as unknown as PlainWish<'subnet'>)
  if (wish.kind === 'volume') return volumeDecided(view, wish as unknown as PlainWish<'volume'>)
  return wish.kind === 'pool' ? poolDecided(view, wish as unknown as PlainWish<'pool'>) : {}
}

/** Every order names every pool, and the subnets of its networks: more would make it unreadable. */
const poolsMax = 256
const subnetsMax = 16

function poolDecided(view: View, { name, spec }: PlainWish<'pool'>): object | Refusal {
  const wrong = lockFault(name, spec)
  if (wrong) return wrong
  const { size } = view.all('pool')
  if (size < poolsMax) return {}
  return refuse('conflict', `cannot create pool ${name}: there are ${size} pools already`, {
    reasons: [`at most ${poolsMax} are told to each host`],
    next: ['delete one that holds no volume: remuda pool list']
  })
}

function subnetDecided(view: View, wish: PlainWish<'subnet'>): object | Refusal {
  const range = rangeOf(wish.spec)
  if ('fault' in range) {
    return refuse('invalid', `cannot create subnet ${wish.name}: ${range.fault}`, {
      pointer: '/spec/cidr',
      next: ['write for example 10.66.0.0/24']
    })
  }
  const tenant = wish.tenant ?? defaultTenant
  const pointer = '/spec/network'
  const network = reference(view, 'network', { name: wish.spec.network, tenant, pointer })
  if (isRefusal(network)) return network
  const inTheWay = networkFault(view, wish.name, tenant, network.found)
  if (inTheWay) return inTheWay
  for (const other of view.all('subnet').values()) {
    const cidr = parseCidr(other.spec.cidr)
    if (!cidr || !overlaps(cidr, range.cidr)) continue
    return refuse('conflict', `cannot create subnet ${wish.name}: its range overlaps another`, {
      pointer: '/spec/cidr',
      reasons: [`subnet ${other.name} has ${other.spec.cidr}, ${wish.spec.cidr} is asked for`],
      next: ['choose another range', 'remuda subnet list --tenant "*"']
    })
  }
  return {}
}

/** A network that another tenant shares can be plugged into, but its addresses are its owner's. */
function networkFault(
  view: View,
  name: string,
  tenant: string,
  network: Network
): Refusal | undefined {
  const pointer = '/spec/network'
  if (network.tenant !== tenant) {
    return refuse('conflict', `cannot create subnet ${name}: its network is another tenant's`, {
      pointer,
      reasons: [`network ${network.name} is shared by tenant ${network.tenant}`],
      next: [
        `remuda subnet create ${name} --tenant ${network.tenant}`,
        'create a network of your own'
      ]
    })
  }
  const { size } = view.indexes.of('network-subnets', subjectOf(network))
  if (size < subnetsMax) return undefined
  return refuse('conflict', `cannot create subnet ${name}: network ${network.name} has enough`, {
    pointer,
    reasons: [`it has ${size} subnets, at most ${subnetsMax} are told to each host`],
    next: [`delete one that nobody uses: remuda subnet list --tenant ${tenant}`]
  })
}

function volumeDecided(view: View, wish: PlainWish<'volume'>): object | Refusal {
  const pool = reference(view, 'pool', { name: wish.spec.pool, pointer: '/spec/pool' })
  if (isRefusal(pool)) return pool
  if (wish.spec.format === 'tree' && pool.found.spec.locks === 'virtlockd') {
    return treeFault(wish.name, pool.found)
  }
  if (wish.spec.image === undefined) return {}
  const { name, tenant } = { name: wish.spec.image, tenant: wish.tenant ?? defaultTenant }
  const image = reference(view, 'image', { name, tenant, pointer: '/spec/image' })
  if (isRefusal(image)) return image
  const { content } = image.found.decided
  const tree = image.found.spec.format === 'tar'
  if (tree !== (wish.spec.format === 'tree')) {
    return refuse('invalid', `a ${wish.spec.format} volume cannot be made from image ${name}`, {
      pointer: '/spec/format',
      reasons: [`the image is a ${image.found.spec.format}; a tar becomes a tree, disks do not`]
    })
  }
  if (!content) {
    return refuse('conflict', `image ${name} has no content yet`, {
      pointer: '/spec/image',
      next: [`remuda image show ${name}`]
    })
  }
  if (wish.spec.sizeMib < content.virtualMib) {
    return refuse('invalid', `cannot create volume ${wish.name}: it would be too small`, {
      pointer: '/spec/sizeMib',
      reasons: [
        `image ${name} needs ${content.virtualMib} MiB, ${wish.spec.sizeMib} are asked for`
      ],
      next: [`ask for ${content.virtualMib} MiB or more`]
    })
  }
  return { imageId: image.found.id }
}

const storyOf = (resource: Resource): string => {
  const parts = Object.entries(resource.spec)
    .filter(([, value]) => value !== undefined && value !== '' && !Array.isArray(value))
    .map(([key, value]) => `${key} ${String(value)}`)
  return `asked for: ${parts.length === 0 ? 'nothing special' : parts.join(', ')}`
}
