/**
 * A cloud in virtual time, of which all programs but the core of the controller are sketched: their
 * beats, their looks for each other, their lines.
 *
 * What is skipped: the stretches in which nothing befalls anybody, from when all that was late has
 * come and all that was missed is found again, until 1 s before the next spell. In such a stretch a
 * beat can be late by lost packets alone, and to be as late as the shortest time at which anybody
 * is judged at all three in a row must be lost, 10⁻¹² at a time; nobody is silent, so nobody is
 * judged, whatever peers say. Within a stretch that is played, of hosts that nothing befalls and
 * that look for nobody whom it does only the last beat before each judgement is taken in: of the
 * others it says the same. `skips: false` plays all of it; a test holds that both agree.
 */
import type { Ms } from '#shared/units.ts'
import { livenessLimits } from '../../../controller/core/liveness.ts'
import type { Patience } from '../../../controller/core/suspicion-times.ts'
import { chanceAt, lognormal, waitOf } from './chance.ts'
import { type Deed, Judge, peersOf, type Said, uuidOf } from './judge.ts'
import { Lines } from './lines.ts'
import { Pair } from './looks.ts'
import { controllerNumber, Scene } from './scene.ts'
import { type Extent, type Spell, withoutHarmless } from './spells.ts'

/** The controller's loop is looked at so often; in life it turns at each word. Unit: ms. */
export const stepMs: Ms = 100
const [beatMs, beatsPerReport, warmMs]: readonly [Ms, number, Ms] = [500, 4, 1_000]
const { silentMs } = livenessLimits
/** From the decision until a device has read off twice: as measured in the lab. */
const fenceLasts = { median: 300, sigma: 0.15 }
/** From a fence until the host that it has switched off is up again. */
const offMs: Ms = 6_000

/** What is told of a play. */
export type Witness = {
  /** With what is the matter with the host of a deed, or was a moment ago. */
  readonly told: (deed: Deed, isDead: boolean, around: readonly Spell[]) => void
}

/** Plays a cloud from its beginning to its end, and gives how much of it was played. Unit: ms. */
export function play(
  spells: readonly Spell[],
  given: {
    readonly extent: Extent
    readonly patience: Patience
    readonly skips: boolean
    readonly told: Witness['told']
  }
): Ms {
  const { extent, skips } = given
  const cloud = new Play(spells, given)
  const endsAt = extent.hours * 3_600_000
  let now = 0
  let playedMs = 0
  if (!skips) cloud.followAll(now)
  while (now < endsAt) {
    now += stepMs
    playedMs += stepMs
    cloud.step(now)
    const next = Math.floor((cloud.nextFrom - warmMs) / stepMs) * stepMs
    if (!skips || next <= now || !cloud.isCalm(now)) continue
    cloud.rest()
    now = Math.min(next, endsAt)
    cloud.wakeUp(now)
  }
  return playedMs
}

class Play {
  readonly #extent: Extent
  readonly #scene: Scene
  readonly #lines: Lines<Said>
  readonly #judge: Judge
  readonly #isFull: boolean
  readonly #judgedMs: Ms
  readonly #rackOf: (host: number) => number
  readonly #peers: readonly (readonly number[])[]
  readonly #pairs = new Map<number, readonly Pair[]>()
  /** When each host that is followed beats next, how many beats that makes, and its boot. */
  readonly #beats = new Map<number, { at: Ms; number: number }>()
  readonly #reporting = new Set<number>()
  readonly #boots: number[]
  readonly #wasDead = new Set<number>()
  readonly #wasAbsent = new Set<number>()
  readonly #proofs = new Map<number, Ms>()
  #inbox: { readonly host: number; readonly said: Said; readonly at: Ms }[] = []
  #isPaused = false

  constructor(spells: readonly Spell[], given: Parameters<typeof play>[1]) {
    const { extent, patience, skips, told } = given
    const perRack = Math.ceil(extent.hosts / extent.racks)
    this.#extent = extent
    this.#isFull = !skips
    this.#rackOf = host => Math.floor(host / perRack)
    this.#scene = new Scene(skips ? withoutHarmless(spells) : spells, this.#rackOf)
    this.#judgedMs = Math.min(patience.suspectMs, 2_000)
    this.#peers = peersOf(extent.hosts, this.#rackOf)
    this.#boots = Array.from({ length: extent.hosts }, () => 0)
    this.#lines = new Lines<Said>({
      scene: this.#scene,
      seed: extent.seed,
      arrived: (host, said, at) => void this.#inbox.push({ host, said, at })
    })
    this.#judge = new Judge({
      hosts: extent.hosts,
      rackOf: this.#rackOf,
      patience,
      told: deed => {
        const isDead = this.#scene.isDead(deed.host, deed.at)
        told(deed, isDead, this.#scene.around(deed.host))
        if (deed.what === 'fencing') this.#beginFence(deed)
      }
    })
  }

  get nextFrom(): Ms {
    return this.#scene.nextFrom
  }

  followAll(now: Ms): void {
    for (let host = 0; host < this.#extent.hosts; host += 1) this.#follow(host, now)
  }

  /** Nothing is the matter and nothing is owed. */
  isCalm(now: Ms): boolean {
    if (!this.#scene.isQuiet || !this.#judge.isCalm || this.#inbox.length > 0) return false
    if (this.#proofs.size > 0) return false
    for (const host of this.#beats.keys()) {
      if (!this.#lines.isOpen(host) || now - this.#judge.heardAt(host) > 2 * beatMs) return false
      for (const { found, isLooking } of this.#pairs.get(host)!) {
        if (isLooking || !found?.reached) return false
      }
    }
    return true
  }

  rest(): void {
    this.#beats.clear()
    this.#pairs.clear()
    this.#reporting.clear()
  }

  /** The loop has turned all the while, and all were heard. */
  wakeUp(now: Ms): void {
    this.#judge.turn(now)
    this.#hearOthers(now)
  }

  step(now: Ms): void {
    for (const spell of this.#scene.advance(now + warmMs, now)) this.#concern(spell, now)
    for (const host of this.#beats.keys()) this.#live(host, now)
    const runs = this.#scene.runs(controllerNumber, now)
    if (!runs) {
      this.#isPaused = true
      return
    }
    // Its timers come before what waits in its sockets.
    if (this.#isPaused) this.#decide(now)
    this.#takeIn(now)
    this.#decide(now)
    this.#isPaused = false
  }

  /** Follows whom a spell befalls, and those that look for him. */
  #concern({ whom }: Spell, now: Ms): void {
    const { hosts } = this.#extent
    for (let host = 0; host < hosts; host += 1) {
      const isHit =
        whom.scope === 'controller' ||
        whom.scope === 'cloud' ||
        (whom.scope === 'rack' ? this.#rackOf(host) : host) === whom.number
      if (!isHit) continue
      this.#follow(host, now)
      for (let by = 0; by < hosts; by += 1) {
        if (this.#peers[by]!.includes(host)) this.#follow(by, now)
      }
    }
  }

  #follow(host: number, now: Ms): void {
    if (this.#beats.has(host)) return
    const lastAt = this.#lastBeat(host, now)
    this.#beats.set(host, { at: lastAt + beatMs, number: this.#numberAt(host, lastAt) + 1 })
    this.#lines.open(host, lastAt + 1)
    this.#pairs.set(
      host,
      this.#peers[host]!.map(peer => new Pair(host, peer, now))
    )
    if (!this.#isFull) this.#judge.hear(host, this.#report(host, lastAt), lastAt + 1)
  }

  #phase = (host: number): Ms => Math.floor(chanceAt(7, [host, 0, 0]) * beatMs)
  #numberAt = (host: number, at: Ms): number => Math.round((at - this.#phase(host)) / beatMs)
  #lastBeat = (host: number, now: Ms): Ms =>
    Math.floor((now - 1 - this.#phase(host)) / beatMs) * beatMs + this.#phase(host)

  #report(host: number, now: Ms): Said {
    const peers = this.#pairs.get(host)!.flatMap(({ of, found }) => {
      if (!found) return []
      const { at, ...rest } = found
      return [{ host: uuidOf(of), ...rest, ageMs: Math.max(0, Math.round(now - at)) }]
    })
    return { boot: this.#boots[host]!, peers }
  }

  /** What a host that is followed does until a moment. */
  #live(host: number, now: Ms): void {
    const scene = this.#scene
    if (scene.isDead(host, now)) this.#wasDead.add(host)
    else if (this.#wasDead.delete(host)) this.#boot(host, now)
    const isAbsent = scene.isAbsent(host, now)
    if (isAbsent && !this.#wasAbsent.has(host)) this.#lines.lose(host, now)
    if (isAbsent) this.#wasAbsent.add(host)
    else this.#wasAbsent.delete(host)
    this.#lines.turn(host, now)
    for (const pair of this.#pairs.get(host)!) {
      if (pair.turn(scene, this.#extent.seed, now)) this.#reporting.add(host)
    }
    this.#beat(host, now)
    if (!this.#reporting.has(host) || !scene.runs(host, now) || isAbsent) return
    if (this.#lines.isDialling(host)) return
    this.#reporting.delete(host)
    this.#lines.send(host, this.#report(host, now), now)
  }

  #boot(host: number, now: Ms): void {
    this.#boots[host]! += 1
    this.#lines.lose(host, now)
    this.#reporting.add(host)
  }

  #beat(host: number, now: Ms): void {
    const beat = this.#beats.get(host)!
    while (beat.at <= now) {
      const runs = this.#scene.runs(host, beat.at) && this.#scene.runs(host, now)
      if (!runs && !this.#scene.runs(host, now)) return
      const at = runs ? beat.at : now
      const said = beat.number % beatsPerReport === 0 ? this.#report(host, at) : undefined
      if (!this.#scene.isAbsent(host, at)) {
        this.#lines.send(host, said ?? { boot: this.#boots[host]! }, at)
      }
      // The next one at its own time, but those that were missed are not made up for.
      const lastAt = this.#lastBeat(host, Math.floor(at) + 1)
      beat.number = Math.max(beat.number, this.#numberAt(host, lastAt)) + 1
      const dueAt = this.#phase(host) + beat.number * beatMs
      const { seed } = this.#extent
      beat.at = dueAt + waitOf(this.#scene.lagOf(host, at), chanceAt(seed, [host, beat.number, 9]))
    }
  }

  #takeIn(now: Ms): void {
    if (this.#inbox.length === 0) return
    const due = this.#inbox.filter(({ at }) => at <= now)
    this.#inbox = this.#inbox.filter(({ at }) => at > now)
    // Those that came while it stood still are read now.
    for (const { host, said, at } of due.sort((a, b) => a.at - b.at || a.host - b.host)) {
      this.#judge.hear(host, said, this.#isPaused ? now : at)
    }
  }

  #decide(now: Ms): void {
    this.#judge.turn(now)
    for (const [host, at] of this.#proofs) if (at <= now) this.#prove(host, now)
    if (!this.#isFull && !this.#isLoud(now)) return
    this.#hearOthers(now)
    this.#judge.judge(now)
  }

  #isLoud(now: Ms): boolean {
    if (this.#judge.isRestless) return true
    for (const host of this.#beats.keys()) {
      if (now - this.#judge.heardAt(host) < this.#judgedMs) continue
      if (this.#judge.fenceOf(host) !== 'fenced') return true
      // Until it is seen that it is silent, which is of some interest when it is back.
      if (now - this.#judge.heardAt(host) < silentMs + 2 * stepMs) return true
    }
    return false
  }

  /** Those that are not followed have beaten in time. */
  #hearOthers(now: Ms): void {
    for (let host = 0; host < this.#extent.hosts; host += 1) {
      if (this.#beats.has(host)) continue
      const at = this.#lastBeat(host, now) + 1
      if (this.#judge.heardAt(host) < at) this.#judge.hear(host, { boot: this.#boots[host]! }, at)
    }
  }

  #beginFence({ host, at }: Deed): void {
    const draw = (which: number): number => chanceAt(this.#extent.seed, [host, at / stepMs, which])
    this.#proofs.set(host, at + lognormal(fenceLasts, [draw(20), draw(21)]))
  }

  /** Unless it was withdrawn before. */
  #prove(host: number, now: Ms): void {
    this.#proofs.delete(host)
    if (this.#judge.fenceOf(host) !== 'fencing') return
    const whom = { scope: 'host', number: host } as const
    this.#scene.add({ name: 'fenced', kind: 'off', whom, from: now, to: now + offMs, amount: 0 })
    this.#lines.lose(host, now)
    this.#judge.proveOff(host, now)
  }
}
