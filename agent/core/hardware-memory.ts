/** Memory, NUMA cells and huge pages, from what the kernel writes about them. */
import type { HostFacts } from '#shared/model/host-facts.ts'
import type { Mib } from '#shared/units.ts'
import { parseCount, parseList, parseTable } from './hardware-text.ts'

/** All memory that the kernel has to give out, in MiB; undefined when the text does not say. */
export const parseMemoryTotal = (meminfo: string): Mib | undefined => mibOf(meminfo, 'MemTotal')

/**
 * Memory that could be given out without swapping, in MiB: the kernel's own estimate, which counts
 * caches as free; kernels before 3.14 have none, and there what is plainly free must do.
 */
export const parseMemoryFree = (meminfo: string): Mib | undefined =>
  mibOf(meminfo, 'MemAvailable') ?? mibOf(meminfo, 'MemFree')

/** One NUMA cell as in `/sys/devices/system/node/nodeN`. */
export type CellText = {
  readonly name: string
  readonly cpulist: string | undefined
  readonly meminfo: string | undefined
}

/** The NUMA cells in order of their numbers; one without threads or memory is a cell too. */
export function parseNuma(cells: readonly CellText[]): HostFacts['numa'] {
  return cells
    .flatMap(cell => {
      const index = parseCount(/^node(\d+)$/.exec(cell.name)?.[1])
      const threads = parseList(cell.cpulist)
      if (index === undefined || threads === undefined) return []
      // Each line starts with the name of the cell: "Node 0 MemTotal:  65536 kB".
      const meminfo = (cell.meminfo ?? '').replace(/^Node \d+ /gm, '')
      return [
        { index, memoryMib: mibOf(meminfo, 'MemTotal') ?? 0, threads: threads.slice(0, 4096) }
      ]
    })
    .toSorted((a, b) => a.index - b.index)
}

/** One size of huge pages as in `/sys/kernel/mm/hugepages/hugepages-2048kB`. */
export type HugepageText = {
  readonly name: string
  readonly total: string | undefined
  readonly free: string | undefined
}

/** Huge pages, smallest first. */
export function parseHugepages(sizes: readonly HugepageText[]): HostFacts['hugepages'] {
  return sizes
    .flatMap(size => {
      const sizeKib = parseCount(/^hugepages-(\d+)kB$/.exec(size.name)?.[1])
      const total = parseCount(size.total)
      const free = parseCount(size.free)
      if (sizeKib === undefined || total === undefined || free === undefined) return []
      return [{ sizeKib, total, free }]
    })
    .toSorted((a, b) => a.sizeKib - b.sizeKib)
}

function mibOf(meminfo: string, key: string): Mib | undefined {
  const kib = /^(\d+) kB$/.exec(parseTable(meminfo).get(key) ?? '')?.[1]
  return kib === undefined ? undefined : Math.floor(Number(kib) / 1024)
}
