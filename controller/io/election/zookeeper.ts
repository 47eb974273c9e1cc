/**
 * The election among several candidates on an ensemble of ZooKeeper.
 *
 *     standing ──lowest──► leading ──session ends, stepDown, own znode gone──► lost
 *
 * Each candidate has an ephemeral znode with a number; the lowest one leads. Each watches only the
 * one before it, so that an end wakes one and not all. That a candidate was lowest once does not
 * mean that it may act now: for that it raises the epoch in a transaction that finds its znode
 * (`proof`), and then acts only while the lease lasts that its session keeps with that epoch. The
 * lease is reckoned on our own clock, so `holds` is right even if no one has told us anything.
 */
import type { Clock } from '#shared/clock.ts'
import { Fault, isFault, sentence } from '#shared/fault.ts'
import type { Log } from '#shared/log.ts'
import type { Ms } from '#shared/units.ts'
import type { ZooKeeperSession } from '#shared/zookeeper/session.ts'
import type { CandidateCard, ElectionStatus, SharedElection, Won } from '../../core/ports.ts'
import { traceMs } from '../../core/timing.ts'
import {
  candidatePath,
  candidatesPath,
  decodeCard,
  encodeCard,
  listCandidates,
  makeCandidates
} from './zookeeper-cards.ts'
import { LeadTrace, TraceSeen } from './zookeeper-trace.ts'

/** An election whose candidate can prove in a transaction that it has won. */
export type ZooKeeperElection = SharedElection & {
  /** Path of the znode that exists as long as we may lead; undefined: we may not. */
  readonly proof: () => string | undefined
}

/** A card is refreshed at most so often. */
const announceEveryMs: Ms = 2_000
/** So long it waits after a request that was lost. */
const againAfterMs: Ms = 100
/** What is kept back of the lease, in parts of a session's time, for what is under way already. */
const marginPart = 0.01

type Options = {
  readonly name: string
  readonly log: Log
  readonly clock: Clock
  /** What earlier candidacies of this program have seen; left out: there was none. */
  readonly seen?: TraceSeen
}

/** Stands for election with a session, which stays the caller's; `lead` begins it. */
export const zooKeeperElection = (session: ZooKeeperSession, options: Options): ZooKeeperElection =>
  new Candidacy(session, options)

class Candidacy implements ZooKeeperElection {
  readonly alone = false
  readonly #session: ZooKeeperSession
  readonly #name: string
  readonly #log: Log
  readonly #clock: Clock
  readonly #lost = new AbortController()
  readonly #closed = new AbortController()
  readonly #announced: Promise<void>
  readonly #followed: Promise<void>
  readonly #trace: LeadTrace
  readonly #traced: Promise<void>
  readonly #won = new AbortController()
  /** Name of our znode. */
  #own: string | undefined
  /** A request to make it was lost: it may be there. */
  #ownIsUnknown = false
  #leads = false
  #card: CandidateCard | undefined
  #shown: CandidateCard | undefined
  #cardChange = Promise.withResolvers<void>()
  #leader: CandidateCard | undefined

  constructor(session: ZooKeeperSession, options: Options) {
    this.#session = session
    this.#name = options.name
    this.#log = options.log
    this.#clock = options.clock
    if (session.ended.aborted) this.#lose(session.ended.reason)
    session.ended.addEventListener('abort', () => this.#lose(session.ended.reason), { once: true })
    this.#announced = this.#quietly(this.#keepShown())
    this.#followed = this.#quietly(this.#followLeader())
    const { clock, seen = new TraceSeen() } = options
    this.#trace = new LeadTrace(session, { clock, seen })
    this.#traced = this.#quietly(this.#keepTrace())
  }

  async lead(signal: AbortSignal): Promise<Won> {
    const given = AbortSignal.any([signal, this.#lost.signal, this.#closed.signal])
    let leasedUntil: Ms
    try {
      leasedUntil = await this.#becomeFirst(given)
      given.throwIfAborted()
    } catch (thrown) {
      // Whoever stands and will not lead would keep all others from it.
      if (!this.#lost.signal.aborted) await this.#withdraw().catch(() => {})
      throw given.aborted ? given.reason : thrown
    }
    this.#leads = true
    this.#log.info('elected', { candidate: this.#name, znode: this.#own })
    this.#won.abort()
    void this.#quietly(this.#watchOwn())
    return { lost: this.#lost.signal, leasedUntil }
  }

  holds(now: Ms): boolean {
    if (!this.#leads || this.#lost.signal.aborted) return false
    const until = this.#session.leaseUntil()
    return until !== undefined && now < until - this.#session.timeoutMs * marginPart
  }

  leasesUntil(): Ms | undefined {
    return this.#leads ? this.#trace.leftAt : undefined
  }

  proof = (): string | undefined =>
    this.#leads && !this.#lost.signal.aborted && this.#own !== undefined
      ? candidatePath(this.#own)
      : undefined

  announce(card: CandidateCard): void {
    this.#card = card
    this.#cardChange.resolve()
  }

  async candidates(): Promise<readonly CandidateCard[]> {
    const names = await listCandidates(this.#session)
    const nodes = await Promise.all(names.map(name => this.#session.read(candidatePath(name))))
    return nodes.flatMap(node => (node && decodeCard(node.bytes)) ?? [])
  }

  leader(): CandidateCard | undefined {
    return this.#leader
  }

  async stepDown(because: string): Promise<void> {
    this.#log.info('stepping down', { candidate: this.#name, because })
    this.#lose(new Fault('closed', `cannot lead any longer: ${because}`))
    // A session's requests arrive in the order in which they were sent: appends come before this.
    await this.#withdraw()
  }

  status(): ElectionStatus {
    const { id, timeoutMs } = this.#session
    const until = this.#leads ? this.#session.leaseUntil() : undefined
    const leaseLeftMs = until && Math.max(0, until - this.#clock.monotonic())
    return { server: this.#session.server(), sessionId: id, timeoutMs, leaseLeftMs }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const because = new Fault('closed', 'cannot lead any longer: the candidacy was closed')
    this.#closed.abort(because)
    this.#lose(because)
    this.#cardChange.resolve()
    await this.#withdraw().catch(() => {})
    await Promise.all([this.#announced, this.#followed, this.#traced])
  }

  /** Stands, and resolves once nobody is before us, with until when others gave leases. */
  async #becomeFirst(signal: AbortSignal): Promise<Ms> {
    for (;;) {
      signal.throwIfAborted()
      try {
        const own = await this.#stand()
        const names = await listCandidates(this.#session)
        const place = names.indexOf(own)
        if (place === 0) return await this.#trace.ended()
        if (place < 0) this.#own = undefined
        else await this.#gone(names[place - 1]!, signal)
      } catch (thrown) {
        await this.#waitAfter(thrown, signal)
      }
    }
  }

  /** Makes our znode, unless it is there. */
  async #stand(): Promise<string> {
    if (this.#ownIsUnknown) this.#own = await this.#findOwn()
    this.#ownIsUnknown = false
    if (this.#own !== undefined) return this.#own
    await makeCandidates(this.#session)
    this.#ownIsUnknown = true
    const bytes = encodeCard(this.#card)
    const path = candidatePath('c-')
    const [outcome] = await this.#session.transact([
      { op: 'create', path, bytes, mode: 'ephemeral-sequential' }
    ])
    this.#ownIsUnknown = false
    this.#own = outcome!.path!.slice(candidatesPath.length + 1)
    return this.#own
  }

  /** Finds the znode that belongs to our session. */
  async #findOwn(): Promise<string | undefined> {
    await this.#session.sync(candidatesPath)
    const ours = BigInt(`0x${this.#session.id}`)
    for (const name of await listCandidates(this.#session)) {
      const node = await this.#session.read(candidatePath(name))
      // A session's number may have its highest bit set, which some take for a sign.
      if (node && BigInt.asUintN(64, node.stat.owner) === ours) return name
    }
    return undefined
  }

  /** Resolves when a candidate's znode is gone. */
  async #gone(name: string, signal: AbortSignal): Promise<void> {
    for await (const _ of this.#session.watch(candidatePath(name), { signal })) {
      if (!(await this.#session.read(candidatePath(name)))) return
    }
  }

  /** Somebody may have removed our znode: then another one leads, and we must not. */
  async #watchOwn(): Promise<void> {
    const signal = AbortSignal.any([this.#lost.signal, this.#closed.signal])
    while (!signal.aborted) {
      try {
        await this.#gone(this.#own!, signal)
        if (signal.aborted) return
        this.#lose(new Fault('closed', 'cannot lead any longer: our znode was removed'))
      } catch (thrown) {
        await this.#waitAfter(thrown, signal)
      }
    }
  }

  /** Removes our znode; resolves when it is gone, with the session if need be. */
  async #withdraw(): Promise<void> {
    const { ended } = this.#session
    while (!ended.aborted) {
      try {
        if (this.#ownIsUnknown) this.#own = await this.#findOwn()
        this.#ownIsUnknown = false
        if (this.#own === undefined) return
        const path = candidatePath(this.#own)
        await this.#session.transact([{ op: 'remove', path, version: 'any' }])
        this.#own = undefined
      } catch (thrown) {
        if (isFault(thrown, 'not-found')) this.#own = undefined
        else await this.#waitAfter(thrown, ended).catch(() => {})
      }
    }
  }

  /** Shows the newest card, not too often. */
  async #keepShown(): Promise<void> {
    const signal = AbortSignal.any([this.#session.ended, this.#closed.signal])
    while (!signal.aborted) {
      await this.#cardChange.promise
      this.#cardChange = Promise.withResolvers()
      try {
        if (this.#own !== undefined && this.#card !== this.#shown) {
          const card = this.#card
          const path = candidatePath(this.#own)
          const bytes = encodeCard(card)
          await this.#session.transact([{ op: 'set', path, bytes, version: 'any' }])
          this.#shown = card
        }
      } catch (thrown) {
        this.#log.debug('cannot show the card', { because: sentence(thrown) })
      }
      await this.#clock.sleep(announceEveryMs, signal)
      if (this.#card !== this.#shown) this.#cardChange.resolve()
    }
  }

  /** Watches the trace of who leads, and leaves our own once that is us. */
  async #keepTrace(): Promise<void> {
    const over = AbortSignal.any([this.#lost.signal, this.#closed.signal])
    const watching = AbortSignal.any([over, this.#won.signal])
    await this.#again(over, async () => {
      if (!this.#won.signal.aborted) return await this.#trace.follow(watching)
      const begunAt = this.#clock.monotonic()
      await this.#leaveTrace()
      const leftMs = begunAt + traceMs - this.#clock.monotonic()
      if (leftMs > 0) await this.#clock.sleep(leftMs, over)
    })
  }

  /** Does something again and again, also after requests that were lost. */
  async #again(signal: AbortSignal, act: () => Promise<void>): Promise<void> {
    while (!signal.aborted) {
      try {
        await act()
      } catch (thrown) {
        if (signal.aborted) return
        await this.#waitAfter(thrown, signal)
      }
    }
  }

  async #leaveTrace(): Promise<void> {
    try {
      if (this.#own !== undefined) await this.#trace.leave(candidatePath(this.#own))
    } catch (thrown) {
      if (!isFault(thrown, 'not-found')) throw thrown
      // Should somebody have removed the trace, hosts would get no leases any more.
      await makeCandidates(this.#session)
      throw thrown
    }
  }

  /** Keeps the card of whoever is lowest. */
  async #followLeader(): Promise<void> {
    const signal = AbortSignal.any([this.#session.ended, this.#closed.signal])
    while (!signal.aborted) {
      try {
        const [lowest] = await listCandidates(this.#session)
        if (lowest === undefined) await this.#noneStands(signal)
        else await this.#followCard(lowest, signal)
      } catch (thrown) {
        await this.#waitAfter(thrown, signal)
      }
    }
  }

  async #followCard(name: string, signal: AbortSignal): Promise<void> {
    for await (const _ of this.#session.watch(candidatePath(name), { signal })) {
      const node = await this.#session.read(candidatePath(name))
      this.#leader = node && decodeCard(node.bytes)
      if (!node) return
    }
  }

  async #noneStands(signal: AbortSignal): Promise<void> {
    this.#leader = undefined
    for await (const _ of this.#session.watch(candidatesPath, { children: true, signal })) {
      if ((await listCandidates(this.#session)).length > 0) return
    }
  }

  /** Waits a little after a request that was lost; throws what is not to be tried again. */
  async #waitAfter(thrown: unknown, signal: AbortSignal): Promise<void> {
    this.#session.ended.throwIfAborted()
    if (!(thrown instanceof Fault) || thrown.code === 'closed') throw thrown
    if (thrown.code !== 'unavailable') {
      this.#log.warn('the election goes on after a failure', { because: sentence(thrown) })
    }
    await this.#clock.sleep(againAfterMs, signal)
  }

  #lose(because: unknown): void {
    if (this.#lost.signal.aborted) return
    this.#lost.abort(because)
    const leads = this.#leads
    this.#leads = false
    if (leads) {
      this.#log.warn('lost the lead', { candidate: this.#name, because: sentence(because) })
    }
    this.#cardChange.resolve()
  }

  /** What runs in the background ends when the session or the candidacy does. */
  async #quietly(work: Promise<void>): Promise<void> {
    try {
      await work
    } catch (thrown) {
      if (this.#session.ended.aborted || this.#closed.signal.aborted) return
      if (this.#lost.signal.aborted) return
      this.#lose(thrown)
    }
  }
}
