import { cellRooms } from '#shared/model/cells.ts'
import { cellsLeft, fitsCell, inSomeCell, isSeating } from '../scarce.ts'
import type { Candidate, Demand, Filter } from './pipeline.ts'

/** Keeps the hosts with room in one NUMA cell for an instance that is to fit into one. */
export const filterNuma: Filter = (candidate, { scarce, running }) => {
  const { capacity, facts, host } = candidate
  if (!running || scarce?.[inSomeCell.memory] === undefined) return undefined
  if (!capacity || !facts) return 'its hardware is not reported yet'
  if (!isSeating(facts)) {
    return 'its agent is older and chooses no NUMA cell: update it first'
  }
  const rooms = cellRooms(facts, host.spec)
  const left = cellsLeft(rooms, capacity.scarcePromised)
  if (fitsCell(left, scarce)) return undefined
  const wish = `needs ${scarce[inSomeCell.memory]} MiB and ${scarce[inSomeCell.vcpus]} vcpus`
  if (rooms.length === 0) return `${wish} in one NUMA cell, and has not said which it has`
  const most = left.reduce((best, one) => (one.memoryMib > best.memoryMib ? one : best))
  const has = `cell ${most.index} has the most left, ${most.memoryMib} MiB and ${most.vcpus} vcpus`
  const reason = `${wish} in one NUMA cell, of its ${rooms.length} ${has}`
  const known = onceSeated(candidate)
  const isLikely =
    known?.capacity && fitsCell(cellsLeft(rooms, known.capacity.scarcePromised), scarce)
  if (!isLikely) return reason
  const others = `${capacity.scarcePromised[inSomeCell.memory]} MiB of others`
  return `${reason}; ${others} count in each until it is known in which they are`
}

/**
 * Whether an instance that a host cannot take now may well find room in a cell there once its agent
 * has said in which ones those are that have just come: then it waits for that.
 */
export function waitsForCells(
  candidate: Candidate,
  demand: Demand,
  filters: readonly Filter[]
): boolean {
  if (demand.scarce?.[inSomeCell.memory] === undefined) return false
  const later = onceSeated(candidate)
  return later !== undefined && filters.every(filter => filter(later, demand) === undefined)
}

/** The host as if those of no known cell were in none; undefined: there are no such. */
export function onceSeated(candidate: Candidate): Candidate | undefined {
  const { capacity } = candidate
  if (!capacity || (capacity.scarcePromised[inSomeCell.memory] ?? 0) <= 0) return undefined
  const { [inSomeCell.memory]: _, [inSomeCell.vcpus]: __, ...known } = capacity.scarcePromised
  return { ...candidate, capacity: { ...capacity, scarcePromised: known } }
}
