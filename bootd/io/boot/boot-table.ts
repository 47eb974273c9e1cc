/** The last boot of each machine, by the names under which it is found. */
import { type BootState, bootMachinesMax } from '#shared/wire/boot.ts'
import type { MachineBoot } from '../../core/boot-progress.ts'

/** Machines that no plan names; of more, the one that has not changed for longest is forgotten. */
const strangersMax = 2_000

/** Boots by key, MAC and token; those that changed last stand last. */
export class BootTable {
  readonly #boots = new Map<string, MachineBoot>()
  /** Those of them that no plan names, in the same order. */
  readonly #strangers = new Set<string>()
  readonly #byMac = new Map<string, string>()
  readonly #byToken = new Map<string, string>()

  get(key: string): MachineBoot | undefined {
    return this.#boots.get(key)
  }

  /** The key of the machine with this MAC. */
  withMac(mac: string): string | undefined {
    return this.#byMac.get(mac)
  }

  /** The key of the machine that was given this token. */
  withToken(token: string): string | undefined {
    return this.#byToken.get(token)
  }

  entries(): readonly (readonly [string, MachineBoot])[] {
    return [...this.#boots]
  }

  all(): readonly MachineBoot[] {
    return [...this.#boots.values()]
  }

  /** Puts the boot of a machine last, over the one that is there. */
  put(key: string, boot: MachineBoot): void {
    this.remove(key)
    this.#boots.set(key, boot)
    if (boot.name === undefined) this.#strangers.add(key)
    for (const mac of boot.macs) this.#byMac.set(mac, key)
    if (boot.token !== undefined) this.#byToken.set(boot.token, key)
  }

  remove(key: string): void {
    const boot = this.#boots.get(key)
    if (!boot) return
    this.#boots.delete(key)
    this.#strangers.delete(key)
    for (const mac of boot.macs) if (this.#byMac.get(mac) === key) this.#byMac.delete(mac)
    if (boot.token !== undefined) this.#byToken.delete(boot.token)
  }

  /** The keys of those that are too many: strangers first. */
  surplus(): readonly string[] {
    const strangers = this.#strangers.size > strangersMax ? [...this.#strangers] : []
    const over = Math.max(strangers.length - strangersMax, this.#boots.size - bootMachinesMax)
    return over <= 0 ? [] : [...strangers, ...this.#boots.keys()].slice(0, over)
  }
}

/** By what a machine is found again that has booted. */
export const keyOfBoot = ({
  uuid,
  serial,
  macs,
  boot
}: Pick<BootState, 'uuid' | 'serial' | 'macs' | 'boot'>): string =>
  uuid ?? serial ?? macs[0] ?? boot
