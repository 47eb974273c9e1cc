/**
 * Tells the switches behind the uplinks where instances are that have just started here; why, see
 * core/arp.ts. The frames go out of the uplink itself: on the bridge the instance's own first word
 * is heard anyway.
 */
import type { Clock } from '#shared/clock.ts'
import { sentence } from '#shared/fault.ts'
import type { Log } from '#shared/log.ts'
import type { Ms } from '#shared/units.ts'
import { arpAnnouncement, arpFrameBytes } from '../../core/arp.ts'
import type { AnnouncedPort } from '../../core/ports.ts'
import type { Place } from './place.ts'

/** It is said again after these, since a frame may be lost. Unit: ms. */
const pausesMs: readonly Ms[] = [1_000, 3_000]

/** What is there to be announced, and where. */
export type Announceable = {
  /** Uplinks by the ids of their networks. */
  readonly uplinks: ReadonlyMap<string, string>
  /** Ids of all ports of this host. */
  readonly ports: ReadonlySet<string>
}

/** Announces in the background until it is disposed of. */
export class Announcer implements AsyncDisposable {
  readonly #options: { readonly place: Place; readonly clock: Clock; readonly log: Log }
  readonly #end = new AbortController()
  readonly #rounds = new Set<Promise<void>>()
  #known: Announceable = { uplinks: new Map(), ports: new Set() }
  #isWarned = false

  constructor(options: { readonly place: Place; readonly clock: Clock; readonly log: Log }) {
    this.#options = options
  }

  /** From now on these are there; who has left meanwhile is announced no more. */
  know(known: Announceable): void {
    this.#known = known
  }

  /** Announces ports now, and some times more; what comes of it is only logged. */
  announce(ports: readonly AnnouncedPort[]): void {
    const rounds = this.#announceAgain(ports)
    this.#rounds.add(rounds)
    void rounds.finally(() => this.#rounds.delete(rounds))
  }

  async #announceAgain(ports: readonly AnnouncedPort[]): Promise<void> {
    const { clock } = this.#options
    const { signal } = this.#end
    for (const pauseMs of [0, ...pausesMs]) {
      if (pauseMs > 0) await clock.sleep(pauseMs, signal).catch(() => {})
      if (signal.aborted) return
      const { uplinks, ports: present } = this.#known
      const there = ports.filter(({ id, networkId }) => present.has(id) && uplinks.has(networkId))
      if (there.length === 0) return
      for (const [uplink, some] of Map.groupBy(there, one => uplinks.get(one.networkId)!)) {
        await this.#send(uplink, some)
      }
    }
  }

  /** A frame of each: socat sends as much as it reads at once, which is one. */
  async #send(uplink: string, ports: readonly AnnouncedPort[]): Promise<void> {
    const { place, log } = this.#options
    const frames = Buffer.concat(ports.map(arpAnnouncement))
    try {
      const line = ['-u', '-b', String(arpFrameBytes), '-', `INTERFACE:${uplink}`]
      await place.run('socat', line, frames)
    } catch (thrown) {
      if (this.#isWarned) return
      this.#isWarned = true
      log.warn('cannot announce instances on an uplink', { uplink, because: sentence(thrown) })
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#end.abort()
    await Promise.all(this.#rounds)
  }
}
