/**
 * A program that can be stopped in the midst of what it does, as SIGSTOP does: nothing that it
 * waits for comes to it until it goes on. What it does without waiting cannot be stopped; that is
 * little.
 */
import type { Clock } from '#shared/clock.ts'
import type { HostId } from '#shared/ids.ts'
import type { AgentMesh } from '../../agent/core/ports.ts'
import type { Mesh, MeshMessage, SharedJournal } from '../../controller/core/ports.ts'

/** Stops a program, and lets it go on. */
export class Freezer {
  #gate: Promise<void> = Promise.resolve()
  #open: () => void = () => {}
  #isFrozen = false

  get isFrozen(): boolean {
    return this.#isFrozen
  }

  freeze(): void {
    if (this.#isFrozen) return
    this.#isFrozen = true
    this.#gate = new Promise(resolve => {
      this.#open = resolve
    })
  }

  thaw(): void {
    this.#isFrozen = false
    this.#open()
  }

  /** Gives what was waited for, as soon as the program runs. */
  async through<Result>(work: Promise<Result>): Promise<Result> {
    try {
      return await work
    } finally {
      await this.#gate
    }
  }

  clock(clock: Clock): Clock {
    return {
      wall: () => clock.wall(),
      monotonic: () => clock.monotonic(),
      sleep: (durationMs, signal) => this.through(clock.sleep(durationMs, signal)),
      lag: () => clock.lag()
    }
  }

  mesh(mesh: Mesh): Mesh {
    const through = this.each.bind(this)
    return {
      setPeers: peers => mesh.setPeers(peers),
      send: (host: HostId, message) => mesh.send(host, message),
      messages: (signal): AsyncIterable<MeshMessage> => through(mesh.messages(signal)),
      counters: () => mesh.counters(),
      [Symbol.asyncDispose]: () => mesh[Symbol.asyncDispose]()
    }
  }

  agentMesh(mesh: AgentMesh): AgentMesh {
    return {
      send: message => mesh.send(message),
      messages: signal => this.each(mesh.messages(signal)),
      counters: () => mesh.counters(),
      [Symbol.asyncDispose]: () => mesh[Symbol.asyncDispose]()
    }
  }

  journal(journal: SharedJournal): SharedJournal {
    return {
      opening: journal.opening,
      head: () => journal.head(),
      raiseEpoch: above => this.through(journal.raiseEpoch(above)),
      append: (commit, options) => this.through(journal.append(commit, options)),
      entries: after => this.each(journal.entries(after)),
      tail: (after, signal) => this.each(journal.tail(after, signal)),
      recover: () => this.through(journal.recover()),
      writeCheckpoint: checkpoint => this.through(journal.writeCheckpoint(checkpoint)),
      readCheckpoint: () => this.through(journal.readCheckpoint()),
      prune: upTo => this.through(journal.prune(upTo)),
      [Symbol.asyncDispose]: () => journal[Symbol.asyncDispose]()
    }
  }

  /** Gives one after another, each as soon as the program runs. */
  async *each<Item>(items: AsyncIterable<Item>): AsyncIterable<Item> {
    for await (const item of items) {
      await this.#gate
      yield item
    }
  }
}
