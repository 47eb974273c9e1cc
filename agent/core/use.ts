/**
 * How busy a host is, from counters that the kernel and libvirt only ever raise: two looks, and
 * what went on between them as a share of what could have.
 *
 * - Processors: time that was neither idle nor spent waiting for a disk. What another machine's
 *   guest took of a virtual one (steal) is not this host's.
 * - Disks: the busiest one's share of time with something to do. That says little of a disk which
 *   does many things at once, and everything of one that does not.
 * - Network: the busiest interface's share of its speed, in the direction in which it has more.
 */
import { instanceKind } from '#shared/model/instance.ts'
import type { Ms } from '#shared/units.ts'
import type { ReportUse } from '#shared/wire/use.ts'
import { parseCount } from './hardware-text.ts'
import type { DomainStats } from './ports.ts'

/** Texts of the kernel; what is not there is undefined. */
export type CounterText = {
  /** `/proc/stat` and `/proc/diskstats`. */
  readonly stat: string | undefined
  readonly diskstats: string | undefined
  readonly nics: readonly {
    readonly name: string
    readonly receivedBytes: string | undefined
    readonly sentBytes: string | undefined
    /** In Mbit/s; -1 or unreadable while the link is down. */
    readonly speed: string | undefined
  }[]
}

/** Counters of a machine. */
export type Counters = {
  /** In the kernel's own ticks. */
  readonly busyTicks: number
  readonly allTicks: number
  readonly threads: number
  /** Time with something to do, by the name of the disk. */
  readonly diskMs: ReadonlyMap<string, Ms>
  readonly nics: ReadonlyMap<
    string,
    { readonly received: number; readonly sent: number; readonly speedMbit: number }
  >
}

/** What was read at one moment of a clock. */
export type UseLook = {
  readonly at: Ms
  readonly counters: Counters
  readonly domains: readonly DomainStats[]
}

/** Reads the counters; undefined where the kernel does not even count its processors. */
export function parseCounters({ stat, diskstats, nics }: CounterText): Counters | undefined {
  const fields = /^cpu +(.*)$/m
    .exec(stat ?? '')?.[1]
    ?.trim()
    .split(/ +/)
    .map(Number)
  if (!fields || fields.length < 4 || fields.some(each => !Number.isFinite(each))) return undefined
  // What guests use is counted as `user` already, and once more after these.
  const [user = 0, nice = 0, system = 0, idle = 0, waiting = 0, hard = 0, soft = 0, stolen = 0] =
    fields
  const busyTicks = user + nice + system + hard + soft
  return {
    busyTicks,
    allTicks: busyTicks + idle + waiting + stolen,
    threads: [...(stat ?? '').matchAll(/^cpu\d+ /gm)].length || 1,
    diskMs: new Map((diskstats ?? '').split('\n').flatMap(diskOf)),
    nics: new Map(nics.flatMap(nicOf))
  }
}

/** Made of other devices, or of memory; what is counted of a partition its disk has as well. */
const madeUp = /^(loop|ram|zram|dm-|md|nbd|rbd|drbd|zd|sr|fd|ublkb)/

/** Its 13th field, as the kernel's `Documentation/admin-guide/iostats.rst` has them. */
function diskOf(line: string): readonly (readonly [string, Ms])[] {
  const fields = line.trim().split(/ +/)
  const [name = '', busyMs] = [fields[2], parseCount(fields[12])]
  return name === '' || busyMs === undefined || madeUp.test(name) ? [] : [[name, busyMs]]
}

type NicCounter = Counters['nics'] extends ReadonlyMap<string, infer Counter> ? Counter : never

function nicOf(text: CounterText['nics'][number]): readonly (readonly [string, NicCounter])[] {
  const [received, sent] = [parseCount(text.receivedBytes), parseCount(text.sentBytes)]
  const speedMbit = parseCount(text.speed)
  if (received === undefined || sent === undefined || !speedMbit || speedMbit >= 2 ** 31) return []
  return [[text.name, { received, sent, speedMbit }]]
}

/** What was used between two looks; undefined: no time went by, or the counters began anew. */
export function useBetween(before: UseLook, after: UseLook, look: number): ReportUse | undefined {
  const [was, is] = [before.counters, after.counters]
  const ms = after.at - before.at
  const ticks = is.allTicks - was.allTicks
  if (ms <= 0 || ticks <= 0) return undefined
  const disks = [...is.diskMs].flatMap(([name, busyMs]) => {
    const earlier = was.diskMs.get(name)
    return earlier === undefined ? [] : [(busyMs - earlier) / ms]
  })
  const nics = [...is.nics].flatMap(([name, nic]) => {
    const earlier = was.nics.get(name)
    if (!earlier) return []
    const bytes = Math.max(nic.received - earlier.received, nic.sent - earlier.sent)
    return [mbitOf(bytes, ms) / nic.speedMbit]
  })
  return {
    look,
    cpu: shareOf((is.busyTicks - was.busyTicks) / ticks),
    ...(disks.length > 0 && { disk: shareOf(Math.max(...disks)) }),
    ...(nics.length > 0 && { network: shareOf(Math.max(...nics)) }),
    instances: instancesBetween(before, after)
  }
}

/** Most instances that a report speaks of. */
const instancesMax = 10_000

function instancesBetween(before: UseLook, after: UseLook): ReportUse['instances'] {
  const earlier = new Map(before.domains.map(one => [one.uuid, one]))
  const ms = after.at - before.at
  const most = after.counters.threads
  return after.domains.slice(0, instancesMax).flatMap(one => {
    const was = earlier.get(one.uuid)
    // One that was started anew counts from nothing again.
    if (!was || one.cpuNs < was.cpuNs) return []
    const cpu = (one.cpuNs - was.cpuNs) / (ms * nsPerMs)
    const bytes = Math.max(
      one.netReceivedBytes - was.netReceivedBytes,
      one.netSentBytes - was.netSentBytes
    )
    const id = `${instanceKind.prefix}-${one.uuid}`
    return [{ id, cpu: rounded(Math.min(most, cpu)), networkMbit: rounded(mbitOf(bytes, ms)) }]
  })
}

const nsPerMs = 1_000_000
const mbitOf = (bytes: number, ms: Ms): number => Math.max(0, bytes * 8) / 1_000 / ms
const rounded = (value: number): number => Math.round(value * 1_000) / 1_000
const shareOf = (value: number): number => rounded(Math.min(1, Math.max(0, value)))
