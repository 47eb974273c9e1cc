/**
 * What each NUMA cell of a host may give to instances that are to fit into one. Controller and
 * agent reckon alike: the one promises, the other chooses the cell. What the host keeps for itself,
 * and the huge pages that it has set aside, are taken from all cells by their size.
 */
import type { Mib } from '../units.ts'
import type { HostFacts } from './host-facts.ts'

/** Room of a cell. */
export type CellRoom = {
  readonly index: number
  readonly memoryMib: Mib
  readonly vcpus: number
}

/** What of a host's spec the rooms of its cells depend on. */
export type CellTerms = {
  readonly reservedMib: Mib
  readonly vcpusPerThread: number
}

/** The cells of a host in their order. */
export function cellRooms(
  { numa, memoryMib, hugepages }: Pick<HostFacts, 'numa' | 'memoryMib' | 'hugepages'>,
  { reservedMib, vcpusPerThread }: CellTerms
): readonly CellRoom[] {
  let keptMib = reservedMib
  for (const { sizeKib, total } of hugepages) keptMib += (sizeKib * total) / 1_024
  const share = memoryMib > 0 ? Math.max(0, 1 - keptMib / memoryMib) : 0
  return numa.map(cell => ({
    index: cell.index,
    memoryMib: Math.floor(cell.memoryMib * share),
    vcpus: Math.floor(cell.threads.length * vcpusPerThread)
  }))
}
