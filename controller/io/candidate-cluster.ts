/** The candidates as one of them sees them: itself, the others, and who leads. */
import type { Clock } from '#shared/clock.ts'
import { isFault } from '#shared/fault.ts'
import type { Ms } from '#shared/units.ts'
import type { CandidateCard, SharedElection } from '../core/ports.ts'
import {
  type CandidateSeen,
  type CandidateState,
  type Cluster,
  type ClusterStatus,
  type ImageCopies,
  imagesHere,
  timingOf
} from './api/cluster-status.ts'
import type { Service } from './api/service.ts'
import { type ControllerConfig, serversOf } from './config.ts'
import type { FollowingState } from './follower.ts'
import type { Leadership } from './leadership.ts'

/** How often the cards of the others are read. Unit: ms. */
const cardsMs: Ms = 2_000
/** A candidate that stands no more is remembered for so long, and so many of them. Unit: ms. */
const rememberedMs: Ms = 60 * 60 * 1_000
const rememberedMax = 64
/** While the ensemble cannot be asked, who led last counts as the controller so long. Unit: ms. */
const leaderKeptMs: Ms = 10_000

/** What it stands on. */
export type CandidateClusterOptions = {
  readonly config: ControllerConfig
  readonly clock: Clock
  readonly service: () => Service
  readonly follower: () => FollowingState
  readonly leadership: Leadership
  /** What others are shown of this one, as of now. */
  readonly card: () => CandidateCard
  /** When this one began. */
  readonly since: string
  readonly handOver: (because: string) => Promise<void>
  /** Names of the images whose content another candidate lacks; undefined: it does not say. */
  readonly lacks: (other: Who) => Promise<ReadonlySet<string> | undefined>
}

type Who = { readonly name: string; readonly apiUrl: string }

type Remembered = { readonly card: CandidateCard; readonly seenAt: Ms; readonly wall: Ms }

/** Looks only when it is told to. */
export class CandidateCluster implements Cluster {
  readonly since: string
  readonly ensemble: readonly string[]
  readonly #options: CandidateClusterOptions
  readonly #seen = new Map<string, Remembered>()
  #standing: ReadonlySet<string> = new Set()
  #election: SharedElection | undefined
  #failure = ''
  #announced = ''
  #lookedAt: Ms = Number.NEGATIVE_INFINITY
  #led: { readonly name: string; readonly apiUrl: string; readonly at: Ms } | undefined
  #ledIn: SharedElection | undefined
  #lastLed: { readonly name: string; readonly wall: Ms } | undefined

  constructor(options: CandidateClusterOptions) {
    this.#options = options
    this.since = options.since
    this.ensemble = serversOf(options.config.ensemble)
  }

  get election(): SharedElection | undefined {
    return this.#election
  }

  /** This one stands from now on. */
  stands(election: SharedElection): void {
    this.#election = election
    this.#failure = ''
    this.#announced = ''
    this.#lookedAt = Number.NEGATIVE_INFINITY
    election.announce(this.#options.card())
  }

  standsNoMore(): void {
    this.#election = undefined
    this.#standing = new Set()
  }

  /** The ensemble could not be attended at. */
  failed(because: string): void {
    this.#failure = because
  }

  /** Tells others of this one where that is news, and sees who stands. */
  async look(): Promise<void> {
    const election = this.#election
    if (!election) return
    const card = this.#options.card()
    const text = JSON.stringify(card)
    if (text !== this.#announced) election.announce(card)
    this.#announced = text
    this.#noteLeader(election)
    const now = this.#options.clock.monotonic()
    if (now - this.#lookedAt < cardsMs) return
    this.#lookedAt = now
    try {
      this.#remember(await election.candidates())
    } catch (thrown) {
      if (!isFault(thrown)) throw thrown
    }
  }

  /** One that this election has shown and shows no more has gone: it leads no longer. */
  #noteLeader(election: SharedElection): void {
    const card = election.leader()
    if (!card) {
      if (this.#ledIn === election) this.#led = undefined
      return
    }
    const { clock } = this.#options
    this.#ledIn = election
    this.#led = { name: card.name, apiUrl: card.apiUrl, at: clock.monotonic() }
    this.#lastLed = { name: card.name, wall: clock.wall() }
  }

  #remember(cards: readonly CandidateCard[]): void {
    const { clock } = this.#options
    const [seenAt, wall] = [clock.monotonic(), clock.wall()]
    this.#standing = new Set(cards.map(({ name }) => name))
    for (const card of cards) this.#seen.set(card.name, { card, seenAt, wall })
    const byAge = [...this.#seen].sort(([, a], [, b]) => b.seenAt - a.seenAt)
    for (const [at, [name, one]] of byAge.entries()) {
      if (at >= rememberedMax || seenAt - one.seenAt > rememberedMs) this.#seen.delete(name)
    }
  }

  /** The cards of all who stand now, for the list that hosts keep. */
  async cards(): Promise<readonly CandidateCard[]> {
    return (await this.#election?.candidates()) ?? []
  }

  leader(): { readonly name: string; readonly apiUrl: string } | undefined {
    const { leadership, clock, card, config } = this.#options
    const now = clock.monotonic()
    if (leadership.holds(now)) return { name: config.name, apiUrl: card().apiUrl }
    if (this.#election) this.#noteLeader(this.#election)
    const led = this.#led
    if (!led || led.name === config.name || now - led.at > leaderKeptMs) return undefined
    return { name: led.name, apiUrl: led.apiUrl }
  }

  /** The others that may have what this one lacks, the controller first. */
  others(): readonly { readonly name: string; readonly apiUrl: string }[] {
    const { name: own } = this.#options.config
    const leader = this.leader()
    const all = [...(leader ? [leader] : []), ...[...this.#seen.values()].map(({ card }) => card)]
    const names = new Set<string>([own])
    return all.filter(({ name }) => !names.has(name) && names.add(name))
  }

  stepDown(because: string): Promise<void> {
    return this.#options.handOver(because)
  }

  async status(options: { readonly own?: boolean } = {}): Promise<ClusterStatus> {
    const { config, clock, card } = this.#options
    this.#lookedAt = Number.NEGATIVE_INFINITY
    await this.look()
    const own = card()
    const wall = clock.wall()
    const seen = new Map(this.#seen)
    seen.set(own.name, { card: own, seenAt: clock.monotonic(), wall })
    const newest = Math.max(...[...seen.values()].map(one => one.card.position))
    return {
      name: config.name,
      ...this.#state(),
      journal: config.journal,
      ensemble: this.ensemble,
      session: this.#election?.status(),
      epoch: own.epoch,
      position: own.position,
      leader: this.leader(),
      candidates: [...seen.values()].map(
        (one): CandidateSeen => ({
          ...one.card,
          leads: one.card.leads && (one.card.name === own.name || this.#stands(one.card.name)),
          lag: newest - one.card.position,
          lastSeenAt: new Date(one.wall).toISOString(),
          stands:
            one.card.name === own.name ? this.#election !== undefined : this.#stands(one.card.name)
        })
      ),
      images: await this.#images(options.own === true),
      timing: timingOf(config, this.#options.service())
    }
  }

  async #images(own: boolean): Promise<ImageCopies> {
    const here = await imagesHere(this.#options.service())
    // Out of touch with the ensemble, none of the others could be asked.
    if (own || here.wanted === 0 || !this.#election) return here
    const others = this.others().filter(({ name }) => this.#stands(name))
    const lacking = await Promise.all(others.map(other => this.#options.lacks(other)))
    const few: string[] = []
    for (const { name, decided } of this.#options.service().ledger.view.all('image').values()) {
      if (!decided.content || decided.deletedAt) continue
      const copies = lacking.filter(names => names && !names.has(name)).length
      if (copies + (here.missing.includes(name) ? 0 : 1) < 2) few.push(name)
    }
    return { ...here, few }
  }

  #stands(name: string): boolean {
    return this.#standing.has(name)
  }

  #state(): { readonly state: CandidateState; readonly because: string } {
    const { leadership, clock, follower, service } = this.#options
    if (leadership.holds(clock.monotonic())) {
      return { state: 'leads', because: service().ledger.broken?.message ?? 'it was elected' }
    }
    const { state, because } = follower()
    if (state !== 'corrupt' && this.#failure !== '')
      return { state: 'waits', because: this.#failure }
    const last = this.#lastLed
    if (state !== 'follows' || !last || this.leader()) return { state, because }
    const at = new Date(last.wall).toISOString()
    return { state, because: `${last.name} was last seen at ${at}; a new one is being elected` }
  }
}
