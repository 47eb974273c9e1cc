/**
 * What fence devices read of hosts that are heard. A device that reads *off* of a host that speaks
 * belongs to another machine, or lies: it would prove the host off in the first night in which the
 * host is not heard, and what runs there would run twice. One that answers and reads neither *on*
 * nor *off* proves nothing, however long it is asked.
 *
 * A reading may be as old as the round in which all devices are asked, and a host may have booted
 * since. So a reading counts against a device at once only where it is known to be new, which is
 * where another one came before it, and the host was heard before and after it in one boot. All
 * others count when they have lasted for longer than any round.
 *
 * What was found is recorded of the host, so that the next controller, which has heard nothing yet,
 * knows it: a device is wrong from then on, at whichever level it is, until it reads *on* while the
 * host is in use, or is no longer a device of that host.
 */
import type { Host, WrongDevice } from '#shared/model/host.ts'
import { formatMs, type Ms } from '#shared/units.ts'
import type { FenceState } from '#shared/wire/fence.ts'
import type { View } from './view.ts'

/** Who is heard so long after a new reading was not off. Unit: ms. */
const heardAfterMs: Ms = 10_000
/** Longer than it takes to ask all devices once. Unit: ms. */
const lastingMs: Ms = 600_000

/** What is read, since when it is so, and whether it is known to be of then. */
type Reading = {
  readonly power: FenceState['devices'][number]['power']
  readonly since: Ms
  readonly isNew: boolean
}
/** A device and its last reading; left out: it was not read yet. */
type Device = { readonly level: number; readonly name: string; readonly reading?: Reading }

/** By the name of the host. Only the view changes it. */
export class DeviceWords {
  readonly #devices = new Map<string, readonly Device[]>()
  readonly #boots = new Map<string, { readonly bootId: string; readonly since: Ms }>()

  /** A bootd has said how the devices of a host stand. */
  note({ name: host, devices }: FenceState, now: Ms): void {
    const known = this.#devices.get(host)
    const words = devices.map(({ level, name, power, reachable }): Device => {
      const before = named(known ?? [], { level, name })
      // One that gives no answer for a while has not said anything else.
      if (reachable !== true) return { ...before, level, name }
      if (before?.reading?.power === power) return { ...before, level }
      return { level, name, reading: { power, since: now, isNew: before !== undefined } }
    })
    this.#devices.set(host, words)
  }

  /** A host was heard in this boot. */
  heard(host: string, bootId: string | undefined, now: Ms): void {
    if (bootId === undefined || this.#boots.get(host)?.bootId === bootId) return
    this.#boots.set(host, { bootId, since: now })
  }

  /** Whether a device reads anything but *on*: what follows from that goes by time. */
  isInDoubt(host: string): boolean {
    const devices = this.#devices.get(host) ?? []
    return devices.some(({ reading }) => reading !== undefined && reading.power !== 'on')
  }

  /** Devices whose readings do not fit a host that was last heard at this moment. */
  wrongOf(host: string, heardAt: Ms): readonly WrongDevice[] {
    const { since: bootAt } = this.#boots.get(host) ?? { since: Number.POSITIVE_INFINITY }
    return (this.#devices.get(host) ?? []).flatMap(({ level, name, reading }) => {
      if (!reading || reading.power === 'on') return []
      const { power } = reading
      if (!isWrong(reading, { bootAt, heardAt })) return []
      return [{ level, name, power, because: wordsOf(reading, { bootAt, heardAt }) }]
    })
  }

  /** What was found of a device once, where it is still so and at the level at which it is now. */
  stillWrong(host: string, wrong: WrongDevice): readonly WrongDevice[] {
    const devices = this.#devices.get(host)
    if (devices === undefined) return [wrong]
    const { name, power } = wrong
    const isStill = (read: Reading['power'] | undefined): boolean =>
      read === undefined || read === power || (power === 'off' && read === 'unknown')
    return devices
      .filter(device => device.name === name && isStill(device.reading?.power))
      .map(({ level }) => ({ ...wrong, level }))
  }

  /** A host is gone. */
  gone(host: string): void {
    this.#devices.delete(host)
    this.#boots.delete(host)
  }
}

/** A device wherever it is: others may have been put before it. */
const named = (devices: readonly Device[], { level, name }: Device): Device | undefined =>
  devices.find(one => one.level === level && one.name === name) ??
  devices.find(one => one.name === name)

type Times = { readonly bootAt: Ms; readonly heardAt: Ms }

function isWrong({ power, since, isNew }: Reading, { bootAt, heardAt }: Times): boolean {
  if (power === 'off' && isNew && bootAt < since) return heardAt >= since + heardAfterMs
  return heardAt - Math.max(since, bootAt) >= lastingMs
}

function wordsOf({ power, since }: Reading, { bootAt, heardAt }: Times): string {
  const forMs = formatMs(heardAt - Math.max(since, bootAt))
  return power === 'off'
    ? `reads off, while the host was heard for ${forMs}: it is another machine's, or lies`
    : `answers, but has read neither on nor off for ${forMs}`
}

/** The devices of a host that are no use as they are: found now, or by whoever led before. */
export function wrongDevicesOf(view: View, { name, decided }: Host): readonly WrongDevice[] {
  const { heardAt } = view.heard(name)
  const found = heardAt === undefined ? [] : view.devices.wrongOf(name, heardAt)
  const known = decided.wrongDevices
  if (known === undefined) return found
  const still = known.flatMap(one => view.devices.stillWrong(name, one))
  const news = found.filter(one => one.power === 'off' || !still.some(other => isSame(one, other)))
  return [...news, ...still.filter(one => !news.some(other => isSame(one, other)))]
}

const isSame = (one: WrongDevice, other: WrongDevice): boolean =>
  one.level === other.level && one.name === other.name

/** Whether two lists name the same devices, and what they read. */
export function areSameDevices(
  some: readonly WrongDevice[],
  others: readonly WrongDevice[]
): boolean {
  if (some.length !== others.length) return false
  return some.every(one => others.some(two => isSame(one, two) && one.power === two.power))
}
