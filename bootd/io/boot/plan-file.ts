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
    const because = await whyNotWritten(this.#path, `${JSON.stringify(plan)}\n`)
    if (because === undefined && this.#unwritten === plan) this.#unwritten = undefined
    const says = 'the boot plan is followed, but lost when bootd ends'
    this.#onProblem(because === undefined ? undefined : `${says}: ${because}`)
  }
}

/** Writes a file; gives why it cannot be. */
async function whyNotWritten(path: string, text: string): Promise<string | undefined> {
  try {
    await writePrivateFile(path, text)
    return undefined
  } catch (thrown) {
    if (!isFault(thrown)) throw thrown
    return storageTrouble(thrown)
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

/** What boots are written down with. */
export type KeptBootsOptions = {
  readonly boots: () => readonly MachineBoot[]
  readonly clock: Clock
  /** Told why they are not kept, and when they are. */
  readonly onProblem: (problem: string | undefined) => void
}

/** Keeps how far machines have come; a disk that is full ends no boot, and is tried again. */
export class KeptBoots {
  readonly #path: string
  readonly #given: KeptBootsOptions
  #isOld = false

  constructor(path: string, given: KeptBootsOptions) {
    this.#path = path
    this.#given = given
  }

  /** Something of them is other than what is written. */
  note(): void {
    this.#isOld = true
  }

  /** Writes what is not written yet. */
  async write(): Promise<void> {
    if (!this.#isOld) return
    this.#isOld = false
    const { boots, clock, onProblem } = this.#given
    const now = { wall: clock.wall(), monotonic: clock.monotonic() }
    const because = await whyNotWritten(this.#path, JSON.stringify(keptBoots(boots(), now)))
    if (because !== undefined) this.#isOld = true
    const says = 'how far machines have come is lost when bootd ends'
    onProblem(because === undefined ? undefined : `${says}: ${because}`)
  }
}
