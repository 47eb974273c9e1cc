/** What this machine's controller and bootd leave for each other; see shared/wire/neighbours.ts. */
import type { Clock } from '#shared/clock.ts'
import { sentence } from '#shared/fault.ts'
import type { Log } from '#shared/log.ts'
import type { Ms } from '#shared/units.ts'
import { leaveWord, readWord } from '#shared/wire/neighbours.ts'
import type { CandidateCard, Mesh } from '../core/ports.ts'
import type { View } from '../core/view.ts'

/** How often both are looked at. Unit: ms. */
const lookMs: Ms = 1_000

/** What a controller needs to have hosts fenced. */
export type FenceLine = {
  /** A mesh of its own, with bootds for hosts. */
  readonly mesh: Mesh
  /** The bootd on this machine; undefined: none has left word. */
  readonly bootd: () => CandidateCard['bootd']
}

/** Where the bootd of this machine is, read again and again until the signal aborts. */
export class OwnBootd {
  #word: CandidateCard['bootd']

  get word(): CandidateCard['bootd'] {
    return this.#word
  }

  async watch(state: string, clock: Clock, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      this.#word = await readWord(state, 'bootd')
      await clock.sleep(lookMs, signal).catch(() => undefined)
    }
  }
}

/** Tells the bootd of this machine whom to let in, until the signal aborts. */
export async function tellOwnBootd(
  given: {
    readonly state: string
    readonly meshKey: string
    readonly view: () => View | undefined
    readonly clock: Clock
    readonly log: Log
  },
  signal: AbortSignal
): Promise<void> {
  const { state, meshKey, view, clock, log } = given
  let left = ''
  while (!signal.aborted) {
    const candidates = view()?.cloud?.bootstrap?.bootstrap.candidates ?? []
    const keys = [...new Set([meshKey, ...candidates.map(one => one.meshKey)])].slice(0, 16)
    try {
      if (keys.join() !== left) await leaveWord(state, 'controllers', { keys })
      left = keys.join()
    } catch (thrown) {
      log.warn('cannot tell bootd which controllers there are', { because: sentence(thrown) })
    }
    await clock.sleep(lookMs, signal).catch(() => undefined)
  }
}
