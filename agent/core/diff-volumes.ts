/**
 * Volumes. One that is missing is created, unless an instance has run with it: then it is lost,
 * and an empty one in its place would look as if nothing had happened. One that is too small grows
 * while nobody uses it, and one is removed only when the order says `absent` of it and nobody uses
 * it. One that the order does not name is left alone: what it holds cannot be made again.
 */
import { formatMib } from '#shared/units.ts'
import type { OrderVolume } from '#shared/wire/order.ts'
import type { ImageVerdict, PoolVerdict } from './diff-storage.ts'
import type { OwnDomain } from './metadata.ts'
import { isAlive } from './own-domains.ts'
import type { StoredVolume } from './ports.ts'
import { failureOf, type Matter, type Situation, stepInLane, wishFor } from './situation.ts'
import { nameOf, type Step } from './steps.ts'

/** Where an ordered volume stands. */
export type VolumeVerdict = Matter & {
  readonly volume: OrderVolume
  readonly stored: StoredVolume | undefined
  readonly phase: 'absent' | 'creating' | 'ready' | 'failed'
  readonly message: string
  /** Whether it waits until nobody uses it to become as large as ordered. */
  readonly growthPending: boolean
  /** Whether a domain may be started with it. */
  readonly usable: boolean
}

/** Who uses which volume, in words, by the id of the volume. */
export type VolumeUsers = ReadonlyMap<string, readonly VolumeUser[]>
/** An instance whose domain uses a volume. */
export type VolumeUser = { readonly instanceId: string; readonly name: string }

/** Finds the users of all volumes: domains that live, and starts that are under way. */
export function usersOf(own: readonly OwnDomain[], inFlight: readonly Step[]): VolumeUsers {
  const users = new Map<string, VolumeUser[]>()
  const add = (volumes: readonly string[], user: VolumeUser) => {
    for (const id of volumes) users.set(id, [...(users.get(id) ?? []), user])
  }
  for (const { domain, metadata } of own) {
    const user = { instanceId: metadata.id, name: nameOf(metadata) }
    if (isAlive(domain)) add(metadata.volumes, user)
  }
  for (const step of inFlight) {
    if (step.type !== 'create-domain') continue
    const { id, volumes } = step.plan.instance
    add(volumes, { instanceId: id, name: nameOf(step.plan.instance) })
  }
  return users
}

type Surroundings = {
  readonly situation: Situation
  readonly pools: ReadonlyMap<string, PoolVerdict>
  readonly images: ReadonlyMap<string, ImageVerdict>
  readonly users: VolumeUsers
}

/** Says where each ordered volume stands. */
export const diffVolumes = (surroundings: Surroundings): readonly VolumeVerdict[] =>
  surroundings.situation.order.volumes.map(volume => judgeVolume(volume, surroundings))

function judgeVolume(volume: OrderVolume, surroundings: Surroundings): VolumeVerdict {
  const pool = surroundings.pools.get(volume.pool)
  const stored = pool?.observed?.volumes.find(each => each.id === volume.id)
  const base = { volume, stored, growthPending: false, usable: false, settled: false } as const
  if (pool === undefined) {
    const message = `volume ${volume.name} is ordered in pool ${volume.pool}, which is not ordered`
    return { ...base, phase: 'failed', message }
  }
  if (pool.phase !== 'ready') {
    const message = `volume ${volume.name} waits for pool ${volume.pool}: ${pool.message}`
    return { ...base, phase: pool.phase === 'failed' ? 'failed' : 'creating', message }
  }
  if (volume.desired === 'absent') return judgeUnwanted(base, pool, surroundings)
  if (volume.elsewhere) return judgeElsewhere(base, pool)
  if (stored === undefined) return judgeMissing(base, pool, surroundings)
  if (stored.format !== volume.format) {
    const message = `volume ${volume.name} is ${stored.format}, and ordered as ${volume.format}`
    return { ...base, phase: 'failed', message }
  }
  return stored.sizeMib < volume.sizeMib && volume.format !== 'tree'
    ? judgeSmall(base, pool, surroundings)
    : judgePresent(base, surroundings)
}

type Base = Pick<VolumeVerdict, 'volume' | 'stored' | 'growthPending' | 'usable' | 'settled'>

/** A volume that another host has is made, grown and removed there alone. */
function judgeElsewhere(base: Base, { pool }: PoolVerdict): VolumeVerdict {
  const { volume, stored } = base
  if (stored === undefined || stored.format !== volume.format) {
    const message =
      `volume ${volume.name} is not seen here: ` +
      `is the folder of pool ${pool.name} the same on all hosts?`
    return { ...base, phase: 'creating', message }
  }
  const message = `volume ${volume.name} is seen here too`
  return { ...base, phase: 'ready', message, usable: true, settled: true }
}

function judgePresent(base: Base, { situation }: Surroundings): VolumeVerdict {
  const { volume, stored } = base
  const message = `volume ${volume.name} has ${formatMib(stored?.sizeMib ?? 0)}`
  // A removal that is under way since an earlier order cannot be called back.
  const leaving = stepInLane(situation, `volume/${volume.id}`)?.type === 'remove-volume'
  return leaving
    ? { ...base, phase: 'creating', message: `volume ${volume.name} is being removed first` }
    : { ...base, phase: 'ready', message, usable: true, settled: true }
}

function judgeUnwanted(
  base: Base,
  { pool }: PoolVerdict,
  { situation, users }: Surroundings
): VolumeVerdict {
  const { volume, stored } = base
  const underWay = stepInLane(situation, `volume/${volume.id}`)
  if (stored === undefined && underWay !== undefined) {
    const message = `volume ${volume.name} is not gone yet: ${underWay.type} is under way`
    return { ...base, phase: 'creating', message }
  }
  if (stored === undefined) {
    return { ...base, phase: 'absent', message: `volume ${volume.name} is gone`, settled: true }
  }
  const [user] = users.get(volume.id) ?? []
  const owner = situation.order.instances.find(each => each.volumes.includes(volume.id))
  if (user !== undefined || owner !== undefined) {
    const name = user?.name ?? nameOf(owner!)
    const message = `volume ${volume.name} is removed once ${name} no longer uses it`
    return { ...base, phase: 'ready', message }
  }
  const because = 'the order says that it should be gone, and nobody uses it'
  const wish = wishFor({ type: 'remove-volume', volume, pool, because }, situation)
  const failure = failureOf(wish, situation.now)
  return failure === undefined
    ? { ...base, phase: 'ready', message: `volume ${volume.name} is being removed`, wish }
    : { ...base, phase: 'failed', message: failure, wish }
}

function judgeMissing(
  base: Base,
  { pool }: PoolVerdict,
  { situation, images }: Surroundings
): VolumeVerdict {
  const { volume } = base
  const image = volume.imageId === undefined ? undefined : images.get(volume.imageId)
  if (volume.imageId !== undefined && image === undefined) {
    const wanted = `image ${volume.imageId}, which is not ordered`
    const message = `volume ${volume.name} is made from ${wanted}`
    return { ...base, phase: 'failed', message }
  }
  if (image !== undefined && image.phase !== 'ready') {
    const message = `volume ${volume.name} waits for its image: ${image.message}`
    return { ...base, phase: image.phase === 'failed' ? 'failed' : 'creating', message }
  }
  if (volume.isUsed) {
    const message =
      `volume ${volume.name} is gone from pool ${pool.name}, and an instance has run with it: ` +
      'it is not made anew, which would be an empty one'
    return { ...base, phase: 'failed', message }
  }
  const because = 'it is ordered and not there'
  const step = { type: 'create-volume', volume, pool, image: image?.image, because } as const
  const wish = wishFor(step, situation)
  const failure = failureOf(wish, situation.now)
  return failure === undefined
    ? { ...base, phase: 'creating', message: `volume ${volume.name} is being created`, wish }
    : { ...base, phase: 'failed', message: failure, wish }
}

function judgeSmall(
  base: Base,
  { pool }: PoolVerdict,
  { situation, users }: Surroundings
): VolumeVerdict {
  const { volume, stored } = base
  const growth = `from ${formatMib(stored?.sizeMib ?? 0)} to ${formatMib(volume.sizeMib)}`
  const [user] = users.get(volume.id) ?? []
  if (user !== undefined) {
    const message = `volume ${volume.name} grows ${growth} when ${user.name} is next started`
    return { ...base, phase: 'ready', message, growthPending: true, usable: true, settled: true }
  }
  const because = `it is to grow ${growth}, and nobody uses it`
  const step = { type: 'grow-volume', volume, pool, image: undefined, because } as const
  const wish = wishFor(step, situation)
  const failure = failureOf(wish, situation.now)
  return failure === undefined
    ? { ...base, phase: 'creating', message: `volume ${volume.name} grows ${growth}`, wish }
    : // It is whole, only smaller than ordered: better to run with it than not to run.
      { ...base, phase: 'failed', message: failure, usable: true, wish }
}
