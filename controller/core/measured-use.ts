/**
 * How busy hosts and instances are, as agents measure it. What is promised is a wish and stays what
 * it was; what is used goes up and down. So it is a mean that forgets: what was found a minute ago
 * counts half as much as what is found now. It only helps to choose between hosts that the rules
 * allow. Hence it is nowhere recorded: another controller finds it out anew within a few looks, and
 * of a host that has said nothing for a while nothing is known.
 */
import type { Ms } from '#shared/units.ts'
import type { Report } from '#shared/wire/order.ts'

/** After so long a finding counts half as much as a new one. Unit: ms. */
const halfMs: Ms = 60_000
/** What is older says nothing any more; agents look every 10 s. Unit: ms. */
export const useMsMax: Ms = 60_000
/** Instances of which it is kept how they were sent last; the oldest is forgotten for another. */
const pacesMax = 10_000

/** What an instance uses. */
export type InstanceUse = {
  /** Threads that it keeps busy. */
  readonly cpu: number
  readonly networkMbit: number
}

/** What a host uses: shares from 0 to 1; what is left out is not known. */
export type MeasuredUse = {
  /** When it was found last; monotonic. */
  readonly at: Ms
  readonly cpu: number
  readonly disk?: number
  readonly network?: number
  readonly instances: ReadonlyMap<string, InstanceUse>
}

/** How an instance went when it was last sent to another host. */
export type MovedPace = { readonly mibPerSecond: number; readonly writtenMibPerSecond: number }

type Kept = { readonly run: string; readonly look: number; readonly use: MeasuredUse }

/** What was measured, by the names of hosts. Only the view changes it. */
export class MeasuredUses {
  readonly #kept = new Map<string, Kept>()
  readonly #paces = new Map<string, MovedPace>()

  /** A host has reported. What it has said before is not taken in twice. */
  hear(host: string, report: Report, now: Ms): void {
    for (const { id, move } of report.instances) if (move) this.#hearMove(id, move)
    const { use, agentRun: run } = report
    if (!use) return
    const before = this.#kept.get(host)
    if (before?.run === run && before.look === use.look) return
    const known = before?.run === run ? before.use : undefined
    this.#kept.set(host, { run, look: use.look, use: averaged(known, use, now) })
  }

  /** What a host uses now; undefined: it has not said so lately. */
  of(host: string, now: Ms): MeasuredUse | undefined {
    const use = this.#kept.get(host)?.use
    return use && now - use.at <= useMsMax ? use : undefined
  }

  /** How an instance went last; undefined: none of us has seen it. */
  paceOf(instance: string): MovedPace | undefined {
    return this.#paces.get(instance)
  }

  /** A host is gone. */
  gone(host: string): void {
    this.#kept.delete(host)
  }

  #hearMove(id: string, move: NonNullable<Report['instances'][number]['move']>): void {
    const { mibPerSecond, writtenMibPerSecond = 0 } = move
    if (!mibPerSecond) return
    this.#paces.delete(id)
    this.#paces.set(id, { mibPerSecond, writtenMibPerSecond })
    const [oldest] = this.#paces.keys()
    if (this.#paces.size > pacesMax && oldest !== undefined) this.#paces.delete(oldest)
  }
}

/** The mean with what is found now; of what was not known before, that alone. */
function averaged(
  before: MeasuredUse | undefined,
  found: NonNullable<Report['use']>,
  now: Ms
): MeasuredUse {
  const share = before ? 1 - 2 ** (-Math.max(0, now - before.at) / halfMs) : 1
  const mean = (was: number | undefined, is: number): number =>
    was === undefined ? is : was + share * (is - was)
  const { cpu, disk, network } = found
  return {
    at: now,
    cpu: mean(before?.cpu, cpu),
    ...(disk !== undefined && { disk: mean(before?.disk, disk) }),
    ...(network !== undefined && { network: mean(before?.network, network) }),
    instances: new Map(
      found.instances.map(({ id, cpu, networkMbit }) => {
        const was = before?.instances.get(id)
        const use = { cpu: mean(was?.cpu, cpu), networkMbit: mean(was?.networkMbit, networkMbit) }
        return [id, use]
      })
    )
  }
}
