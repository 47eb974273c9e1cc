/**
 * What befalls servers, candidates and the connections between them in a chaos run.
 *
 * The acts are dealt like cards: shuffled by the seed, and each once before one comes again, so
 * that a short run has had all of them. An act takes its time, and others begin meanwhile; no
 * target has two acts at once, and one server at least is always left alone.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Relay } from '../../test/lab/relay.ts'
import type { ZooKeeperEnsemble } from '../../test/lab/zookeeper-ensemble.ts'
import type { Chance } from './chance.ts'
import type { Lives } from './lives.ts'

/** Whom it befalls. */
export type Victims = {
  readonly ensemble: ZooKeeperEnsemble
  readonly candidates: readonly Lives[]
  /** Each candidate's own way to each server. */
  readonly relays: ReadonlyMap<Lives, readonly Relay[]>
  readonly sessionMs: number
  /** A server of a database under the journal, if there is one. */
  readonly database?: { kill(): Promise<void>; restart(): Promise<void> }
}

type Target = number | Lives | 'database'
/** Befalls a target; resolves when it is over. Undefined: there is nobody whom it could befall. */
type Act = (nemesis: Nemesis) => Promise<(() => Promise<void>) | undefined>

const acts: Readonly<Record<string, Act>> = {
  'kill a server': async nemesis => nemesis.server(undefined, 'kill'),
  'kill the leading server': async nemesis => nemesis.server('leader', 'kill'),
  'pause a server': async nemesis => nemesis.server(undefined, 'pause'),
  'pause the leading server': async nemesis => nemesis.server('leader', 'pause'),
  'kill the controller': async nemesis => nemesis.controller(async one => one.signal('SIGKILL')),
  'pause the controller': async nemesis =>
    nemesis.controller(async (one, chance, { sessionMs }) => {
      one.signal('SIGSTOP')
      await sleep(sessionMs + chance.between(500, 4_000))
      one.signal('SIGCONT')
    }),
  'step down': async nemesis => nemesis.controller(async one => one.signal('SIGUSR2')),
  'cut the controller off': async nemesis =>
    nemesis.ways(async (ways, chance) => {
      for (const way of ways) way.cut()
      await sleep(chance.between(100, 5_000))
      for (const way of ways) way.heal()
    }),
  'silence around the controller': async nemesis =>
    nemesis.ways(async (ways, chance) => {
      for (const way of ways) way.hold()
      await sleep(chance.between(500, 6_000))
      for (const way of ways) way.release()
    }),
  'lose replies to the controller': async nemesis =>
    nemesis.ways(async ways => {
      for (const way of ways) way.loseReply()
    }),
  'kill the database': async nemesis => nemesis.database()
}

/** Deals acts; disposing of it waits until all are over. */
export class Nemesis implements AsyncDisposable {
  /** How often each act was done. */
  readonly done = new Map<string, number>()
  readonly #victims: Victims
  readonly #chance: Chance
  readonly #busy = new Set<Target>()
  readonly #running = new Set<Promise<void>>()
  #deck: readonly string[] = []

  constructor(victims: Victims, chance: Chance) {
    this.#victims = victims
    this.#chance = chance
    for (const name of this.#names()) this.done.set(name, 0)
  }

  /** Begins the next act, if there is whom it can befall; gives its name then. */
  async strike(): Promise<string | undefined> {
    if (this.#deck.length === 0) this.#deck = this.#chance.shuffled(this.#names())
    for (const name of this.#deck) {
      const run = await acts[name]!(this)
      if (!run) continue
      this.#deck = this.#deck.filter(other => other !== name)
      this.done.set(name, this.done.get(name)! + 1)
      const running = run().finally(() => this.#running.delete(running))
      this.#running.add(running)
      return name
    }
    return undefined
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#running)
  }

  async server(which: 'leader' | undefined, what: 'kill' | 'pause') {
    const { ensemble } = this.#victims
    const ids = ensemble.servers.map((_, index) => index + 1)
    const free = ids.filter(id => !this.#busy.has(id))
    if (free.length < 2) return undefined
    const id = which === 'leader' ? await ensemble.leader() : this.#chance.pick(free)
    if (id === undefined || this.#busy.has(id)) return undefined
    const [from, to] = what === 'kill' ? killedMs : pausedMs
    const lastsMs = this.#chance.between(from, to)
    return this.#upon(id, async () => {
      if (what === 'pause') {
        ensemble.pause(id)
        await sleep(lastsMs)
        ensemble.resume(id)
        return
      }
      await ensemble.kill(id)
      await sleep(lastsMs)
      await ensemble.start(id)
    })
  }

  controller(act: (one: Lives, chance: Chance, victims: Victims) => Promise<void>) {
    const [one] = this.#victims.candidates
      .filter(each => each.leads !== undefined && !this.#busy.has(each))
      .toSorted((a, b) => b.leads! - a.leads!)
    return one && this.#upon(one, () => act(one, this.#chance, this.#victims))
  }

  ways(act: (ways: readonly Relay[], chance: Chance) => Promise<void>) {
    return this.controller(one => act(this.#victims.relays.get(one)!, this.#chance))
  }

  database() {
    const { database } = this.#victims
    if (!database || this.#busy.has('database')) return undefined
    return this.#upon('database', async () => {
      await database.kill()
      await sleep(this.#chance.between(...killedMs))
      await database.restart()
    })
  }

  #upon(target: Target, act: () => Promise<void>): () => Promise<void> {
    this.#busy.add(target)
    return async () => {
      try {
        await act()
      } finally {
        this.#busy.delete(target)
      }
    }
  }

  #names(): readonly string[] {
    const { database } = this.#victims
    return Object.keys(acts).filter(name => database || name !== 'kill the database')
  }
}

const killedMs = [300, 4_000] as const
const pausedMs = [1_000, 8_000] as const
