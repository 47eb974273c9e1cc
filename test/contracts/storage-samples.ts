import type { VolumeFormat } from '#shared/model/volume.ts'
import type { OrderPool, OrderVolume } from '#shared/wire/order.ts'

/** A pool of this host alone, in the agent's state. */
export const samplePool: OrderPool = { name: 'local', driver: 'directory', shared: false }

/** Describes a volume; the number sets its id. */
export const sampleVolume = (
  number: number,
  format: VolumeFormat,
  change: Partial<OrderVolume> = {}
): OrderVolume => ({
  id: `v-01980000-0000-7000-8000-0000000000${String(number).padStart(2, '0')}`,
  name: `volume${number}`,
  pool: samplePool.name,
  format,
  sizeMib: 4,
  desired: 'present',
  ...change
})
