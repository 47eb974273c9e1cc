/**
 * What is kept of boots. The last plan, so that machines boot also while no controller is there:
 * the cloud that holds the controllers may be what boots. And how far machines have come, so that a
 * start of bootd disturbs none. Both hold secrets of hosts, so nobody else may read them.
 */
import type { Clock } from '#shared/clock.ts'
import { isFault, sentence } from '#shared/fault.ts'
import type { Log } from '#shared/log.ts'
import { validator } from '#shared/model/validate.ts'
import { readPrivateFile, writePrivateFile } from '#shared/private-file.ts'
import { BootPlan, type BootPlan as Plan } from '#shared/wire/boot.ts'
import { keptBoots, recalledBoots } from '../../core/boot-memory.ts'
import type { MachineBoot } from '../../core/boot-progress.ts'
import { storageTrouble } from '../storage-trouble.ts'

/** No plan is longer: as text it needs more than in a message. Unit: bytes. */
const planBytesMax = 32 * 1024 * 1024

const check = validator(BootPlan)

/** Reads the kept plan; undefined: there is none that can be used, which is said in the log. */
export async function readPlan(path: string, log: Log): Promise<Plan | undefined> {
  try {
    const text = await readPrivateFile(path, planBytesMax)
    if (text === undefined) return undefined
    const value: unknown = JSON.parse(text)
    const [problem] = check(value)
    if (!problem) return value as Plan
    log.error('kept boot plan is not used', { because: `${problem.pointer} ${problem.detail}` })
  } catch (thrown) {
    if (!isFault(thrown) && !(thrown instanceof SyntaxError)) throw thrown
    log.error('kept boot plan is not used', { because: sentence(thrown) })
  }
  return undefined
}

/** Writes the last plan down; one that cannot be written now is tried again. */
export class KeptPlan {
  readonly #path: string
  readonly #onProblem: (problem: string | undefined) => void
  #unwritten: Plan | undefined
  #turn: Promise<void> = Promise.resolve()

  constructor(path: string, onProblem: (problem: string | undefined) => void) {
    this.#path = path
    this.#onProblem = onProblem
  }

  /** Resolves once it was tried. */
  async keep(plan: Plan): Promise<void> {
    this.#unwritten = plan
    await this.retry()
  }

  /** Writes what is not written yet. */
  async retry(): Promise<void> {
    if (!this.#unwritten) return
    this.#turn = this.#turn.then(() => this.#write())
    await this.#turn
  }

  async #write(): Promise<void> {
    const plan = this.#unwritten
    if (!plan) return
    try {
      await writePrivateFile(this.#path, `${JSON.stringify(plan)}\n`)
      if (this.#unwritten === plan) this.#unwritten = undefined
      this.#onProblem(undefined)
    } catch (thrown) {
      if (!isFault(thrown)) throw thrown
      const because = storageTrouble(thrown)
      this.#onProblem(`the boot plan is followed, but lost when bootd ends: ${because}`)
    }
  }
}

/** No file of boots is longer. Unit: bytes. */
const bootsBytesMax = 64 * 1024 * 1024

/** Reads how far machines had come; what cannot be used is said in the log. */
export async function readBoots(
  path: string,
  { clock, log }: { readonly clock: Clock; readonly log: Log }
): Promise<readonly MachineBoot[]> {
  try {
    const text = await readPrivateFile(path, bootsBytesMax)
    if (text === undefined) return []
    return recalledBoots(JSON.parse(text), { wall: clock.wall(), monotonic: clock.monotonic() })
  } catch (thrown) {
    if (!isFault(thrown) && !(thrown instanceof SyntaxError)) throw thrown
    log.error('kept boots are not used', { because: sentence(thrown) })
    return []
  }
}

/** Keeps how far machines have come, or says why not; a disk that is full ends no boot. */
export async function writeBoots(
  path: string,
  boots: readonly MachineBoot[],
  clock: Clock
): Promise<string | undefined> {
  const now = { wall: clock.wall(), monotonic: clock.monotonic() }
  try {
    await writePrivateFile(path, JSON.stringify(keptBoots(boots, now)))
    return undefined
  } catch (thrown) {
    if (!isFault(thrown)) throw thrown
    return `how far machines have booted is lost when bootd ends: ${storageTrouble(thrown)}`
  }
}
