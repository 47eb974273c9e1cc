/**
 * The view: everything the controller knows, and the only fold that changes it.
 *
 * What is in the journal (resources, tokens, histories) comes in as commits, what is observed
 * (reports, heartbeats, connections) as facts. Everything else in the core reads the view and
 * returns values. The view is mutable, since a copy of a hundred thousand instances for each commit
 * is not affordable; its mutation stays behind `fold`, which also gives back the commit that would
 * undo the one folded. So the controller can fold before the journal has answered, decide the next
 * commit upon it, and step back when the write fails.
 *
 * Folding a commit again that a checkpoint already holds must lead to the same view: changes are
 * whole values, and a history takes no decision twice.
 */
import assert from 'node:assert/strict'
import type { Host } from '#shared/model/host.ts'
import { type Kind, kindNames, type Resource, type ResourceOf } from '#shared/model/index.ts'
import type { Ms } from '#shared/units.ts'
import type { FenceState } from '#shared/wire/fence.ts'
import type { Report } from '#shared/wire/order.ts'
import { Boots } from './boot/boots.ts'
import { heldLossOf } from './brake.ts'
import { Claims } from './claims.ts'
import type {
  Change,
  Cloud,
  Commit,
  JoinToken,
  KeptReply,
  NoticesKept,
  StoredSecret,
  StoredToken
} from './commit.ts'
import { DeviceWords } from './device-words.ts'
import type { Fact, Moment, Undo } from './fact.ts'
import { type Ended, Histories, type Recorded } from './histories.ts'
import { type HostHeard, heardAnew, reportedAnew, unheard } from './host-heard.ts'
import { Indexes } from './indexes.ts'
import { Leases } from './leases.ts'
import { MeasuredUses } from './measured-use.ts'
import type { Position } from './ports.ts'
import { Records } from './records.ts'
import { StartWaits } from './start-waits.ts'
import { subjectOf } from './subject.ts'
import { inattentiveMs, type Patience, patience } from './suspicion-times.ts'
import { Witnesses } from './witnesses.ts'

export type { Fact, Moment, Undo } from './fact.ts'
export type { HostHeard } from './host-heard.ts'

/**
 * Changed by `fold` and `unfold`, and at the start by `load`; a lookup costs the same however much
 * there is.
 */
export class View {
  #position: Position = 0
  /** How often anything was taken in: as long as that is the same, so is all that is known. */
  changes = 0
  readonly #resources = new Map<Kind, Map<string, Resource>>(
    kindNames.map(kind => [kind, new Map()])
  )
  readonly #records = new Records(key => this.#dirty.add(key))
  readonly #histories = new Histories({
    exists: subject => this.indexes.has(subject),
    changed: key => this.#dirty.add(key)
  })
  readonly #heard = new Map<string, HostHeard>()
  readonly #fences = new Map<string, { readonly state: FenceState; readonly at: Moment }>()
  readonly leases = new Leases()
  readonly boots = new Boots()
  readonly claims = new Claims()
  /** Who waits for whom to be ready, and since when. */
  readonly starts = new StartWaits()
  /** Since when each lost host is in the phase of its recovery in which it is; monotonic. */
  readonly #lostSince = new Map<string, Ms>()
  /** When this controller took its last turn, by its own clock and by people's. */
  turn: Moment = { monotonic: Number.NEGATIVE_INFINITY, wall: 0 }
  #listeningSince: Ms = Number.NEGATIVE_INFINITY
  readonly #dirty = new Set<string>()
  readonly witnesses = new Witnesses()
  readonly uses = new MeasuredUses()
  /** What fence devices read of hosts that are heard. */
  readonly devices = new DeviceWords()
  readonly indexes = new Indexes()
  /** Whether hosts report here; of a candidate that only follows, they do not. */
  watches = true
  /** After which silence hosts are thought to be dead; measurements set other ones. */
  patience: Patience = patience
  /** How long the sessions of candidates are; undefined: one that is alone has none. */
  sessionMs: Ms | undefined

  get position(): Position {
    return this.#position
  }
  get cloud(): Cloud | undefined {
    return this.#records.cloud
  }

  get<K extends Kind>(kind: K, id: string): ResourceOf[K] | undefined {
    return this.#resources.get(kind)!.get(id) as ResourceOf[K] | undefined
  }

  all<K extends Kind>(kind: K): ReadonlyMap<string, ResourceOf[K]> {
    return this.#resources.get(kind)! as unknown as ReadonlyMap<string, ResourceOf[K]>
  }

  /** Finds a resource by its name in a tenant; cloud-wide kinds have none. */
  named<K extends Kind>(kind: K, name: string, tenant?: string): ResourceOf[K] | undefined {
    if (kind === 'host' && tenant === undefined) {
      return this.indexes.hostNamed(name) as ResourceOf[K] | undefined
    }
    const id = this.indexes.idOf(kind, name, tenant)
    return id === undefined ? undefined : this.get(kind, id)
  }

  tokens(): ReadonlyMap<string, StoredToken> {
    return this.#records.all('token')
  }
  joinTokens(): ReadonlyMap<string, JoinToken> {
    return this.#records.all('join-token')
  }
  /** Passwords of fence devices, by name. */
  secrets(): ReadonlyMap<string, StoredSecret> {
    return this.#records.all('secret')
  }
  /** What bootd last said of a host's fence, by the name of the host. */
  fence(host: string): FenceState | undefined {
    return this.#fences.get(host)?.state
  }
  /** When bootd has said that. */
  fenceSaidAt(host: string): Moment | undefined {
    return this.#fences.get(host)?.at
  }
  /** Since when this controller has listened without a pause; before that, silence says nothing. */
  get listeningSince(): Ms {
    return this.#listeningSince
  }
  /**
   * Since when a lost host is in this phase of its recovery, on our own clock: whatever people's
   * clocks do meanwhile, what was heard after it is news. Minus infinity: since before we led.
   */
  lostSince(host: string): Ms {
    return this.#lostSince.get(host) ?? Number.NEGATIVE_INFINITY
  }
  replies(): ReadonlyMap<string, KeptReply> {
    return this.#records.all('reply')
  }
  noticesKept(host: string): NoticesKept | undefined {
    return this.#records.all('notices').get(host)
  }
  history(subject: string): readonly Recorded[] {
    return this.#histories.get(subject) ?? []
  }
  /** What was decided about a resource that no longer exists, by its id. */
  historyOfEnded(id: string): readonly Recorded[] {
    return this.#histories.ofEnded(id)
  }
  /** What was heard of a host, by its name. */
  heard(host: string): HostHeard {
    return this.#heard.get(host) ?? unheard
  }

  /** Takes a fact in. For a commit it gives what undoes it. */
  fold(fact: Fact): Undo | undefined {
    this.changes += 1
    switch (fact.type) {
      case 'commit':
        return this.#foldCommit(fact.position, fact.commit)
      case 'report':
        this.#foldReport(fact.host, fact.report, fact.at)
        return undefined
      case 'heartbeat': {
        const lostAt = heldLossOf(this, fact.host, fact.at.monotonic)
        const heard = heardAnew(this.heard(fact.host), fact.at, lostAt)
        this.#heard.set(fact.host, heard)
        heard.loopLagMs = fact.loopLagMs
        heard.bootId = fact.bootId
        this.devices.heard(fact.host, fact.bootId, fact.at.monotonic)
        this.leases.hear(fact.host, fact.beat, fact.at.monotonic)
        return undefined
      }
      case 'link': {
        const { host, connected, because } = fact
        this.#heard.set(host, { ...this.heard(host), connected, because })
        return undefined
      }
      case 'fences':
        for (const state of fact.states) this.#foldFence(state, fact.at)
        return undefined
      case 'boots':
        this.boots.hear(fact.bootd, fact.report, fact.at)
        return undefined
      case 'image-sought':
        this.boots.seek(fact.version, fact.at)
        return undefined
      case 'claims':
        this.claims.hear(fact.uuid, fact.claims)
        return undefined
      case 'echo':
        this.leases.echo(fact.host, fact.heardAt)
        return undefined
      case 'turn': {
        const { monotonic } = fact.at
        this.leases.lead(monotonic, fact)
        if (monotonic - this.turn.monotonic > inattentiveMs) this.#listeningSince = monotonic
        this.turn = fact.at
        return undefined
      }
      default:
        fact satisfies never
        return undefined
    }
  }

  /**
   * Steps back over the last folded commits, oldest first, whose writes have failed. What a host
   * should hold after that counts as of the last commit that is left: a position that was lost is
   * given again, and no order may have been sent with it.
   */
  unfold(undos: readonly Undo[]): void {
    const last = this.#position
    this.changes += 1
    this.#position -= undos.length
    assert(this.#position >= 0)
    this.indexes.at(this.#position)
    for (const [at, undo] of undos.toReversed().entries()) {
      for (const change of undo.changes) this.#apply(change)
      for (const { subjects } of undo.commit.decisions) {
        for (const subject of subjects) this.#histories.forget(subject, last - at)
      }
    }
  }

  #foldCommit(position: Position, commit: Commit): Undo {
    const changes: Change[] = []
    this.indexes.at(position)
    for (const change of commit.changes) changes.push(...this.#apply(change, position))
    for (const decision of commit.decisions) this.#histories.remember(decision, position)
    this.#position = position
    return { changes: changes.reverse(), commit }
  }

  /** A late report of the same run says nothing new; one of another run is always news. */
  #foldReport(host: string, report: Report, at: Moment): void {
    const before = this.heard(host)
    const late = before.report?.agentRun === report.agentRun && before.report.number > report.number
    const lostAt = heldLossOf(this, host, at.monotonic)
    const heard = reportedAnew(before, { report, late }, at, lostAt)
    this.#heard.set(host, heard)
    this.devices.heard(host, report.bootId, at.monotonic)
    if (!late) {
      this.witnesses.hear(host, report, at.monotonic)
      this.uses.hear(host, report, at.monotonic)
    }
    const fails = heard.report?.instances.some(({ failed }) => failed !== undefined)
    this.indexes.reported(host, fails === true)
  }

  /** What an earlier reign asked for is answered by a lower epoch: it comes too late. */
  #foldFence(state: FenceState, at: Moment): void {
    if ((this.fence(state.name)?.epoch ?? 0) > state.epoch) return
    this.witnesses.storage.noteReading(state, at.monotonic)
    this.devices.note(state, at.monotonic)
    this.#fences.set(state.name, { state, at })
  }

  /** Makes one change and gives what would undo it; a step back has no position. */
  #apply(change: Change, position?: Position): readonly Change[] {
    switch (change.op) {
      case 'put':
        return this.#put(change.resource)
      case 'remove':
        return this.#remove(change.kind, change.id, position)
      case 'notices-kept':
        this.indexes.touch(change.host)
        return this.#records.apply(change)
      default:
        return this.#records.apply(change)
    }
  }

  #put(resource: Resource): readonly Change[] {
    const all = this.#resources.get(resource.kind)!
    const before = all.get(resource.id)
    if (resource.kind === 'host') this.#noteLoss(resource, before as Host | undefined)
    const kept = this.indexes.shared(resource)
    if (before) this.indexes.leave(before)
    all.set(kept.id, kept)
    this.indexes.enter(kept, before)
    if (!before) {
      this.#histories.moved(subjectOf(kept))
      this.#histories.begin(kept.id)
    }
    this.#dirty.add(`${kept.kind}/${kept.id}`)
    return before
      ? [{ op: 'put', resource: before }]
      : [{ op: 'remove', kind: kept.kind, id: kept.id, subject: subjectOf(kept) }]
  }

  #noteLoss({ name, decided }: Host, before: Host | undefined): void {
    const [is, was] = [decided.recovery, before?.decided.recovery]
    if (is?.id === was?.id && is?.phase === was?.phase) return
    if (is) this.#lostSince.set(name, this.turn.monotonic)
    else this.#lostSince.delete(name)
  }

  #remove(kind: Kind, id: string, position: Position | undefined): readonly Change[] {
    const all = this.#resources.get(kind)!
    const before = all.get(id)
    if (!before) return []
    this.indexes.leave(before)
    this.indexes.gone(before)
    all.delete(id)
    const subject = subjectOf(before)
    this.#histories.moved(subject)
    if (position !== undefined) this.#histories.end(id, { subject, until: position })
    // Another host may get this name: nothing that was heard of this one is true of that.
    if (kind === 'host') {
      this.#heard.delete(before.name)
      this.#fences.delete(before.name)
      this.leases.forget(before.name)
      this.#lostSince.delete(before.name)
      this.witnesses.gone(before.name)
      this.uses.gone(before.name)
      this.devices.gone(before.name)
    }
    this.#dirty.add(`${kind}/${id}`)
    return [{ op: 'put', resource: before }]
  }

  /** Keys whose value has changed since the last call; for the checkpoint. */
  takeDirty(): readonly string[] {
    const keys = [...this.#dirty]
    this.#dirty.clear()
    return keys
  }

  /** Puts keys back that a failed checkpoint has not written. */
  markDirty(keys: Iterable<string>): void {
    for (const key of keys) this.#dirty.add(key)
  }

  /** The value that a checkpoint stores under a key; undefined: nothing any more. */
  valueOf(key: string): unknown {
    const slash = key.indexOf('/')
    const [group, rest] = [key.slice(0, slash), key.slice(slash + 1)]
    if (group === 'history') return this.#histories.get(rest)
    if (group === 'ended') return this.#histories.ended(rest)
    if (this.#records.holds(group)) return this.#records.valueOf(group, rest)
    return this.#resources.get(group as Kind)?.get(rest)
  }

  /** Every key that has a value. */
  *keys(): Iterable<string> {
    for (const [kind, all] of this.#resources) for (const id of all.keys()) yield `${kind}/${id}`
    yield* this.#records.keys()
    for (const subject of this.#histories.subjects()) yield `history/${subject}`
    for (const id of this.#histories.endedIds()) yield `ended/${id}`
  }

  /** Takes one stored value back in, at start; gives what is kept of it. */
  load(key: string, value: unknown): unknown {
    this.changes += 1
    const slash = key.indexOf('/')
    const [group, rest] = [key.slice(0, slash), key.slice(slash + 1)]
    if (group === 'history') this.#histories.load(rest, value as Recorded[])
    else if (group === 'ended') this.#histories.loadEnded(rest, value as Ended)
    else if (this.#records.holds(group)) this.#records.load(group, rest, value)
    else {
      const resource = this.indexes.shared(value as Resource)
      this.#resources.get(resource.kind)!.set(resource.id, resource)
      this.indexes.enter(resource, undefined)
      return resource
    }
    return value
  }

  /** Says that the loaded values are those of a position. */
  loaded(position: Position): void {
    this.#position = position
    this.#histories.loaded()
    this.#records.loaded()
    this.#dirty.clear()
  }
}
