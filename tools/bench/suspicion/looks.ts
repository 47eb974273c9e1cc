/**
 * What peers find of each other, as agent/io/probes.ts looks for them: a handshake each second, of
 * whom nobody answers in a second is missed, and his machine is called besides after 300 ms.
 */
import type { Ms } from '#shared/units.ts'
import type { MachineSign } from '../../../controller/core/witnesses.ts'
import { chanceAt, waitOf } from './chance.ts'
import type { Scene } from './scene.ts'

const [everyMs, lookMsMax, callAfterMs]: readonly [Ms, Ms, Ms] = [1_000, 1_000, 300]
/** Who finds so much later that a look is over has stood still himself: it says nothing. */
const overrunMs: Ms = 250
/** An answer comes after so long, and after a lost packet so much later. */
const [answerMs, againMs]: readonly [Ms, Ms] = [2, 200]
/** Packets of a handshake besides the first two: one of these that is lost is sent again soon. */
const packets = 4

/** What was found of one peer last. */
export type Found = { readonly reached: boolean; readonly sign?: MachineSign; readonly at: Ms }

type Look = {
  readonly at: Ms
  /** Whether the machine took the call. */
  readonly isTaken: boolean
  /** When it is answered, if its agent runs. */
  answersAt: Ms
  sign: MachineSign | undefined
}

/** One that looks for another, and what it has found. */
export class Pair {
  readonly by: number
  readonly of: number
  found: Found | undefined
  #look: Look | undefined
  #nextAt: Ms
  readonly #key: number
  readonly #phase: Ms

  constructor(by: number, of: number, now: Ms) {
    this.by = by
    this.of = of
    this.#key = 10_000 + by * 1_000 + of
    this.#phase = Math.floor(chanceAt(this.#key, [0, 0, 0]) * everyMs)
    this.#nextAt = this.#after(now)
    this.found = { reached: true, at: this.#nextAt - everyMs + answerMs }
  }

  #after = (now: Ms): Ms =>
    Math.floor((now - this.#phase) / everyMs) * everyMs + everyMs + this.#phase

  get isLooking(): boolean {
    return this.#look !== undefined
  }

  /** Looks and finds until a moment; whether something is otherwise than before. */
  turn(scene: Scene, seed: number, now: Ms): boolean {
    if (scene.isAbsent(this.by, now)) {
      this.#look = undefined
      this.found = undefined
      return false
    }
    // Who does not run neither looks nor finds: it goes on from where it stopped.
    if (!scene.runs(this.by, now)) return false
    const before = this.found
    this.#turn(scene, seed, now)
    const { found } = this
    return found !== before && (before?.reached !== found?.reached || before?.sign !== found?.sign)
  }

  #turn(scene: Scene, seed: number, now: Ms): void {
    this.#find(scene, seed, now)
    if (this.#nextAt > now) return
    if (!this.#look)
      this.#look = this.#begun(scene, seed, this.#nextAt > now - 200 ? this.#nextAt : now)
    this.#nextAt = this.#after(now)
    this.#find(scene, seed, now)
  }

  #begun(scene: Scene, seed: number, at: Ms): Look {
    const chance = (draw: number): number => chanceAt(seed, [this.#key, Math.floor(at), draw])
    const loss = scene.lossOf(this.by, this.of, at)
    const isTaken = scene.isOpen(this.by, this.of, at) && chance(0) >= loss && chance(1) >= loss
    const isSlow = chance(2) < 1 - (1 - loss) ** packets
    const lagMs = scene.lagOf(this.of, at)
    const lateMs = lagMs === 0 ? 0 : waitOf(lagMs, chance(9))
    const answersAt = at + answerMs + lateMs + (isSlow ? againMs : 0)
    return { at, isTaken, answersAt, sign: undefined }
  }

  #find(scene: Scene, seed: number, now: Ms): void {
    const look = this.#look
    if (!look) return
    const endsAt = look.at + lookMsMax
    if (now > endsAt + overrunMs) {
      this.#look = undefined
      return
    }
    if (look.isTaken && (!scene.runs(this.of, now) || scene.isAbsent(this.of, now))) {
      look.answersAt = Math.max(look.answersAt, now + answerMs)
    }
    if (look.isTaken && look.answersAt <= Math.min(now, endsAt)) {
      const isOpen = scene.isOpen(this.by, this.of, now)
      if (isOpen) {
        this.#note({ reached: true, at: look.answersAt })
        return
      }
    }
    const callAt = look.at + callAfterMs
    if (look.sign === undefined && now >= callAt) look.sign = this.#called(scene, seed, callAt)
    if (now >= endsAt) this.#note({ reached: false, sign: look.sign ?? 'silent', at: now })
  }

  #called(scene: Scene, seed: number, at: Ms): MachineSign {
    const loss = scene.lossOf(this.by, this.of, at)
    const chance = (draw: number): number => chanceAt(seed, [this.#key, Math.floor(at), draw])
    const isTaken = scene.isOpen(this.by, this.of, at) && chance(10) >= loss && chance(11) >= loss
    if (!isTaken) return 'silent'
    return scene.isAbsent(this.of, at) ? 'refuses' : 'accepts'
  }

  #note(found: Found): void {
    this.found = found
    this.#look = undefined
  }
}
