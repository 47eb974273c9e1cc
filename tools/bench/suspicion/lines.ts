/**
 * How the words of agents come to the controller: one TCP connection each. A lost packet is sent
 * again after 200 ms, then after twice as long each time, and whatever follows it waits. A
 * connection on which nothing has come for 5 s is given up (the mesh asks every 2 s and waits 3 s)
 * and dialled anew: after nothing, 1 s and 3 s, then all over again.
 */
import type { Ms } from '#shared/units.ts'
import { chanceAt } from './chance.ts'
import { controllerNumber, type Scene } from './scene.ts'

const [firstRetryMs, givenUpMs]: readonly [Ms, Ms] = [200, 5_000]
const dialsMs: readonly Ms[] = [0, 1_000, 3_000]
const dialRoundMs: Ms = 5_100
/** How long a packet is on its way. */
const wayMs: Ms = 1

type Line<Message> = {
  state: 'open' | 'retrying' | 'dialling'
  arrivedAt: Ms
  /** Whether nothing could have come at some time since the last arrival. */
  wasCut: boolean
  failedAt: Ms
  tries: number
  nextAt: Ms
  readonly waiting: Message[]
}

/** The lines of all hosts to the controller. `arrived` is told in order of each line. */
export class Lines<Message> {
  readonly #lines = new Map<number, Line<Message>>()
  readonly #scene: Scene
  readonly #seed: number
  readonly #arrived: (host: number, message: Message, at: Ms) => void

  constructor(given: {
    readonly scene: Scene
    readonly seed: number
    readonly arrived: (host: number, message: Message, at: Ms) => void
  }) {
    this.#scene = given.scene
    this.#seed = given.seed
    this.#arrived = given.arrived
  }

  /** All is well with it since a moment. */
  open(host: number, arrivedAt: Ms): void {
    const line = { arrivedAt, wasCut: false, failedAt: 0, tries: 0, nextAt: 0 }
    this.#lines.set(host, { state: 'open', ...line, waiting: [] })
  }

  isOpen = (host: number): boolean => this.#lines.get(host)?.state === 'open'

  /** Nothing can be said on it, and what is said is lost. */
  isDialling = (host: number): boolean => this.#lines.get(host)?.state === 'dialling'

  /** Its agent has ended, or the machine. */
  lose(host: number, at: Ms): void {
    const line = this.#lines.get(host)!
    Object.assign(line, { state: 'dialling', nextAt: at + 500, tries: 0 })
    line.waiting.length = 0
  }

  send(host: number, message: Message, at: Ms): void {
    const line = this.#lines.get(host)!
    if (line.state === 'open' && at - line.arrivedAt > givenUpMs) this.#dial(line, at)
    if (line.state === 'dialling') return
    if (line.state === 'retrying') {
      line.waiting.push(message)
      return
    }
    if (this.#passes(host, at)) {
      this.#arrive(host, line, message, at)
      return
    }
    Object.assign(line, { state: 'retrying', failedAt: at, tries: 0, nextAt: at + firstRetryMs })
    line.waiting.push(message)
  }

  /** Tries again what is due. */
  turn(host: number, now: Ms): void {
    const line = this.#lines.get(host)!
    if (!this.#scene.isOpen(host, controllerNumber, now)) line.wasCut = true
    while (line.state !== 'open' && line.nextAt <= now) {
      if (line.state === 'retrying') this.#retry(host, line)
      else this.#redial(host, line, now)
    }
  }

  #retry(host: number, line: Line<Message>): void {
    if (this.#passes(host, line.nextAt)) {
      line.state = 'open'
      for (const message of line.waiting) this.#arrive(host, line, message, line.nextAt)
      line.waiting.length = 0
      return
    }
    line.tries += 1
    line.nextAt = line.failedAt + firstRetryMs * (2 ** (line.tries + 1) - 1)
    if (line.nextAt <= line.failedAt + givenUpMs) return
    line.waiting.length = 0
    Object.assign(line, { state: 'dialling', tries: 0, nextAt: line.failedAt + givenUpMs })
  }

  #redial(host: number, line: Line<Message>, now: Ms): void {
    const { nextAt } = line
    const isThere = this.#scene.runs(host, now) && !this.#scene.isAbsent(host, now)
    if (!this.#scene.isOpen(host, controllerNumber, nextAt)) line.wasCut = true
    if (isThere && this.#passes(host, nextAt) && this.#passes(host, nextAt, 1)) {
      Object.assign(line, { state: 'open', arrivedAt: now })
      return
    }
    // A machine that takes calls keeps the connection until its agent turns to it.
    if (!line.wasCut) {
      line.nextAt += 100
      return
    }
    line.tries += 1
    const [round, dial] = [Math.floor(line.tries / dialsMs.length), line.tries % dialsMs.length]
    const before = dialsMs[(line.tries - 1) % dialsMs.length]!
    line.nextAt += dial === 0 && round > 0 ? dialRoundMs - before : dialsMs[dial]! - before
  }

  /** The controller has given it up while nothing came. */
  #dial(line: Line<Message>, at: Ms): void {
    line.state = 'dialling'
    line.tries = 0
    line.nextAt = line.wasCut ? line.arrivedAt + givenUpMs : at + 100
  }

  #arrive(host: number, line: Line<Message>, message: Message, at: Ms): void {
    line.arrivedAt = at + wayMs
    line.wasCut = false
    this.#arrived(host, message, at + wayMs)
  }

  #passes(host: number, at: Ms, packet = 0): boolean {
    if (!this.#scene.isOpen(host, controllerNumber, at)) return false
    const chance = chanceAt(this.#seed, [host, Math.floor(at), 1_000 + packet])
    return chance >= this.#scene.lossOf(host, controllerNumber, at)
  }
}
