import test, { type ExecutionContext } from 'ava'
import { Fault } from '#shared/fault.ts'
import { silentLog } from '#shared/log.ts'
import type { Answer, Question, Refusal, ToAgent, ToController } from '#shared/wire/messages.ts'
import type { Order } from '#shared/wire/order.ts'
import { answer } from '../../agent/io/answers.ts'
import type { ConsoleRelay } from '../../agent/io/console/relay.ts'
import { hear, questionsMax } from '../../agent/io/hearing.ts'
import { FakeClock } from '../world/fake-clock.ts'
import { FakeHypervisor } from '../world/fake-hypervisor.ts'
import { type FakeControllerMesh, FakeNet } from '../world/fake-mesh.ts'
import { emptyOrder } from './samples.ts'

const settle = () => new FakeClock().settle()
const host = 'h-1'

/** Listens to controllers that the test speaks for. */
async function listen(
  t: ExecutionContext,
  given: { readonly answer?: (question: Question) => Promise<Answer> } = {}
) {
  const net = new FakeNet()
  const { mesh, peer } = await net.agent(host)
  const said: ToController[] = []
  const taken: Order[] = []
  const relayed: string[] = []
  let refusal: Refusal | undefined
  const end = new AbortController()
  const relay = {
    take: ({ type }: ToAgent) => void relayed.push(type),
    closeAll: (because: string) => void relayed.push(because)
  } as unknown as ConsoleRelay
  const hearing = hear(
    {
      mesh,
      relay,
      loop: {
        takeOrder: order => {
          taken.push(order)
          return refusal
        }
      },
      answer: given.answer ?? (async ({ number }) => anAnswer(number)),
      log: silentLog
    },
    end.signal
  )
  const read = async (controller: FakeControllerMesh) => {
    for await (const heard of controller.messages(end.signal)) {
      if (heard.type === 'message') said.push(heard.message)
    }
  }
  t.teardown(async () => {
    end.abort()
    await hearing
    await net[Symbol.asyncDispose]()
  })
  /** A controller of an epoch; gives the way to say something. */
  const controller = (epoch: number) => {
    const made = net.controller(() => epoch)
    made.setPeers([peer])
    void read(made)
    return async (...messages: readonly ToAgent[]) => {
      for (const message of messages) made.send(host, message)
      await settle()
    }
  }
  const refuse = (because: string) => {
    refusal = { type: 'refusal', epoch: 1, generation: 9, because }
  }
  return { said, taken, relayed, refuse, controller }
}
const anAnswer = (number: number): Answer => ({
  type: 'answer',
  number,
  message: '',
  bytes: new Uint8Array()
})
const aQuestion = (number: number): Question => ({
  type: 'question',
  number,
  ask: 'console-log',
  subject: 'i-1'
})
const aHeartbeat = (epoch: number): ToAgent => ({
  type: 'heartbeat',
  number: 1,
  loopLagMs: 0,
  epoch,
  generation: 0
})

test('an order goes to the loop, and its refusal back', async t => {
  const { controller, taken, said, refuse } = await listen(t)
  const say = controller(1)
  await say(emptyOrder())
  t.is(taken.length, 1)
  t.deepEqual(said, [])
  refuse('it is old')
  await say(emptyOrder())
  t.like(said[0], { type: 'refusal', because: 'it is old' })
})

test('consoles of a controller that is over are closed', async t => {
  const { controller, relayed } = await listen(t)
  const first = controller(1)
  await first(aHeartbeat(1), { type: 'console-open', channel: 'c', instance: 'i-1' }, aHeartbeat(1))
  await controller(2)(aHeartbeat(2))
  t.deepEqual(relayed, ['console-open', 'another controller has taken over'])
})

test(`more than ${questionsMax} questions at once are told to come again`, async t => {
  const held = Promise.withResolvers<void>()
  const { controller, said } = await listen(t, {
    answer: async ({ number }) => {
      await held.promise
      return anAnswer(number)
    }
  })
  await controller(1)(...Array.from({ length: questionsMax + 1 }, (_, number) => aQuestion(number)))
  t.deepEqual(
    said.map(each => each.type === 'answer' && [each.number, each.code]),
    [[questionsMax, 'unavailable']]
  )
  held.resolve()
  await settle()
  t.is(said.length, questionsMax + 1)
})

test('questions are answered with bytes, or with a code', async t => {
  const hypervisor = new FakeHypervisor()
  const { uuid } = hypervisor.addForeign({ name: 'a', driver: 'qemu' })
  const consoles = { log: async () => Buffer.from('booting') }
  const ask = (ask: Question['ask'], subject: string) =>
    answer({ type: 'question', number: 7, ask, subject }, { hypervisor, consoles })
  t.is(Buffer.from((await ask('console-log', 'i-1')).bytes).toString(), 'booting')
  const stats = await ask('instance-stats', `i-${uuid}`)
  t.is(JSON.parse(Buffer.from(stats.bytes).toString()).uuid, uuid)
  t.is((await ask('instance-stats', 'i-unknown')).code, 'not-found')
  hypervisor.failNext('stats', new Fault('deadline', 'cannot ask libvirt'))
  t.like(await ask('instance-stats', `i-${uuid}`), {
    number: 7,
    code: 'deadline',
    message: 'cannot ask libvirt'
  })
})
