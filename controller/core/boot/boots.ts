import type { Ms } from '#shared/units.ts'
import type { BootReport, BootState } from '#shared/wire/boot.ts'
import type { Moment } from '../view.ts'

/** What one bootd has said last of its boots. */
export type BootsHeard = { readonly report: BootReport; readonly at: Moment }

/** The last boot of a machine, and which bootd has seen it. */
export type BootSeen = BootState & { readonly bootd: string }

/** One that has joined longer ago than this was told of. Unit: ms. */
const recentMs: Ms = 300_000
/** A boot token that was stolen is told of for so long, whatever became of the boot. Unit: ms. */
const stolenMs: Ms = 86_400_000
/** A version that was asked for is fetched for so long. Unit: ms. */
const soughtMs: Ms = 3_600_000
/** Versions that are fetched so at once; of more those that were asked for last. */
const soughtMax = 4

/** What bootds say of machines that boot, by the bootd's name; nothing of it is ever stored. */
export class Boots {
  readonly #heard = new Map<string, BootsHeard>()
  /** Versions that were asked for while some bootd lacked them, and when, on our own clock. */
  readonly #sought = new Map<string, Ms>()
  #seen: readonly BootSeen[] | undefined
  #byUuid: ReadonlyMap<string, BootSeen> | undefined
  #recent: readonly BootSeen[] | undefined

  hear(bootd: string, report: BootReport, at: Moment): void {
    this.#heard.set(bootd, { report, at })
    this.#seen = undefined
    this.#recent = undefined
    this.#byUuid = undefined
  }

  /** A bootd that is silent for so long is not counted on any more. */
  forgetBefore(at: Ms): void {
    for (const [name, heard] of this.#heard) {
      if (heard.at.monotonic >= at) continue
      this.#heard.delete(name)
      this.#seen = undefined
      this.#recent = undefined
      this.#byUuid = undefined
    }
  }

  seek(version: string, { monotonic }: Moment): void {
    this.#sought.delete(version)
    this.#sought.set(version, monotonic)
    const [oldest] = this.#sought.keys()
    if (oldest !== undefined && this.#sought.size > soughtMax) this.#sought.delete(oldest)
  }

  /** What was sought so long ago is not fetched any more. */
  forgetSought(now: Ms): void {
    for (const [version, at] of this.#sought) {
      if (now - at > soughtMs) this.#sought.delete(version)
    }
  }

  /** Versions that every bootd shall have, though no machine is given them yet. */
  get sought(): readonly string[] {
    return [...this.#sought.keys()]
  }

  get bootds(): ReadonlyMap<string, BootsHeard> {
    return this.#heard
  }

  /** The last boot of each machine, as the bootd tells it that has seen it last. */
  get all(): readonly BootSeen[] {
    this.#seen ??= lastOfEach(this.#heard)
    return this.#seen
  }

  /** Those that are under way, or of which something may be to be told; strangers may wait. */
  get recent(): readonly BootSeen[] {
    this.#recent ??= this.all.filter(boot => {
      const { name, stage, stages, stolen } = boot
      const heardAt = this.#heard.get(boot.bootd)?.at.wall ?? 0
      if (stolen && heardAt - Date.parse(stolen.at) < stolenMs) return true
      if (stage !== 'joined') return stage !== 'waiting' || name !== undefined
      return heardAt - Date.parse(stages.at(-1)?.at ?? '') < recentMs
    })
    return this.#recent
  }

  /** The last boot of a machine, by its UUID. */
  of(uuid: string): BootSeen | undefined {
    this.#byUuid ??= new Map(this.all.flatMap(boot => (boot.uuid ? [[boot.uuid, boot]] : [])))
    return this.#byUuid.get(uuid)
  }

  /** Whether some bootd has a version whole and rightly signed. */
  has(version: string): boolean {
    return [...this.#heard.values()].some(({ report }) => hasWhole(report, version))
  }

  /** Bootds that are heard and serve boots, and could not give a version. */
  lacking(version: string): readonly (readonly [bootd: string, report: BootReport])[] {
    return [...this.#heard].flatMap(([bootd, { report }]) =>
      report.mode === 'off' || hasWhole(report, version) ? [] : [[bootd, report] as const]
    )
  }
}

/** Whether a bootd has a version whole and rightly signed. */
export const hasWhole = ({ images }: BootReport, version: string): boolean =>
  images.some(({ manifest, problem }) => manifest.version === version && problem === undefined)

/** What tells a machine from others as long as it is no host, or has no name. */
export const keyOfMachine = ({ uuid, macs, boot }: BootState): string => uuid ?? macs[0] ?? boot

function lastOfEach(heard: ReadonlyMap<string, BootsHeard>): readonly BootSeen[] {
  const last = new Map<string, BootSeen>()
  for (const [bootd, { report }] of heard) {
    for (const boot of report.boots) {
      const key = keyOfMachine(boot)
      const before = last.get(key)
      if (before && begunAt(before) >= begunAt(boot)) continue
      last.set(key, { ...boot, bootd })
    }
  }
  return [...last.values()]
}

const begunAt = ({ stages }: BootState): string => stages[0]?.at ?? ''
