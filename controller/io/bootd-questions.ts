/**
 * Where the API asks bootds what they know, such as what a host has said in its log. Whoever has a
 * line to bootds serves it, as long as this controller leads.
 */

import type { TSchema } from 'typebox'
import { Fault, type FaultCode, isFault } from '#shared/fault.ts'
import { validator } from '#shared/model/validate.ts'
import type { Ms } from '#shared/units.ts'
import type { BootdAsk } from '#shared/wire/bootd-question.ts'
import type { Answer } from '#shared/wire/messages.ts'

/** The line to bootds. */
export type BootdLine = {
  /** Names of those that are heard. */
  readonly bootds: () => readonly string[]
  /** Asks one; Fault `deadline` or `unavailable`. */
  readonly ask: (
    bootd: string,
    question: BootdAsk,
    within: { readonly signal: AbortSignal; readonly answerMs?: Ms }
  ) => Promise<Answer>
}

/** So long is waited for the slowest, where several are asked what none alone knows. Unit: ms. */
const allAnswerMs: Ms = 2_000
/** What bootd may say of a question; all else that it says is a trouble of its own. */
const codes: readonly FaultCode[] = ['not-found', 'invalid', 'conflict']

/** What one bootd has answered, or why it has not. */
export type BootdAnswer<Value> = { readonly bootd: string } & (
  | { readonly value: Value }
  | { readonly fault: Fault }
)

/** Asks them. */
export class BootdQuestions {
  #line: BootdLine | undefined

  /** Serves them from now on; gives what ends that. */
  serve(line: BootdLine): () => void {
    this.#line = line
    return () => {
      if (this.#line === line) this.#line = undefined
    }
  }

  /** Names of the bootds that are heard. */
  get bootds(): readonly string[] {
    return this.#line?.bootds() ?? []
  }

  /**
   * Asks one; its answer has the shape of the schema. Faults: `unavailable`, `deadline`,
   * `protocol` when it is another, and whatever bootd says.
   */
  async ask<Value>(
    bootd: string,
    question: BootdAsk,
    given: { readonly schema: TSchema; readonly signal: AbortSignal; readonly answerMs?: Ms }
  ): Promise<Value> {
    const line = this.#line
    if (!line) throw new Fault('unavailable', `cannot ask bootd of ${bootd}: none is used here`)
    const { schema, ...within } = given
    const { code, message, bytes } = await line.ask(bootd, question, within)
    if (code !== undefined) {
      const known = codes.find(one => one === code) ?? 'unavailable'
      throw new Fault(known, `bootd of ${bootd}: ${message}`)
    }
    const value = parsed(bytes)
    const [problem] = validator(schema)(value)
    if (!problem) return value as Value
    throw new Fault('protocol', `bootd of ${bootd} answers something else than was asked`, {
      reasons: [`${problem.pointer} ${problem.detail}`]
    })
  }

  /** Asks all that are heard, at once; `answerMs`: what takes longer than what is only known. */
  async askAll<Value>(
    question: BootdAsk,
    given: { readonly schema: TSchema; readonly signal: AbortSignal; readonly answerMs?: Ms }
  ): Promise<readonly BootdAnswer<Value>[]> {
    const within = { answerMs: allAnswerMs, ...given }
    const asked = this.bootds.map(async bootd => {
      try {
        return { bootd, value: await this.ask<Value>(bootd, question, within) }
      } catch (thrown) {
        if (!isFault(thrown)) throw thrown
        return { bootd, fault: thrown }
      }
    })
    return await Promise.all(asked)
  }
}

function parsed(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString('utf8'))
  } catch {
    return undefined
  }
}
