/**
 * Ways to find things in the view without walking it: by name, by host, by what is left to do.
 * They are worked out of the resources alone, so they can be made again at any time; only the
 * view's fold changes them.
 */

import type { Generation } from '#shared/ids.ts'
import type { Host } from '#shared/model/host.ts'
import type { Kind, Resource } from '#shared/model/index.ts'
import type { Instance } from '#shared/model/instance.ts'
import type { Mib } from '#shared/units.ts'
import { Crowds } from './crowds.ts'
import { Groups } from './groups.ts'
import { orderBytesOf } from './order-size.ts'
import { heldMib } from './overhead.ts'
import { noScarce, type Scarce, scarceOf, scarceSum } from './scarce.ts'
import { subjectOf } from './subject.ts'

/** What the instances on a host were promised. */
export type Promised = {
  readonly memoryMib: Mib
  readonly vcpus: number
  readonly count: number
  readonly scarce: Scarce
  /** What they take up of the host's order. */
  readonly orderBytes: number
}

const nothing: Promised = { memoryMib: 0, vcpus: 0, count: 0, scarce: noScarce, orderBytes: 0 }
const emptySet: ReadonlySet<string> = new Set()
const emptyList: readonly string[] = []
const emptyObject: object = {}
/** Kinds whose change may concern every host; an image has its content before it has volumes. */
const cloudWide: ReadonlySet<Kind> = new Set(['network', 'subnet', 'pool'])

/**
 * Changed by the view alone: `leave` before a resource is replaced, `enter` after, `gone` at its
 * end.
 */
export class Indexes {
  readonly #names = new Map<string, string>()
  /** Hosts by their names alone, by which they are asked for at every turn. */
  readonly #hosts = new Map<string, Host>()
  /** By relation and key: one id as it is, several as a set; most keys have one. */
  readonly #related = new Map<Relation, Map<string, string | Set<string>>>()
  readonly #promised = new Map<string, Promised>()
  readonly #shared = new Map<string, unknown>()
  /** Which values are among those: most come back as they were given. */
  readonly #known = new WeakSet<object>()
  readonly #hostGeneration = new Map<string, Generation>()
  #allGeneration: Generation = 0
  #position = 0

  /** How many belong to a tenant, a pool, an image, a network. */
  readonly crowds = new Crowds()
  /** Who is to be apart, or together. */
  readonly groups = new Groups()
  /** How many hosts are dedicated to each tenant that has such. */
  readonly dedicated = new Map<string, number>()
  /** Ids of instances that no host was found for yet. */
  readonly unplaced = new Set<string>()
  /** Keys (kind/id) of what was asked to go and is not gone, with the position of that commit. */
  readonly going = new Map<string, number>()
  /** Ids of instances that come after others. */
  readonly afterOthers = new Set<string>()
  /** Ids of instances on their way from host to host. */
  readonly moving = new Set<string>()
  /** Ids of instances whose runs have failed too often. */
  readonly crashed = new Set<string>()
  /** Ids of instances that are stopped to make room for others. */
  readonly preempted = new Set<string>()
  /** Ids of instances that wait for such room, with the position of the commit that made them. */
  readonly awaitingRoom = new Map<string, number>()
  /** Ids of hosts that are taken for dead, or proven off. */
  readonly lost = new Set<string>()
  /** Ids of hosts that are emptied, out of service, or filled again. */
  readonly onDuty = new Set<string>()
  /** Ids of hosts whose fence devices are tested. */
  readonly fenceTested = new Set<string>()
  /** Hosts whose power is being switched, by id. */
  readonly switched = new Set<string>()
  /** Names of hosts where something fails, as they have said last. */
  readonly failing = new Set<string>()
  /** Names of hosts that may need a new order. */
  readonly touched = new Set<string>()
  /** Names of hosts that have reported since these were last looked at. */
  readonly news = new Set<string>()

  idOf(kind: Kind, name: string, tenant?: string): string | undefined {
    if (kind === 'host' && tenant === undefined) return this.#hosts.get(name)?.id
    return this.#names.get(
      subjectOf(tenant === undefined ? { kind, name } : { kind, name, tenant })
    )
  }

  hostNamed(name: string): Host | undefined {
    return this.#hosts.get(name)
  }

  has(subject: string): boolean {
    return this.#names.has(subject)
  }

  count(): number {
    return this.#names.size
  }

  /** Ids of one kind that belong together: instances of a host, subnets of a network … */
  of(relation: Relation, key: string): ReadonlySet<string> {
    const found = this.#related.get(relation)?.get(key)
    if (found === undefined) return emptySet
    return typeof found === 'string' ? new Set([found]) : found
  }

  promised(host: string): Promised {
    return this.#promised.get(host) ?? nothing
  }

  /** Position that last changed what a host should hold: the generation of its order. */
  hostGeneration(host: string): Generation {
    return Math.max(this.#allGeneration, this.#hostGeneration.get(host) ?? 0)
  }

  at(position: number): void {
    this.#position = position
  }

  /** `fails`: whether the host has said of one of its instances that it fails. */
  reported(host: string, fails: boolean): void {
    this.news.add(host)
    if (fails) this.failing.add(host)
    else this.failing.delete(host)
  }

  touch(host: string): void {
    this.touched.add(host)
  }

  /**
   * Gives a resource that shares its equal parts with others: a hundred thousand instances have
   * a handful of restart policies among them.
   */
  shared<R extends Resource>(resource: R): R {
    const labels = this.#intern(resource.labels)
    if (resource.kind !== 'instance') return { ...resource, labels }
    const { spec } = resource
    const shared = {
      restart: this.#intern(spec.restart),
      ports: this.#intern(spec.ports),
      sshKeys: this.#intern(spec.sshKeys),
      volumes: this.#intern(spec.volumes),
      ...(spec.affinity && { affinity: this.#intern(spec.affinity) })
    }
    return { ...resource, labels, spec: { ...spec, ...shared } }
  }

  #intern<T extends object>(value: T): T {
    if (Array.isArray(value)) {
      if (value.length === 0) return emptyList as unknown as T
    } else if (isEmpty(value)) return emptyObject as T
    if (this.#known.has(value)) return value
    const text = JSON.stringify(value)
    if (text.length > 256) return value
    const known = this.#shared.get(text)
    if (known !== undefined) return known as T
    if (this.#shared.size >= 10_000) this.#shared.clear()
    this.#shared.set(text, value)
    this.#known.add(value)
    return value
  }

  enter(resource: Resource, before: Resource | undefined): void {
    this.#names.set(subjectOf(resource), resource.id)
    if (resource.kind === 'host') this.#hosts.set(resource.name, resource)
    eachRelation(resource, (relation, key) => this.#add(relation, key, resource.id))
    this.crowds.enter(resource)
    if (resource.decided && 'deletedAt' in resource.decided && resource.decided.deletedAt) {
      const key = `${resource.kind}/${resource.id}`
      this.going.set(key, this.going.get(key) ?? this.#position)
    } else if (this.going.size > 0) this.going.delete(`${resource.kind}/${resource.id}`)
    if (resource.kind === 'instance') {
      this.#promise(resource, 1)
      this.groups.enter(resource)
    }
    if (resource.kind === 'host') this.#dedicate(resource, 1)
    if (resource.kind === 'instance' && !resource.decided.host && !resource.decided.deletedAt) {
      this.unplaced.add(resource.id)
    }
    if (resource.kind === 'instance' && resource.decided.moving) this.moving.add(resource.id)
    if (resource.kind === 'instance' && resource.spec.after?.length)
      this.afterOthers.add(resource.id)
    if (resource.kind === 'instance') this.#noteRoom(resource)
    if (resource.kind === 'host') this.#noteState(resource)
    this.#changed(resource)
    if (before) this.#changed(before)
  }

  leave(resource: Resource): void {
    eachRelation(resource, (relation, key) => this.#drop(relation, key, resource.id))
    this.crowds.leave(resource)
    if (resource.kind === 'host') this.#dedicate(resource, -1)
    if (resource.kind === 'instance') {
      this.#promise(resource, -1)
      this.groups.leave(resource)
      this.unplaced.delete(resource.id)
      this.moving.delete(resource.id)
      this.afterOthers.delete(resource.id)
      this.crashed.delete(resource.id)
      this.preempted.delete(resource.id)
    }
    if (resource.kind === 'host') {
      this.lost.delete(resource.id)
      this.onDuty.delete(resource.id)
      this.fenceTested.delete(resource.id)
      this.switched.delete(resource.id)
    }
  }

  #noteState({ id, decided }: Host): void {
    if (decided.recovery) this.lost.add(id)
    if (decided.duty || decided.returning) this.onDuty.add(id)
    if (decided.fenceTest) this.fenceTested.add(id)
    if (decided.power) this.switched.add(id)
  }

  #noteRoom({ id, decided }: Instance): void {
    if (decided.crashes) this.crashed.add(id)
    if (decided.preempted) this.preempted.add(id)
    if (!decided.roomFrom) this.awaitingRoom.delete(id)
    else this.awaitingRoom.set(id, this.awaitingRoom.get(id) ?? this.#position)
  }

  #dedicate({ spec }: Host, sign: 1 | -1): void {
    for (const tenant of spec.dedicated ?? []) {
      const count = (this.dedicated.get(tenant) ?? 0) + sign
      if (count === 0) this.dedicated.delete(tenant)
      else this.dedicated.set(tenant, count)
    }
  }

  /** A resource is removed for good, not replaced. */
  gone(resource: Resource): void {
    this.awaitingRoom.delete(resource.id)
    this.going.delete(`${resource.kind}/${resource.id}`)
    const subject = subjectOf(resource)
    if (this.#names.get(subject) === resource.id) this.#names.delete(subject)
    this.#changed(resource)
    if (resource.kind !== 'host') return
    if (this.#hosts.get(resource.name)?.id === resource.id) this.#hosts.delete(resource.name)
    this.#hostGeneration.delete(resource.name)
    this.#promised.delete(resource.name)
    this.touched.delete(resource.name)
    this.news.delete(resource.name)
    this.failing.delete(resource.name)
  }

  #changed(resource: Resource): void {
    if (cloudWide.has(resource.kind)) {
      this.#allGeneration = this.#position
      for (const host of this.#hostGeneration.keys()) this.touched.add(host)
      return
    }
    for (const host of hostNamesOf(resource)) {
      this.#hostGeneration.set(host, this.#position)
      this.touched.add(host)
    }
  }

  /**
   * A stopped instance is promised nothing: it is counted again when it is started. One on its way
   * has its room on both hosts, and is an instance of the one that it comes from.
   */
  #promise(instance: Instance, sign: 1 | -1): void {
    const { host, moving } = instance.decided
    if (host !== undefined) this.#promiseOn(host, { instance, sign, count: sign })
    if (moving) this.#promiseOn(moving.to, { instance, sign, count: 0 })
  }

  #promiseOn(
    host: string,
    { instance, sign, count }: { instance: Instance; sign: 1 | -1; count: number }
  ): void {
    const before = this.promised(host)
    const isOrdered = !instance.decided.deletedAt
    const counts = countsOn(host, instance)
    this.#promised.set(host, {
      memoryMib: before.memoryMib + (counts ? sign * heldMib(instance.decided) : 0),
      vcpus: before.vcpus + (counts ? sign * instance.decided.vcpus : 0),
      count: before.count + count,
      scarce: counts ? scarceSum(before.scarce, scarceOf(instance.decided), sign) : before.scarce,
      orderBytes: before.orderBytes + (isOrdered ? sign * orderBytesOf(instance) : 0)
    })
  }

  #add(relation: Relation, key: string, id: string): void {
    let keys = this.#related.get(relation)
    if (!keys) {
      keys = new Map()
      this.#related.set(relation, keys)
    }
    const found = keys.get(key)
    if (found === undefined) keys.set(key, id)
    else if (typeof found !== 'string') found.add(id)
    else if (found !== id) keys.set(key, new Set([found, id]))
  }

  #drop(relation: Relation, key: string, id: string): void {
    const keys = this.#related.get(relation)
    const found = keys?.get(key)
    if (found === id) keys?.delete(key)
    else if (found instanceof Set && found.delete(id) && found.size === 0) keys?.delete(key)
  }
}

/** What is asked for and by which key; the key is an id, a name, or as `eachRelation` says. */
export type Relation =
  | 'host-uuid'
  | 'host-instances'
  | 'host-resting'
  | 'host-arrivals'
  | 'host-volumes'
  | 'network-subnets'
  | 'port-address'
  | 'port-mac'
  | 'volume-user'
  | 'instance-after'

function isEmpty(value: object): boolean {
  for (const _ in value) return false
  return true
}

/** Whether it should not run: then it is promised nothing. */
export const isResting = ({ spec, decided }: Instance): boolean =>
  spec.desiredPower === 'stopped' ||
  decided.deletedAt !== undefined ||
  decided.preempted !== undefined

/** Whether it takes up room on a host: who yields to others does where it goes, not where it is. */
export const countsOn = (host: string, instance: Instance): boolean => {
  const { preempted, moving, deletedAt } = instance.decided
  if (!preempted || moving?.to !== host) return !isResting(instance)
  return instance.spec.desiredPower !== 'stopped' && deletedAt === undefined
}

/** Hosts whose orders name it. */
const hostNamesOf = (resource: Resource): readonly string[] => {
  if (resource.kind === 'host') return [resource.name]
  if (resource.kind !== 'instance' && resource.kind !== 'volume') return []
  const { host } = resource.decided
  const moving = resource.kind === 'instance' ? resource.decided.moving : undefined
  return [...(host === undefined ? [] : [host]), ...(moving ? [moving.to] : [])]
}

/** Tells by what a resource can be found, besides its name. */
function eachRelation(resource: Resource, tell: (relation: Relation, key: string) => void): void {
  switch (resource.kind) {
    case 'instance':
      if (resource.decided.host) {
        tell('host-instances', resource.decided.host)
        if (isResting(resource)) tell('host-resting', resource.decided.host)
      }
      if (resource.decided.moving) tell('host-arrivals', resource.decided.moving.to)
      for (const volume of resource.decided.volumes) tell('volume-user', volume)
      for (const name of resource.spec.after ?? []) {
        tell('instance-after', subjectOf({ ...resource, name }))
      }
      return
    case 'volume':
      if (resource.decided.host) tell('host-volumes', resource.decided.host)
      return
    case 'port':
      tell('port-address', `${resource.decided.subnetId}/${resource.decided.address}`)
      tell('port-mac', resource.decided.mac)
      return
    case 'subnet':
      tell(
        'network-subnets',
        subjectOf({ ...resource, kind: 'network', name: resource.spec.network })
      )
      return
    case 'host':
      tell('host-uuid', resource.decided.uuid)
      return
    case 'tenant':
    case 'pool':
    case 'image':
    case 'network':
    case 'size':
    case 'event':
    case 'job':
      return
    default:
      resource satisfies never
  }
}
