/**
 * Reading entries of a shared store along their chain.
 *
 * A server that lags or that has lost entries looks like a journal with a gap. So what does not
 * follow is read once more, from another server where the store knows one, and only what is wrong
 * then as well counts as damage: whoever meets that must not lead.
 */
import { Fault, isFault } from '#shared/fault.ts'
import type { Position } from '../../core/ports.ts'
import { firstLink, followAt, type Link, openEntry, type WholeEntry } from './entry-codec.ts'
import type { SharedStore, Standing } from './shared-store.ts'

/** Reads from one store; it remembers up to where entries are forgotten. */
export class VerifiedReading {
  /** The last entry that was forgotten, as far as we know. */
  anchor: Link
  readonly #store: SharedStore

  constructor(store: SharedStore, anchor: Link) {
    this.#store = store
    this.anchor = anchor
  }

  /**
   * Reads what follows a link, up to another one. Faults: `corrupt`, and `not-found` when it was
   * forgotten meanwhile.
   */
  async *read(from: Link, upTo: Link): AsyncIterable<WholeEntry> {
    let last = from
    let stuckAt: Position | undefined
    for (;;) {
      const walk = this.#walk(last, upTo)
      let step = await walk.next()
      for (; !step.done; step = await walk.next()) {
        last = step.value
        yield step.value
      }
      if (step.value === undefined) return
      if (stuckAt === last.position) throw this.#corrupt(step.value)
      stuckAt = last.position
      await this.#lookAgain(stuckAt)
    }
  }

  /** Hash and epoch of an entry that is there, or of the last one that was forgotten. */
  async linkAt(position: Position, known: Link): Promise<Link> {
    for (let isSecond = false; ; isSecond = true) {
      for (const link of [firstLink, known, this.anchor]) {
        if (link.position === position) return link
      }
      if (position < this.anchor.position) throw this.#forgotten(position)
      const found = await this.#linkIn(position)
      if (typeof found !== 'string') return found
      if (isSecond) throw this.#corrupt(found)
      await this.#lookAgain(position)
    }
  }

  /** Throws Fault `corrupt` unless an acknowledged entry is still what it was. */
  async assertHolds(acknowledged: Link, { last, anchor }: Standing): Promise<void> {
    const { position, hash } = acknowledged
    if (position > last.position) {
      const ends = `the last one is ${last.position} now`
      throw this.#corrupt(`entry ${position} was acknowledged, but ${ends}`)
    }
    if (position < anchor.position) return
    this.anchor = anchor
    const found = await this.linkAt(position, last)
    if (found.hash === hash) return
    throw this.#corrupt(`entry ${position} is another one than was acknowledged`)
  }

  /** Gives entries as long as they follow, then why the next one does not. */
  async *#walk(from: Link, upTo: Link): AsyncGenerator<WholeEntry, string | undefined> {
    let last = from
    try {
      const range = { after: from.position, upTo: upTo.position }
      for await (const page of this.#store.read(range)) {
        for (const stored of page) {
          const entry = followAt(last, stored)
          if (typeof entry === 'string') return entry
          if (entry.position === upTo.position && entry.hash !== upTo.hash) {
            return `entry ${entry.position} is not the one that the head names`
          }
          last = entry
          yield entry
        }
      }
    } catch (thrown) {
      if (isFault(thrown, 'corrupt')) return thrown.message
      throw thrown
    }
    if (last.position >= upTo.position) return undefined
    return `entries after ${last.position} are missing although ${upTo.position} was written`
  }

  async #linkIn(position: Position): Promise<Link | string> {
    try {
      for await (const page of this.#store.read({ after: position - 1, upTo: position })) {
        for (const stored of page) {
          const entry = openEntry(stored.bytes)
          if (entry?.position !== position) return `entry ${position} is damaged`
          return { position, hash: entry.hash, epoch: entry.epoch }
        }
      }
    } catch (thrown) {
      if (isFault(thrown, 'corrupt')) return thrown.message
      throw thrown
    }
    return `entry ${position} is missing`
  }

  async #lookAgain(after: Position): Promise<void> {
    this.anchor = (await this.#store.lookAgain()).anchor
    if (this.anchor.position > after) throw this.#forgotten(after)
  }

  #forgotten(after: Position): Fault {
    const gone = `entries up to ${this.anchor.position} are forgotten`
    return new Fault('not-found', `cannot read ${this.#store.name} after ${after}: ${gone}`)
  }

  #corrupt(because: string): Fault {
    return new Fault('corrupt', `cannot read ${this.#store.name}: ${because}`, {
      next: ['remuda doctor', 'let a candidate lead that is connected to another server']
    })
  }
}
