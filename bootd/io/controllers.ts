/** bootd's talk with controllers: whom it lets in, what it takes from them and what it tells. */
import type { Clock } from '#shared/clock.ts'
import { type Fault, isFault, sentence } from '#shared/fault.ts'
import type { Log } from '#shared/log.ts'
import type { Ms } from '#shared/units.ts'
import type { AnsweringEnd } from '#shared/wire/answering-end.ts'
import { beat } from '#shared/wire/beat.ts'
import type { BootPlan } from '#shared/wire/boot.ts'
import { answersQuestions, type BootdQuestion } from '#shared/wire/bootd-question.ts'
import { ChannelRelay } from '#shared/wire/channel-relay.ts'
import type { FenceOrders, ToAgent, ToController } from '#shared/wire/messages.ts'
import { readWord } from '#shared/wire/neighbours.ts'
import { Bell } from '#shared/wire/queues.ts'
import { answerQuestion, type Knowing } from './answers.ts'
import type { BootService } from './boot/service.ts'
import type { Fencer } from './fencer.ts'
import type { MachineConsoles } from './sol/consoles.ts'
import { storageTrouble } from './storage-trouble.ts'

/** How often it is looked which controllers there are. Unit: ms. */
const lookMs: Ms = 1_000
/** Two reports are so long apart, and no longer than that. Unit: ms. */
const [reportApartMs, reportEveryMs]: readonly [Ms, Ms] = [50, 10_000]
/** So many questions are answered at once. */
const questionsMax = 32
/** Reports of boots are longer: of a large cloud that boots, megabytes. Unit: ms. */
const bootsApartMs: Ms = 500

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
  using lag = clock.lag()
  await beat(
    { clock },
    number => {
      const { epoch } = fencer
      end.send({ type: 'heartbeat', number, loopLagMs: lag.take(), epoch, generation: 0 })
    },
    signal
  )
}

/**
 * Takes fence orders and boot plans, and tells how fences and boots stand; who changes them says so
 * by what is returned.
 */
export function serveControllers(
  given: {
    readonly end: Pick<AnsweringEnd, 'send' | 'messages'> & { readonly line?: string | undefined }
    readonly fencer: Fencer
    readonly boots: Pick<BootService, 'want' | 'report' | 'tellProblem'>
    readonly consoles: Pick<MachineConsoles, 'attach' | 'giveWay'>
    readonly knowing: Knowing
    readonly clock: Clock
    readonly log: Log
  },
  signal: AbortSignal
): {
  readonly fencesChanged: () => void
  readonly bootsChanged: () => void
  readonly over: Promise<void>
} {
  const { end, fencer, boots, clock, log } = given
  const [fences, booting] = [new Bell(), new Bell()]
  const say = (message: ToController): void => {
    try {
      end.send(message)
    } catch (thrown) {
      log.debug('message not sent', { type: message.type, because: sentence(thrown) })
    }
  }
  const keepEpoch = telling(boots)
  const take = async ({ orders, epoch }: FenceOrders): Promise<void> => {
    try {
      await keepEpoch(fencer.want(orders, epoch))
      given.consoles.giveWay(orders)
    } catch (thrown) {
      if (!isFault(thrown)) throw thrown
      log.error('fence orders not taken', { because: sentence(thrown) })
      say({ type: 'refusal', epoch: fencer.epoch, generation: 0, because: sentence(thrown) })
    }
    fences.ring()
  }
  const plan = async (message: BootPlan): Promise<void> => {
    try {
      // It guards fences; machines boot by the new plan also where nothing can be written.
      await keepEpoch(fencer.heard(message.epoch)).catch(unlessStorage)
      await boots.want(message)
    } catch (thrown) {
      if (!isFault(thrown)) throw thrown
      log.error('boot plan not taken', { because: sentence(thrown) })
      say({ type: 'refusal', epoch: fencer.epoch, generation: 0, because: sentence(thrown) })
    }
    booting.ring()
  }
  let newest: BootPlan | undefined
  let isPlanning = false
  let planned = Promise.resolve()
  const planNewest = async (): Promise<void> => {
    isPlanning = true
    for (let next = newest; next; next = newest) {
      newest = undefined
      await plan(next)
    }
    isPlanning = false
  }
  // A plan is written to the disk, which may be slow: a fence waits for nothing of that.
  const planBeside = (message: BootPlan): void => {
    newest = message
    if (!isPlanning) planned = planNewest()
  }
  const hear = async (epoch: number): Promise<void> => {
    try {
      await keepEpoch(fencer.heard(epoch))
    } catch (thrown) {
      if (!isFault(thrown)) throw thrown
      log.debug('heartbeat not taken', { epoch, because: sentence(thrown) })
    }
  }
  const answerBeside = answering(given.knowing, say)
  const relay = new ChannelRelay(message => end.send(message))
  const listen = async (): Promise<void> => {
    let [epoch, line] = [fencer.epoch, end.line]
    for await (const message of end.messages(signal)) {
      if (message.type === 'fence-orders') await take(message)
      if (message.type === 'boot-plan') planBeside(message)
      if (message.type === 'heartbeat') await hear(message.epoch)
      // Channels belong to a reign and to a line of its; those of an earlier one are nobody's.
      if (fencer.epoch > epoch || end.line !== line) {
        relay.closeAll('the line was another one')
        say(answersQuestions)
      }
      epoch = fencer.epoch
      line = end.line
      if (message.type === 'bootd-question') answerBeside(message)
      pass(relay, given.consoles, message)
    }
    relay.closeAll('bootd is ending')
    await planned
  }
  const over = Promise.all([
    listen(),
    tellAgain({ clock, bell: fences, apartMs: reportApartMs }, signal, () => {
      say({ type: 'fence-report', states: fencer.reports() })
    }),
    tellAgain({ clock, bell: booting, apartMs: bootsApartMs }, signal, () => say(boots.report())),
    tellAgain({ clock, bell: new Bell(), apartMs: reportApartMs }, signal, () =>
      say(answersQuestions)
    )
  ]).then(() => undefined)
  return { fencesChanged: () => fences.ring(), bootsChanged: () => booting.ring(), over }
}

const unlessStorage = (thrown: unknown): void => {
  if (!isFault(thrown, 'storage')) throw thrown
}

/** Nobody is fenced by a controller whose epoch cannot be written: that is told. */
const telling =
  (boots: Pick<BootService, 'tellProblem'>) =>
  async (kept: Promise<void>): Promise<void> => {
    try {
      await kept
      boots.tellProblem('epoch', undefined)
    } catch (thrown) {
      if (isFault(thrown, 'storage')) boots.tellProblem('epoch', epochTrouble(thrown))
      throw thrown
    }
  }

const epochTrouble = (fault: Fault): string =>
  `no host is fenced through this bootd: ${storageTrouble(fault)}`

/** Answers questions beside all else: disk and network may be slow, and fences wait for neither. */
function answering(
  knowing: Knowing,
  say: (message: ToController) => void
): (question: BootdQuestion) => void {
  let asked = 0
  return question => {
    if (asked >= questionsMax) {
      const { number } = question
      const message = `cannot answer: ${questionsMax} questions are open`
      say({ type: 'answer', number, code: 'unavailable', message, bytes: new Uint8Array() })
      return
    }
    asked += 1
    void answerQuestion(question, knowing)
      .then(say)
      .finally(() => {
        asked -= 1
      })
  }
}

/** Passes on what is about consoles of machines. */
function pass(
  relay: ChannelRelay,
  consoles: Pick<MachineConsoles, 'attach'>,
  message: ToAgent
): void {
  if (message.type === 'sol-open') {
    relay.open(message.channel, viewer => consoles.attach(message, viewer))
  }
  if (
    message.type === 'channel-data' ||
    message.type === 'channel-taken' ||
    message.type === 'channel-close'
  ) {
    relay.take(message)
  }
}

/** Tells something whenever its bell rings, but not too often, and now and then all the same. */
async function tellAgain(
  given: { readonly clock: Clock; readonly bell: Bell; readonly apartMs: Ms },
  signal: AbortSignal,
  tell: () => void
): Promise<void> {
  const { clock, bell, apartMs } = given
  const next = () => bell.heard().then(() => 'rung' as const)
  let rung = next()
  while (!signal.aborted) {
    tell()
    await clock.sleep(apartMs, signal).catch(() => undefined)
    const late = new AbortController()
    const timer = clock.sleep(reportEveryMs, AbortSignal.any([late.signal, signal]))
    const first = await Promise.race([rung, timer.catch(() => undefined)])
    if (first === 'rung') rung = next()
    late.abort()
  }
}
