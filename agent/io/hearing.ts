/** What the agent does with each message of the controller. */

import { sentence } from '#shared/fault.ts'
import type { Log } from '#shared/log.ts'
import type {
  Answer,
  BootstrapMessage,
  Peers,
  Question,
  ToAgent,
  ToController
} from '#shared/wire/messages.ts'
import type { AgentMesh } from '../core/ports.ts'
import type { ConsoleRelay } from './console/relay.ts'
import type { AgentLoop } from './loop.ts'

/** So many questions are being answered at once; further ones are told to come again. */
export const questionsMax = 16

/** Reads messages until the signal aborts. */
export async function hear(
  given: {
    readonly mesh: AgentMesh
    readonly loop: Pick<AgentLoop, 'takeOrder'>
    readonly relay: ConsoleRelay
    readonly answer: (question: Question) => Promise<Answer>
    /** Told of a list of candidates, and of who this host's peers are. */
    readonly briefed?: (message: BootstrapMessage | Peers) => void
    /** Told which of our heartbeats a controller has heard. */
    readonly lease?: {
      echoed(
        echo: { readonly run: string; readonly number: number },
        newest: { readonly epoch: number; readonly generation: number }
      ): void
    }
    readonly log: Log
  },
  signal: AbortSignal
): Promise<void> {
  const { mesh, loop, relay, log } = given
  let epoch = 0
  let asked = 0
  const say = (message: ToController): void => {
    try {
      mesh.send(message)
    } catch (thrown) {
      log.debug('message not sent', { type: message.type, because: sentence(thrown) })
    }
  }
  const answer = async (question: Question): Promise<void> => {
    if (asked >= questionsMax) {
      const message = `cannot answer: ${questionsMax} questions are being answered`
      const bytes = new Uint8Array()
      return say({ type: 'answer', number: question.number, code: 'unavailable', message, bytes })
    }
    asked++
    say(await given.answer(question).finally(() => asked--))
  }
  const take = (message: ToAgent): void => {
    switch (message.type) {
      case 'order':
      case 'heartbeat': {
        // Channels belong to a controller's reign; those of an earlier one are nobody's.
        if (message.epoch > epoch && epoch > 0) relay.closeAll('another controller has taken over')
        epoch = Math.max(epoch, message.epoch)
        if (message.type === 'heartbeat' && message.echo) given.lease?.echoed(message.echo, message)
        const refusal = message.type === 'order' ? loop.takeOrder(message) : undefined
        if (refusal !== undefined) say(refusal)
        return
      }
      case 'bootstrap':
      case 'peers':
        given.briefed?.(message)
        return
      case 'fence-orders':
        log.warn('fence orders came here, and this is no bootd', { epoch: message.epoch })
        return
      case 'boot-plan':
        log.warn('a boot plan came here, and this is no bootd', { epoch: message.epoch })
        return
      case 'sol-open':
        log.warn('the console of a machine was asked for here, and this is no bootd', {})
        return
      case 'bootd-question':
        log.warn('a question to a bootd came here, and this is none', { ask: message.question.ask })
        return
      case 'question':
        void answer(message)
        return
      case 'console-open':
      case 'channel-data':
      case 'channel-taken':
      case 'channel-close':
        relay.take(message)
        return
      default:
        message satisfies never
    }
  }
  for await (const message of mesh.messages(signal)) take(message)
}
