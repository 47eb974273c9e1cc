/** bootd's talk with controllers: whom it lets in, what it takes from them and what it tells. */
import type { Clock } from '#shared/clock.ts'
import { isFault, sentence } from '#shared/fault.ts'
import type { Log } from '#shared/log.ts'
import { LoopLag } from '#shared/loop-lag.ts'
import type { Ms } from '#shared/units.ts'
import type { AnsweringEnd } from '#shared/wire/answering-end.ts'
import { beat } from '#shared/wire/beat.ts'
import type { FenceOrders, ToController } from '#shared/wire/messages.ts'
import { readWord } from '#shared/wire/neighbours.ts'
import { Bell } from '#shared/wire/queues.ts'
import type { Fencer } from './fencer.ts'

/** How often it is looked which controllers there are. Unit: ms. */
const lookMs: Ms = 1_000
/** Two reports are so long apart, and no longer than that. Unit: ms. */
const [reportApartMs, reportEveryMs]: readonly [Ms, Ms] = [50, 10_000]

/** CURVE keys of the controllers that may dial, as the controller on this machine has left them. */
export const readAdmitted = async (state: string): Promise<readonly string[]> =>
  (await readWord(state, 'controllers'))?.keys ?? []

/** Lets in whoever is named from now on, until the signal aborts. */
export async function keepAdmitted(
  state: string,
  given: { readonly end: AnsweringEnd; readonly clock: Clock; readonly log: Log },
  signal: AbortSignal
): Promise<void> {
  const { end, clock, log } = given
  let known = ''
  while (!signal.aborted) {
    const keys = await readAdmitted(state)
    const text = keys.toSorted().join(' ')
    // A file that is gone for a moment takes no key back.
    if (keys.length > 0 && text !== known) {
      await end.admit(keys)
      log.info('controllers that are let in', { count: keys.length })
      known = text
    }
    await clock.sleep(lookMs, signal).catch(() => undefined)
  }
}

/** Says twice a second that it lives. */
export async function sendHeartbeats(
  given: {
    readonly end: Pick<AnsweringEnd, 'send'>
    readonly fencer: Fencer
    readonly clock: Clock
  },
  signal: AbortSignal
): Promise<void> {
  const { end, fencer, clock } = given
  using lag = new LoopLag()
  await beat(
    { clock },
    number => {
      const { epoch } = fencer
      end.send({ type: 'heartbeat', number, loopLagMs: lag.take(), epoch, generation: 0 })
    },
    signal
  )
}

/** Takes fence orders and tells how fences stand; `changed` is to be called when they do. */
export function serveFences(
  given: {
    readonly end: Pick<AnsweringEnd, 'send' | 'messages'>
    readonly fencer: Fencer
    readonly clock: Clock
    readonly log: Log
  },
  signal: AbortSignal
): { readonly changed: () => void; readonly over: Promise<void> } {
  const { end, fencer, clock, log } = given
  const bell = new Bell()
  const say = (message: ToController): void => {
    try {
      end.send(message)
    } catch (thrown) {
      log.debug('message not sent', { type: message.type, because: sentence(thrown) })
    }
  }
  const take = async ({ orders, epoch }: FenceOrders): Promise<void> => {
    try {
      await fencer.want(orders, epoch)
    } catch (thrown) {
      if (!isFault(thrown)) throw thrown
      log.error('fence orders not taken', { because: sentence(thrown) })
      say({ type: 'refusal', epoch: fencer.epoch, generation: 0, because: sentence(thrown) })
    }
    bell.ring()
  }
  const hear = async (epoch: number): Promise<void> => {
    try {
      await fencer.heard(epoch)
    } catch (thrown) {
      if (!isFault(thrown)) throw thrown
      log.debug('heartbeat not taken', { epoch, because: sentence(thrown) })
    }
  }
  const listen = async (): Promise<void> => {
    for await (const message of end.messages(signal)) {
      if (message.type === 'fence-orders') await take(message)
      if (message.type === 'heartbeat') await hear(message.epoch)
    }
  }
  const tell = async (): Promise<void> => {
    const next = () => bell.heard().then(() => 'rung' as const)
    let rung = next()
    while (!signal.aborted) {
      say({ type: 'fence-report', states: fencer.reports() })
      await clock.sleep(reportApartMs, signal).catch(() => undefined)
      const late = new AbortController()
      const timer = clock.sleep(reportEveryMs, AbortSignal.any([late.signal, signal]))
      const first = await Promise.race([rung, timer.catch(() => undefined)])
      if (first === 'rung') rung = next()
      late.abort()
    }
  }
  const over = Promise.all([listen(), tell()]).then(() => undefined)
  return { changed: () => bell.ring(), over }
}
