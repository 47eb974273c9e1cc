/**
 * All chance of a run comes from its seed: the ids that programs make as well as the faults. What
 * Node itself offers is replaced for the whole process, so one run is made at a time.
 */
import crypto from 'node:crypto'
import { syncBuiltinESMExports } from 'node:module'
import { chanceOf } from '../controller/election/faulty-candidates.ts'

export { chanceOf }

const hex = (chance: () => number, digits: number): string =>
  Array.from({ length: digits }, () => Math.floor(chance() * 16).toString(16)).join('')

/** Lets ids and secrets come from the seed; `now` is the time that is in ids. */
export function seedRandomness(seed: number, now: () => number): Disposable {
  const chance = chanceOf(seed ^ 0x5eed)
  const { randomUUID, randomUUIDv7, randomBytes } = crypto
  const { random } = Math
  let count = 0
  const uuid = () =>
    `${hex(chance, 8)}-${hex(chance, 4)}-4${hex(chance, 3)}-8${hex(chance, 3)}-${hex(chance, 12)}`
  const uuidV7 = () => {
    const time = now().toString(16).padStart(12, '0')
    count += 1
    const order = count.toString(16).padStart(6, '0')
    const tail = `8${order.slice(3)}-${hex(chance, 12)}`
    return `${time.slice(0, 8)}-${time.slice(8)}-7${order.slice(0, 3)}-${tail}`
  }
  const bytes = (size: number) => Buffer.from(hex(chance, size * 2), 'hex')
  Object.assign(crypto, { randomUUID: uuid, randomUUIDv7: uuidV7, randomBytes: bytes })
  Object.assign(Math, { random: chance })
  syncBuiltinESMExports()
  return {
    [Symbol.dispose]: () => {
      Object.assign(crypto, { randomUUID, randomUUIDv7, randomBytes })
      Object.assign(Math, { random })
      syncBuiltinESMExports()
    }
  }
}
