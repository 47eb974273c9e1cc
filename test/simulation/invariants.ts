/** What must hold at every moment of a run, and what must have come about at its end. */
import { createHash } from 'node:crypto'
import { uuidOf } from '#shared/ids.ts'
import { type Kind, kinds } from '#shared/model/index.ts'
import { View } from '../../controller/core/view.ts'
import type { Program, SimulatedCloud } from './simulated-cloud.ts'
import type { Writers } from './writers.ts'

/** A fold in one line: equal states give equal ones. */
export function hashOf(view: View): string {
  const all = (Object.keys(kinds) as Kind[]).map(kind => {
    const resources = [...view.all(kind).values()]
    return resources.toSorted((a, b) => (a.id < b.id ? -1 : 1))
  })
  return createHash('sha256').update(JSON.stringify(all)).digest('hex').slice(0, 16)
}

/** Looks at a cloud again and again; what does not hold is told once, as a problem. */
export class Invariants {
  readonly #cloud: SimulatedCloud
  readonly #writers: Writers
  readonly #reigns = new Map<number, Program>()
  readonly #running = new Map<
    string,
    { readonly cuts: number; readonly uuids: ReadonlySet<string> }
  >()
  /** Instances that are recorded as gone. */
  readonly #removed = new Set<string>()
  readonly #told = new Set<string>()
  readonly #ordersSeen = new Map<string, number>()
  #entriesSeen = 0
  #acknowledgedSeen = 0
  #lastLeader: Program | undefined
  #lastEpoch = 0

  constructor(cloud: SimulatedCloud, writers: Writers) {
    this.#cloud = cloud
    this.#writers = writers
  }

  check(): void {
    this.#checkLeaders()
    this.#checkJournal()
    this.#checkAcknowledged()
    this.#checkOrders()
    this.#checkCopies()
  }

  #checkLeaders(): void {
    const { leaders, clock } = this.#cloud
    const now = clock.monotonic()
    const holders = [...this.#cloud.programs.values()].filter(
      one => !one.isRobbed && one.election?.holds(now)
    )
    if (holders.length > 1) this.#once(`${holders.map(({ name }) => name)} hold the lease`)
    for (const leader of leaders) {
      const { epoch } = leader.candidate.service.ledger
      const other = this.#reigns.get(epoch)
      if (other && other !== leader) this.#once(`epoch ${epoch} is that of two reigns`)
      if (!other && this.#reigns.size > 0) this.#cloud.count('epochs raised')
      this.#reigns.set(epoch, leader)
      if (this.#lastLeader === leader || epoch <= this.#lastEpoch) continue
      if (this.#lastLeader) this.#cloud.count('take-overs')
      this.#lastLeader = leader
      this.#lastEpoch = epoch
    }
  }

  #checkJournal(): void {
    const { entries } = this.#cloud
    for (; this.#entriesSeen < entries.length; this.#entriesSeen++) {
      const { position, epoch, commit } = entries[this.#entriesSeen]!
      if (position !== this.#entriesSeen + 1) this.#once(`entry ${position} is out of place`)
      const before = entries[this.#entriesSeen - 1]?.epoch ?? 0
      if (epoch < before) this.#once(`the epoch falls at ${position}`)
      for (const change of commit.changes) {
        if (change.op === 'remove' && change.kind === 'instance') {
          this.#removed.add(uuidOf(change.id))
        }
      }
    }
  }

  #checkAcknowledged(): void {
    const { acknowledged } = this.#writers
    for (; this.#acknowledgedSeen < acknowledged.length; this.#acknowledgedSeen++) {
      const { position, commit } = acknowledged[this.#acknowledgedSeen]!
      if (position > this.#cloud.head) this.#once(`entry ${position} is not in the journal`)
      const entry = this.#cloud.entries[position - 1]
      if (!entry) return
      if (JSON.stringify(entry.commit) !== JSON.stringify(commit)) {
        this.#once(`the acknowledged entry ${position} is lost`)
      }
    }
  }

  #checkOrders(): void {
    const { head } = this.#cloud
    for (const { name, applied } of this.#cloud.hosts.values()) {
      const from = this.#ordersSeen.get(name) ?? 0
      for (let at = from; at < applied.length; at++) {
        const { epoch, generation } = applied[at]!
        const before = applied[at - 1]?.epoch ?? 0
        if (epoch < before) this.#once(`${name} took an order of ${epoch} after one of ${before}`)
        if (generation > head) this.#once(`${name} took an order of what is not recorded`)
      }
      this.#ordersSeen.set(name, applied.length)
    }
  }

  #checkCopies(): void {
    const copies = new Map<string, string>()
    for (const { name, hypervisor } of this.#cloud.hosts.values()) {
      const uuids = new Set<string>()
      for (const { uuid, state, name: domain } of hypervisor.all) {
        uuids.add(uuid)
        if (state !== 'running') continue
        const other = copies.get(uuid)
        if (other) this.#once(`${domain} runs on ${other} and ${name}`)
        copies.set(uuid, name)
        if (this.#removed.has(uuid))
          this.#once(`${domain} runs on ${name}, and is recorded as gone`)
      }
      this.#checkRemains(name, uuids)
    }
  }

  /** What nobody wanted stopped, moved or deleted goes on, as long as its host has power. */
  #checkRemains(host: string, uuids: ReadonlySet<string>): void {
    const cuts = this.#cloud.powerCuts.get(host) ?? 0
    const before = this.#running.get(host)
    this.#running.set(host, { cuts, uuids })
    if (!before || before.cuts !== cuts) return
    for (const uuid of before.uuids) {
      if (uuids.has(uuid) || this.#cloud.disturbed.has(uuid)) continue
      this.#once(`${uuid} on ${host} ended without an order`)
    }
  }

  #once(because: string): void {
    if (this.#told.has(because)) return
    this.#told.add(because)
    this.#cloud.problem(because)
  }

  /** Why it is not at rest; undefined: one leads, all wishes are met, and all views are equal. */
  unrest(): string | undefined {
    const { leaders, programs, entries, clock } = this.#cloud
    const [leader] = leaders
    if (!leader || programs.size < this.#cloud.size)
      return `${programs.size} run, ${leader?.name} leads`
    const { view } = leader.candidate.service.ledger
    const wrong = this.#unmet(view)
    if (wrong !== undefined) return wrong
    const truth = new View()
    for (const { position, commit } of entries) {
      truth.fold({ type: 'commit', position, commit })
    }
    const wanted = hashOf(truth)
    for (const { name, candidate } of programs.values()) {
      const own = candidate.service.ledger.view
      if (own.position !== truth.position) return `${name} is at ${own.position}`
      if (hashOf(own) !== wanted) return `the view of ${name} is another one`
    }
    if (truth.position !== this.#cloud.head) return `it goes on at ${clock.monotonic()}`
    return undefined
  }

  #unmet(view: View): string | undefined {
    const wished = new Map<string, string>()
    for (const { id, name, spec, decided } of view.all('instance').values()) {
      if (decided.deletedAt) return `${name} is still being deleted`
      if (decided.moving) return `${name} is still moving: ${JSON.stringify(decided.moving)}`
      if (!decided.host) return `${name} is on no host`
      if (spec.desiredPower === 'running') wished.set(uuidOf(id), decided.host)
    }
    let count = 0
    for (const { name, hypervisor } of this.#cloud.hosts.values()) {
      for (const { uuid, state, name: domain } of hypervisor.all) {
        count += 1
        if (state !== 'running' || wished.get(uuid) !== name)
          return `${domain} is on ${name}, ${state}`
      }
    }
    if (count < wished.size) return `${count} of ${wished.size} run`
    return undefined
  }
}
