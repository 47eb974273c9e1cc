/**
 * Who may wait for a NUMA cell. It is not known at once in which cells those are that have just
 * come: they count in each of their host, and who would fit in otherwise waits until it is known.
 * Were each judged as if it alone waited, any number would be let in. So those that have come are
 * taken to be seated as their agent is likely to do it, those that wait already after them, and one
 * more waits only if there is a cell for it then.
 */
import { cellRooms } from '#shared/model/cells.ts'
import { unseatedOn } from '../capacity.ts'
import { cellsLeft, fitsCell, inCell, inSomeCell, type Scarce, scarceSum } from '../scarce.ts'
import type { View } from '../view.ts'
import { onceSeated } from './filter-numa.ts'
import type { Candidate, Demand, Filter } from './pipeline.ts'

/** Whether a cell is left for one more once all that came before it are in theirs. */
export function hasCellLater(
  view: View,
  given: {
    readonly demand: Demand
    /** What those ask that wait already, in the order in which they are placed. */
    readonly before: readonly Demand[]
    /** Hosts where it would wait. */
    readonly candidates: readonly Candidate[]
    readonly filters: readonly Filter[]
  }
): boolean {
  const hosts = given.candidates.map(candidate => allSeated(view, candidate))
  const takes = (one: Demand) => (host: Candidate) =>
    given.filters.every(filter => filter(host, one) === undefined)
  for (const one of given.before) {
    const at = hosts.findIndex(takes(one))
    if (at >= 0) hosts[at] = withOne(hosts[at]!, one)
  }
  return hosts.some(takes(given.demand))
}

/** A host once all who have come are in a cell; who fits in none takes nothing. */
function allSeated(view: View, candidate: Candidate): Candidate {
  const known = onceSeated(candidate) ?? candidate
  return unseatedOn(view, candidate.host.name).reduce(seatedIn, known)
}

/** With one more in the fullest cell that has room for it, as agents choose. */
function seatedIn(candidate: Candidate, asked: Scarce): Candidate {
  const { capacity, facts, host } = candidate
  if (!capacity || !facts) return candidate
  const [cell] = cellsLeft(cellRooms(facts, host.spec), capacity.scarcePromised)
    .filter(room => fitsCell([room], asked))
    .toSorted((a, b) => a.memoryMib - b.memoryMib || a.index - b.index)
  if (!cell) return candidate
  const { [inSomeCell.memory]: mib = 0, [inSomeCell.vcpus]: vcpus = 0, ...others } = asked
  const names = inCell(cell.index)
  const taken = { ...others, [names.memory]: mib, [names.vcpus]: vcpus }
  const scarcePromised = scarceSum(capacity.scarcePromised, taken)
  return { ...candidate, capacity: { ...capacity, scarcePromised } }
}

/** With one more that is not on it yet. */
function withOne(candidate: Candidate, one: Demand): Candidate {
  const after = seatedIn(candidate, one.scarce ?? {})
  const { capacity } = after
  if (!capacity) return after
  return {
    ...after,
    orderBytes: after.orderBytes + one.orderBytes,
    capacity: {
      ...capacity,
      memoryPromisedMib: capacity.memoryPromisedMib + one.memoryMib,
      vcpusPromised: capacity.vcpusPromised + one.vcpus
    }
  }
}
