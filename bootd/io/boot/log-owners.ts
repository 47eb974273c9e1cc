/**
 * Whose log it is that comes from an address: that of which boot of which machine.
 *
 * Who asks what to boot says himself which machine he is. So what is asked for in the name of a
 * machine that has come further than its script takes the log from it only where there is more to
 * it than words: the machine's own address, or one behind which the kernel or the DHCP server has
 * seen one of its MACs. Until then the log stays that of the boot before.
 */
import { hasJoined, hasLeftScript, type MachineBoot } from '../../core/boot-progress.ts'

/** A boot whose log is kept. */
export type LogOwner = {
  readonly host: string
  readonly boot: string
  /** Whether it has come to its end. */
  readonly hasJoined: boolean
}

type Owner = LogOwner & {
  readonly address?: string
  readonly macs: readonly string[]
  readonly hasLeftScript: boolean
}

/** What is known of a change of a boot. */
export type Seen = {
  /** MACs that the plan has for the machine; what it says of itself counts only without them. */
  readonly planned: readonly string[]
  /** It was heard at its address just now. */
  readonly isHeard: boolean
  /** The MAC that was seen behind the address, if any was. */
  readonly mac?: string | undefined
}

/** Remembers one owner of a log for each machine, by the key of its boot. */
export class LogOwners {
  readonly #owners = new Map<string, Owner>()
  readonly #byAddress = new Map<string, string>()

  /** A boot has begun or gone on. */
  follow(key: string, now: MachineBoot, { planned, isHeard, mac }: Seen): void {
    const { uuid: host, boot, address } = now
    if (host === undefined) return
    const before = this.#owners.get(key)
    const macs = [planned, before?.macs ?? [], now.macs].find(some => some.length > 0) ?? []
    const isNew = before?.boot !== boot
    if (before?.hasLeftScript && isNew && before.address !== address) {
      if (mac === undefined || !macs.includes(mac)) return
    }
    const owner: Owner = {
      ...{ host, boot, macs, hasLeftScript: hasLeftScript(now), hasJoined: hasJoined(now) },
      ...(address !== undefined && { address })
    }
    if (before?.address !== address) this.#leave(key, before?.address)
    this.#owners.set(key, owner)
    if (isHeard && address !== undefined) this.#byAddress.set(address, key)
  }

  /** The owner that is known to be at an address. */
  at(address: string): LogOwner | undefined {
    const key = this.#byAddress.get(address)
    return key === undefined ? undefined : this.#owners.get(key)
  }

  /** The owner with this key, if the MAC is one of its own. */
  with(key: string, mac: string): LogOwner | undefined {
    const owner = this.#owners.get(key)
    return owner?.macs.includes(mac) ? owner : undefined
  }

  /** A machine is forgotten. */
  drop(key: string): void {
    this.#leave(key, this.#owners.get(key)?.address)
    this.#owners.delete(key)
  }

  #leave(key: string, address: string | undefined): void {
    if (address === undefined || this.#byAddress.get(address) !== key) return
    this.#byAddress.delete(address)
  }
}
