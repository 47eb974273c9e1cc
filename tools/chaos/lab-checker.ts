/**
 * Says whether the journal of a lab, as it was read entry by entry, agrees with who led when and
 * with what clients were told. Pure: what it is given was gathered before.
 */

/** An entry of the journal, without what it says. */
export type LabEntry = { readonly position: number; readonly epoch: number; readonly hash: string }

/** From its own log: a controller has led in an epoch, which began after an entry. */
export type Reign = { readonly host: string; readonly epoch: number; readonly position: number }

/** A write of which a client was told that it is recorded. */
export type Told = { readonly epoch: number; readonly position: number }

/** Examples of one kind that are told; the rest is counted. */
const examplesMax = 5

/** All that is wrong, in words; empty: nothing. */
export function judgeJournal(given: {
  readonly entries: readonly LabEntry[]
  readonly reigns: readonly Reign[]
  readonly told: readonly Told[]
  /** The last entries as each server has them. */
  readonly ofServers: ReadonlyMap<string, readonly LabEntry[]>
}): readonly string[] {
  const { entries, reigns, told, ofServers } = given
  return [
    ...shortened(gaps(entries)),
    ...shortened(reigns.flatMap(reign => overlaps(entries, reign))),
    ...shortened(shared(reigns)),
    ...shortened(told.flatMap(one => broken(entries, one))),
    ...[...ofServers].flatMap(([server, last]) => shortened(differences(entries, server, last)))
  ]
}

/** No position is left out, and no epoch comes back. */
const gaps = (entries: readonly LabEntry[]): readonly string[] =>
  entries.flatMap(({ position, epoch }, at) => {
    const before = entries[at - 1]?.epoch ?? 0
    return [
      ...(position === at + 1 ? [] : [`entry ${position} stands where ${at + 1} must`]),
      ...(epoch >= before ? [] : [`entry ${position} is of epoch ${epoch}, after ${before}`])
    ]
  })

/** Once an epoch has begun there is not one entry of those before. */
const overlaps = (entries: readonly LabEntry[], reign: Reign): readonly string[] => [
  ...entries
    .slice(reign.position)
    .filter(({ epoch }) => epoch < reign.epoch)
    .map(
      ({ position, epoch }) =>
        `entry ${position} is of epoch ${epoch}: ${reign.epoch} began after ${reign.position}`
    ),
  ...entries
    .slice(0, reign.position)
    .filter(({ epoch }) => epoch > reign.epoch)
    .map(
      ({ position, epoch }) =>
        `entry ${position} is of epoch ${epoch}: ${reign.epoch} had ${reign.position} before it`
    )
]

/** In each epoch one alone leads. */
const shared = (reigns: readonly Reign[]): readonly string[] =>
  reigns.flatMap(({ epoch, host }, at) => {
    const other = reigns.slice(0, at).find(reign => reign.epoch === epoch)
    return other ? [`epoch ${epoch} is of ${other.host} and of ${host}`] : []
  })

/** What a client was told is there, and was there when it was told. */
function broken(entries: readonly LabEntry[], { position, epoch }: Told): readonly string[] {
  const entry = entries[position - 1]
  if (!entry) return [`entry ${position} was acknowledged in epoch ${epoch} and is not there`]
  if (entry.epoch <= epoch) return []
  return [`entry ${position} was acknowledged in epoch ${epoch} and is of ${entry.epoch}`]
}

function differences(
  entries: readonly LabEntry[],
  server: string,
  last: readonly LabEntry[]
): readonly string[] {
  const [first] = last
  const end = last.at(-1)?.position ?? 0
  const behind = entries.length - end
  return [
    ...(first && behind <= 0 ? [] : [`${server} ends at ${end}, others at ${entries.length}`]),
    ...last
      .filter(({ position, hash }) => (entries[position - 1]?.hash ?? hash) !== hash)
      .map(({ position }) => `${server} has another entry ${position}`)
  ]
}

const shortened = (found: readonly string[]): readonly string[] =>
  found.length <= examplesMax
    ? found
    : [...found.slice(0, examplesMax), `… and ${found.length - examplesMax} more like these`]
