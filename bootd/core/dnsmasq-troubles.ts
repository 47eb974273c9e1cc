/**
 * What is wrong with the addresses of machines that boot, by what dnsmasq says. It says when it has
 * none to give, and never that it has some again: so a trouble is over once all who got none have
 * one, or are not heard any more.
 */
import type { Ms } from '#shared/units.ts'
import { addressesOf, type BootNetwork } from './boot-settings.ts'
import type { DnsmasqWord } from './dnsmasq-log.ts'
import { dropOldest } from './drop-oldest.ts'

/** What is not heard for so long is over; leases are tried to be written each minute. Unit: ms. */
export const troubleMsMax: Ms = 180_000
/** Who got no address is remembered of so many, and so many kinds of warnings. */
const [refusedMax, warningsMax] = [256, 64]

/** Remembers who got no address, and what was said. */
export class DnsmasqTroubles {
  readonly #network: Pick<BootNetwork, 'range'>
  readonly #refused = new Map<string, Ms>()
  readonly #warned = new Set<string>()
  #unwritten: { readonly text: string; readonly at: Ms } | undefined

  constructor(network: Pick<BootNetwork, 'range'>) {
    this.#network = network
  }

  /** Takes in what was said; gives a warning that was not said before. */
  hear(word: DnsmasqWord, now: Ms): string | undefined {
    switch (word.says) {
      case 'no-address':
        this.#refused.delete(word.mac)
        this.#refused.set(word.mac, now)
        dropOldest(this.#refused, refusedMax)
        return undefined
      case 'leased':
        this.#refused.delete(word.mac)
        return undefined
      case 'leases-unwritten':
        this.#unwritten = { text: word.text, at: now }
        return undefined
      case 'warning':
        return this.#once(word.text)
      default:
        return word satisfies never
    }
  }

  /** Why machines get no address now. */
  addresses(now: Ms): string | undefined {
    for (const [mac, at] of this.#refused) if (now - at >= troubleMsMax) this.#refused.delete(mac)
    const { range } = this.#network
    if (this.#refused.size === 0 || !range) return undefined
    const count = addressesOf(this.#network)
    return (
      `machines get no address: all ${count} of ${range.first}-${range.last} are given out; ` +
      'widen bootRange'
    )
  }

  /** Why what was given out is not written down now. */
  leases(now: Ms): string | undefined {
    if (this.#unwritten && now - this.#unwritten.at >= troubleMsMax) this.#unwritten = undefined
    const { text } = this.#unwritten ?? {}
    return text === undefined
      ? undefined
      : `addresses that are given out are lost when dnsmasq ends: ${text}`
  }

  /** Each kind is said once: numbers and addresses do not make it another one. */
  #once(text: string): string | undefined {
    const kind = text.replaceAll(/[0-9a-f]{2}(:[0-9a-f]{2}){5}|\d+/gi, '#')
    if (this.#warned.has(kind) || this.#warned.size >= warningsMax) return undefined
    this.#warned.add(kind)
    return text
  }
}
