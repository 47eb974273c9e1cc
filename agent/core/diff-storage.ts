/** Pools and images: opened, fetched, tidied away. */
import { formatMib } from '#shared/units.ts'
import type { OrderImage, OrderPool } from '#shared/wire/order.ts'
import { fingerprint } from './fingerprint.ts'
import type { ObservedPool } from './observed.ts'
import { failureOf, type Matter, type Situation, wishFor } from './situation.ts'
import { counted } from './words.ts'

/** Where an ordered pool stands. */
export type PoolVerdict = Matter & {
  readonly pool: OrderPool
  readonly observed: ObservedPool | undefined
  readonly phase: 'ready' | 'opening' | 'failed'
  readonly message: string
}

/** Says where each ordered pool stands. */
export const diffPools = (situation: Situation): readonly PoolVerdict[] =>
  situation.order.pools.map(pool => judgePool(pool, situation))

function judgePool(pool: OrderPool, situation: Situation): PoolVerdict {
  const observed = situation.observed.pools.find(each => each.name === pool.name)
  if (observed === undefined) {
    const step = { type: 'open-pool', pool, because: 'it is ordered and not open yet' } as const
    const wish = wishFor(step, situation)
    const failure = failureOf(wish, situation.now)
    return {
      pool,
      observed,
      phase: failure === undefined ? 'opening' : 'failed',
      message: failure ?? `pool ${pool.name} is being opened`,
      wish,
      settled: false
    }
  }
  if (observed.failure !== undefined) {
    return { pool, observed, phase: 'failed', message: observed.failure, settled: false }
  }
  const message = `${formatMib(observed.freeMib)} of ${formatMib(observed.capacityMib)} are free`
  return { pool, observed, phase: 'ready', message, settled: true }
}

/** Where an ordered image stands. */
export type ImageVerdict = Matter & {
  readonly image: OrderImage
  readonly phase: 'ready' | 'fetching' | 'failed'
  readonly message: string
}

/** Says where each ordered image stands. */
export function diffImages(situation: Situation): readonly ImageVerdict[] {
  const here = situation.observed.images
  const ids = new Set(here)
  return situation.order.images.map(image => {
    if (here === undefined) {
      const message = 'the images of this host have not been looked at yet'
      return { image, phase: 'fetching', message, settled: false }
    }
    if (ids.has(image.id)) return { image, phase: 'ready', message: 'is here', settled: true }
    const step = { type: 'fetch-image', image, because: 'it is ordered and not here' } as const
    const wish = wishFor(step, situation)
    const failure = failureOf(wish, situation.now)
    const mib = formatMib(Math.ceil(image.sizeBytes / 2 ** 20))
    return {
      image,
      phase: failure === undefined ? 'fetching' : 'failed',
      message: failure ?? `image ${image.name} is being fetched, ${mib}`,
      wish,
      settled: false
    }
  })
}

/**
 * Images that no order names any more are removed. The driver keeps those that back a volume, which
 * is not seen from here; so this is wished once for each set of images and volumes, not until they
 * are gone.
 */
export function diffLeftImages(situation: Situation): Matter {
  const { order, observed, memory } = situation
  const left = observed.images?.filter(id => !order.images.some(image => image.id === id)) ?? []
  if (left.length === 0) return { settled: true }
  const ids = order.images.map(image => image.id).toSorted()
  const volumes = observed.pools.flatMap(pool => pool.volumes.map(volume => volume.id))
  const tidied = fingerprint([ids, left.toSorted(), volumes.toSorted()])
  if (memory.tidied === tidied) return { settled: true }
  const are = left.length === 1 ? 'is' : 'are'
  const because = `the order does not name ${counted(left.length, 'image')} that ${are} here`
  return {
    wish: wishFor({ type: 'keep-images', ids, tidied, because }, situation),
    settled: false
  }
}
