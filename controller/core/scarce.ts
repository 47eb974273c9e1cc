/**
 * What hosts have so much of and few instances ask for, by its name: memory in huge pages of a
 * size, in MiB, and devices of a sort that were set aside. It is promised as memory and processors
 * are, and nobody has it who does not ask.
 */
import type { CellRoom } from '#shared/model/cells.ts'
import type { HostFacts } from '#shared/model/host-facts.ts'
import type { InstanceDecided } from '#shared/model/instance.ts'
import type { DeviceWish } from '#shared/model/placing.ts'

/** So much of each; what is not named is none. */
export type Scarce = Readonly<Record<string, number>>

/** Nothing of anything. */
export const noScarce: Scarce = {}

/** Sizes of huge pages that can be asked for. Unit: MiB. */
export const hugePageMib = { '2M': 2, '1G': 1_024 } as const

const hugePageSizes = Object.keys(hugePageMib) as readonly (keyof typeof hugePageMib)[]

/** Whether a name is that of huge pages, which are counted in MiB; else of a sort of device. */
export const isHuge = (name: string): boolean => name.startsWith(hugeWords)

const hugeWords = 'huge pages of '
const hugeName = (size: keyof typeof hugePageMib): string => `${hugeWords}${size}`

/** What an instance takes while it runs. */
export const scarceOf = ({
  hugePages,
  memoryMib,
  overheadMib = 0,
  vcpus,
  devices,
  numaFit
}: Pick<
  InstanceDecided,
  'hugePages' | 'memoryMib' | 'overheadMib' | 'vcpus' | 'devices' | 'numaFit'
>): Scarce =>
  hugePages === undefined && devices === undefined && !numaFit
    ? noScarce
    : {
        ...(hugePages && { [hugeName(hugePages)]: memoryMib }),
        ...(numaFit && { [inSomeCell.memory]: memoryMib + overheadMib, [inSomeCell.vcpus]: vcpus }),
        ...Object.fromEntries(devices?.map(({ kind, count }) => [kind, count]) ?? [])
      }

/**
 * What is asked of a NUMA cell. The agent chooses which one, so what nobody knows to be in a
 * certain cell yet is counted in all of them: whatever it chooses, there is a way for all.
 */
export const inSomeCell = { memory: 'memory of one cell', vcpus: 'vcpus of one cell' } as const

/** The same of those that are known to be in a cell. */
export const inCell = (index: number): { readonly memory: string; readonly vcpus: string } => ({
  memory: `memory of cell ${index}`,
  vcpus: `vcpus of cell ${index}`
})

/** Whether a name is about NUMA cells. */
export const isOfCells = (name: string): boolean =>
  name === inSomeCell.memory || name === inSomeCell.vcpus

/** Whether the agent of a host chooses cells: an older one starts instances anywhere. */
export const isSeating = ({ cellsChosen }: Pick<HostFacts, 'cellsChosen'>): boolean =>
  cellsChosen === true

/** What is left of each cell. */
export function cellsLeft(rooms: readonly CellRoom[], promised: Scarce): readonly CellRoom[] {
  const mib = promised[inSomeCell.memory] ?? 0
  const vcpus = promised[inSomeCell.vcpus] ?? 0
  return rooms.map(room => {
    const names = inCell(room.index)
    return {
      index: room.index,
      memoryMib: room.memoryMib - Math.max(0, mib) - (promised[names.memory] ?? 0),
      vcpus: room.vcpus - Math.max(0, vcpus) - (promised[names.vcpus] ?? 0)
    }
  })
}

/** Whether one of the cells has room for what is asked of one; true: nothing is. */
export function fitsCell(left: readonly CellRoom[], asked: Scarce): boolean {
  const mib = asked[inSomeCell.memory]
  const vcpus = asked[inSomeCell.vcpus]
  if (mib === undefined && vcpus === undefined) return true
  return left.some(one => one.memoryMib >= (mib ?? 0) && one.vcpus >= (vcpus ?? 0))
}

/** What is wished of devices, each sort once; undefined: nothing is. */
export function devicesWished(
  wish: readonly DeviceWish[] | undefined
): readonly DeviceWish[] | undefined {
  if (!wish?.length) return undefined
  const counts = new Map<DeviceWish['kind'], number>()
  for (const { kind, count } of wish) counts.set(kind, (counts.get(kind) ?? 0) + count)
  return [...counts].sort(([a], [b]) => (a < b ? -1 : 1)).map(([kind, count]) => ({ kind, count }))
}

/** What an instance holds of its host that no other host can take over while it runs. */
export const holdsOf = ({
  devices = [],
  numaFit
}: Pick<InstanceDecided, 'devices' | 'numaFit'>): readonly string[] => [
  ...devices.map(({ kind, count }) => `${count} ${kind}`),
  ...(numaFit ? ['one NUMA cell'] : [])
]

/** What a host has set aside. */
export type SetAside = {
  /** Memory that nothing else can use. Unit: MiB. */
  readonly memoryMib: number
  readonly scarce: Scarce
  /** Sorts of devices among it. */
  readonly devices: readonly string[]
}

const nothingAside: SetAside = { memoryMib: 0, scarce: noScarce, devices: [] }

/** Worked out once for each report. */
const known = new WeakMap<HostFacts, SetAside>()

/** What a host has set aside; most have nothing, and are asked all the time. */
export function setAsideOn(facts: HostFacts): SetAside {
  let isAny = facts.devices.length > 0
  for (const { total } of facts.hugepages) if (total > 0) isAny = true
  if (!isAny) return nothingAside
  const found = known.get(facts) ?? workedOut(facts)
  known.set(facts, found)
  return found
}

function workedOut({ hugepages, devices }: HostFacts): SetAside {
  const scarce: Record<string, number> = {}
  let kib = 0
  for (const { sizeKib, total } of hugepages) {
    kib += sizeKib * total
    const size = hugePageSizes.find(one => hugePageMib[one] * 1_024 === sizeKib)
    if (size && total > 0) scarce[hugeName(size)] = hugePageMib[size] * total
  }
  for (const { class: kind, assignable } of devices) {
    if (assignable?.works) scarce[kind] = (scarce[kind] ?? 0) + 1
  }
  const kinds = Object.keys(scarce).filter(name => !isHuge(name))
  return { memoryMib: Math.ceil(kib / 1_024), scarce, devices: kinds }
}

/** One and the other, or without the other. */
export function scarceSum(one: Scarce, other: Scarce, sign: 1 | -1 = 1): Scarce {
  if (other === noScarce) return one
  const sum: Record<string, number> = { ...one }
  for (const [name, amount] of Object.entries(other)) {
    const left = (sum[name] ?? 0) + sign * amount
    if (left === 0) delete sum[name]
    else sum[name] = left
  }
  return Object.keys(sum).length === 0 ? noScarce : sum
}
