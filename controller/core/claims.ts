import type { Host } from '#shared/model/host.ts'
import type { HostClaims } from '#shared/model/host-claims.ts'

/** No more are kept; of more those that were heard last. */
const claimsMax = 1_000

/**
 * What machines say of themselves that wait to be let in, by their UUIDs. They say it again every
 * few seconds, so nothing of it is stored. Once one is let in its reports say more.
 */
export class Claims {
  readonly #heard = new Map<string, HostClaims>()

  hear(uuid: string, claims: HostClaims): void {
    this.#heard.delete(uuid)
    this.#heard.set(uuid, claims)
    const [oldest] = this.#heard.keys()
    if (oldest !== undefined && this.#heard.size > claimsMax) this.#heard.delete(oldest)
  }

  /** Of a host that waits; undefined: it does not, or has said nothing. */
  of({ decided }: Pick<Host, 'decided'>): HostClaims | undefined {
    return decided.approval === 'pending' ? this.#heard.get(decided.uuid) : undefined
  }
}
