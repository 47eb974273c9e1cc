/**
 * Which NUMA cell an instance is in that is to fit into one. The controller promises only what fits
 * whatever is chosen here, as long as all that it has promised is packed: so the cells are chosen
 * for all together that are to start, as they all are after a boot. Those that run stay where they
 * are; of the others the largest is seated first, in the fullest cell that has room for it, and
 * where that leaves one over, other ways are tried.
 */
import { uuidOf } from '#shared/ids.ts'
import { type CellRoom, cellRooms } from '#shared/model/cells.ts'
import type { OrderInstance } from '#shared/wire/order.ts'
import { isAlive, type SortedDomains } from './own-domains.ts'
import type { Situation } from './situation.ts'
import { counted } from './words.ts'

/** The cell that an instance would be in, or why there is none. */
export type CellAllotment =
  | { readonly cell: { readonly index: number; readonly threads: readonly number[] } }
  | { readonly lacking: string }

/** Ways that are tried at most before those that find no cell are left over. */
const waysMax = 10_000

/** The cell of each instance that is to fit into one and has no domain, by its id. */
export function allotCells(
  { order, host, inFlight }: Pick<Situation, 'order' | 'host' | 'inFlight'>,
  { own }: SortedDomains
): ReadonlyMap<string, CellAllotment> {
  const fitted = order.instances.filter(({ fit }) => fit !== undefined)
  const { cells, cellTerms } = { cells: host.cells, cellTerms: order.cellTerms }
  if (fitted.length === 0 || !cells || !cellTerms) return new Map()
  const threads = new Map(cells.numa.map(({ index, threads }) => [index, threads]))
  const alive = new Map(
    own.filter(({ domain }) => isAlive(domain)).map(({ domain }) => [domain.uuid, domain])
  )
  const begun = new Map(
    inFlight.flatMap(step =>
      step.type === 'create-domain' ? [[step.plan.instance.id, step.plan.cell] as const] : []
    )
  )
  const left = cellRooms(cells, cellTerms).map(room => ({ ...room }))
  const allotments = new Map<string, CellAllotment>()
  const waiting: OrderInstance[] = []
  for (const one of fitted) {
    const domain = alive.get(uuidOf(one.id))
    const cell = begun.get(one.id)
    if (cell) allotments.set(one.id, { cell })
    const index = domain?.cell ?? cell?.index
    const room = left.find(each => each.index === index)
    if (room) seat(room, one, 1)
    else if (!domain && one.desiredPower !== 'stopped') waiting.push(one)
  }
  // What is not ordered any more, and has not ended, is still there.
  const ordered = new Set(fitted.map(({ id }) => uuidOf(id)))
  for (const { uuid, cell, memoryMib, vcpus } of alive.values()) {
    const room = ordered.has(uuid) ? undefined : left.find(({ index }) => index === cell)
    if (!room) continue
    room.memoryMib -= memoryMib
    room.vcpus -= vcpus
  }
  const seats = packed(left, waiting)
  for (const one of waiting) {
    const index = seats.get(one.id)
    allotments.set(
      one.id,
      index === undefined
        ? { lacking: lackOf(one, left) }
        : { cell: { index, threads: threads.get(index) ?? [] } }
    )
  }
  return allotments
}

/** Alters the room that is left of a cell; nobody else sees it. */
type Left = { -readonly [Key in keyof CellRoom]: CellRoom[Key] }

function seat(room: Left, { fit, vcpus }: OrderInstance, sign: 1 | -1): void {
  room.memoryMib -= sign * fit!.memoryMib
  room.vcpus -= sign * vcpus
}

const hasRoom = (room: Left, { fit, vcpus }: OrderInstance): boolean =>
  room.memoryMib >= fit!.memoryMib && room.vcpus >= vcpus

const byWeight = (a: OrderInstance, b: OrderInstance): number =>
  b.fit!.memoryMib - a.fit!.memoryMib || b.vcpus - a.vcpus || (a.id < b.id ? -1 : 1)

const byImportance = (a: OrderInstance, b: OrderInstance): number =>
  (b.priority ?? 0) - (a.priority ?? 0) || byWeight(a, b)

/** Seats all, if a way is found in time; else as many as find a cell, the important ones first. */
function packed(left: Left[], waiting: readonly OrderInstance[]): ReadonlyMap<string, number> {
  const seats = new Map<string, number>()
  const heaviest = waiting.toSorted(byWeight)
  let ways = 0
  const place = (at: number): boolean => {
    const one = heaviest[at]
    if (!one) return true
    for (const room of left.toSorted((a, b) => a.memoryMib - b.memoryMib || a.index - b.index)) {
      if (!hasRoom(room, one)) continue
      ways += 1
      if (ways > waysMax) return false
      seat(room, one, 1)
      seats.set(one.id, room.index)
      if (place(at + 1)) return true
      seat(room, one, -1)
      seats.delete(one.id)
    }
    return false
  }
  if (place(0)) return seats
  for (const one of waiting.toSorted(byImportance)) {
    const rooms = left.filter(room => hasRoom(room, one))
    const [best] = rooms.toSorted((a, b) => a.memoryMib - b.memoryMib || a.index - b.index)
    if (!best) continue
    seat(best, one, 1)
    seats.set(one.id, best.index)
  }
  return seats
}

function lackOf({ fit, vcpus }: OrderInstance, left: readonly Left[]): string {
  const most = left.toSorted((a, b) => b.memoryMib - a.memoryMib)[0]
  const has = most && `${most.memoryMib} MiB and ${counted(most.vcpus, 'vcpu')}`
  const room = most ? `cell ${most.index} has the most left, ${has}` : 'this host has none'
  return `needs ${fit!.memoryMib} MiB and ${counted(vcpus, 'vcpu')} in one NUMA cell; ${room}`
}
