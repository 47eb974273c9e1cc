/**
 * Questions to bootds. A bootd of before there were questions refuses one whole and says nothing,
 * which would have each of ours wait for it. So none is asked that has not said that it answers.
 */
import { Fault } from '#shared/fault.ts'
import type { HostId } from '#shared/ids.ts'
import { answersQuestions } from '#shared/wire/bootd-question.ts'
import type { ToController } from '#shared/wire/messages.ts'
import type { AgentLines, Peer } from './agents.ts'
import type { BootdLine } from './bootd-questions.ts'

const prefix = 'bootd-'

/** Under which id the mesh knows a bootd. */
export const bootdPeer = (name: string): HostId => `${prefix}${name}` as HostId

/** Name of a bootd that the mesh knows under an id. */
export const bootdName = (peer: HostId): string => peer.slice(prefix.length)

/** A bootd as somebody who is asked, or whose channels are used. */
export const bootdSpeaker = (name: string): Peer => ({
  name: `bootd of ${name}`,
  decided: { uuid: bootdPeer(name) },
  bootdOf: name
})

/** Knows which bootds answer questions, and asks them. */
export class AskedBootds implements BootdLine {
  readonly #lines: Pick<AgentLines, 'askWith'>
  readonly #heard: () => Iterable<string>
  readonly #answering = new Set<string>()

  constructor(lines: Pick<AgentLines, 'askWith'>, heard: () => Iterable<string>) {
    this.#lines = lines
    this.#heard = heard
  }

  /** One has connected, or is lost: what comes after may be of another build. */
  forget(bootd: string): void {
    this.#answering.delete(bootd)
  }

  /** Takes what a bootd says. */
  take(bootd: string, message: ToController): void {
    if (message.type === 'answer' && message.number === answersQuestions.number) {
      this.#answering.add(bootd)
    }
  }

  readonly bootds: BootdLine['bootds'] = () => [...this.#heard()]

  readonly ask: BootdLine['ask'] = async (bootd, question, within) => {
    if (!this.#answering.has(bootd)) {
      throw new Fault('unavailable', `cannot ask bootd of ${bootd}: it answers no questions yet`, {
        reasons: ['those of older builds never do'],
        next: [`renew Remuda on ${bootd}`, 'remuda boot show']
      })
    }
    const message = (number: number) => ({ type: 'bootd-question', number, question }) as const
    return await this.#lines.askWith(bootdSpeaker(bootd), message, within)
  }
}
