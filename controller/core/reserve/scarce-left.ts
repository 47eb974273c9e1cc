import { cellRooms } from '#shared/model/cells.ts'
import {
  cellsLeft,
  fitsCell,
  isOfCells,
  isSeating,
  noScarce,
  type Scarce,
  scarceSum
} from '../scarce.ts'
import type { Evacuee } from './evacuee.ts'
import type { Row } from './ground.ts'

/** Whether a host has so much left of what few have, besides what is planned there. */
export function hasScarceLeft(
  { candidate, more }: Row,
  asked: Scarce,
  planned: readonly Evacuee[]
): boolean {
  const { scarce = noScarce, scarcePromised = noScarce } = candidate.capacity ?? {}
  const others = planned.map(one => one.scarce ?? noScarce)
  const promised = [more?.scarce ?? noScarce, ...others].reduce(
    (sum, one) => scarceSum(sum, one),
    scarcePromised
  )
  const isPlenty = Object.entries(asked).every(
    ([name, amount]) => isOfCells(name) || (scarce[name] ?? 0) - (promised[name] ?? 0) >= amount
  )
  if (!isPlenty || !Object.keys(asked).some(isOfCells)) return isPlenty
  const { facts, host } = candidate
  if (!facts || !isSeating(facts)) return false
  return fitsCell(cellsLeft(cellRooms(facts, host.spec), promised), asked)
}
