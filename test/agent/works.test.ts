import { AssertionError } from 'node:assert'
import test from 'ava'
import { Fault } from '#shared/fault.ts'
import type { ObservedDomains } from '../../agent/core/observed.ts'
import type { Step, StepResult } from '../../agent/core/steps.ts'
import { act, workAtOnceMax } from '../../agent/io/act.ts'
import { Bell } from '../../agent/io/bell.ts'
import { domainsMsMax, Eyes } from '../../agent/io/eyes.ts'
import { Works } from '../../agent/io/works.ts'
import { FakeClock } from '../world/fake-clock.ts'
import { FakeHypervisor } from '../world/fake-hypervisor.ts'
import { FakeNetwork } from '../world/fake-network.ts'
import { FakeStorage } from '../world/fake-storage.ts'
import { idOf, image, instance, pool, volume } from './samples.ts'

const fetch = (number: number): Step => ({
  type: 'fetch-image',
  image: image({ id: idOf('im', number) }),
  because: ''
})
const shutdown: Step = {
  type: 'shutdown',
  instance: instance(),
  domain: { driver: 'qemu', uuid: instance().id.slice(2) },
  because: ''
}

/** Works whose steps end when the test says so. */
function makeWorks() {
  const going = new Map<Step, PromiseWithResolvers<StepResult>>()
  const signals = new Map<Step, AbortSignal>()
  let rung = 0
  const works = new Works({
    act: (step, signal) => {
      const work = Promise.withResolvers<StepResult>()
      going.set(step, work)
      signals.set(step, signal)
      return work.promise
    },
    onEnded: () => rung++
  })
  return { works, going, signals, rung: () => rung }
}

test('a lane holds one step until its end was taken up', async t => {
  const { works, going, rung } = makeWorks()
  const step = fetch(1)
  t.true(works.begin(step))
  t.false(works.begin(fetch(1)))
  going.get(step)!.resolve({})
  await new FakeClock().settle()
  t.is(rung(), 1)
  t.false(works.begin(fetch(1)))
  t.deepEqual(works.steps, [step])
  t.deepEqual(works.takeEnded(), [{ step, state: 'done', result: {} }])
  t.true(works.begin(fetch(1)))
})

test(`${workAtOnceMax.fetch} fetches go on at once, and others do not wait for them`, t => {
  const { works } = makeWorks()
  const begun = [1, 2, 3].map(number => works.begin(fetch(number)))
  t.deepEqual(begun, [true, true, false])
  t.true(works.begin({ type: 'open-pool', pool: pool(), because: '' }))
  t.true(works.begin(shutdown))
})

test('what is no longer wished for is withdrawn, and nothing else', t => {
  const { works, signals } = makeWorks()
  const [one, two] = [fetch(1), fetch(2)]
  works.begin(one)
  works.begin(two)
  works.withdrawAllBut([fetch(2)])
  t.true(signals.get(one)?.aborted)
  t.false(signals.get(two)?.aborted)
})

test('a failure that nobody foresaw is a failure of the step', async t => {
  const { works, going } = makeWorks()
  const step = fetch(1)
  works.begin(step)
  going.get(step)!.reject(new TypeError('x is not a function'))
  await new FakeClock().settle()
  t.like(works.takeEnded()[0], { state: 'failed', fault: { code: 'unavailable' } })
})

test('a bug of ours ends the agent', async t => {
  const { works, going } = makeWorks()
  const step = fetch(1)
  works.begin(step)
  going.get(step)!.reject(new AssertionError({ message: 'this cannot be' }))
  await new FakeClock().settle()
  t.throws(() => works.takeEnded(), { instanceOf: AssertionError })
})

function makeHands() {
  const clock = new FakeClock()
  const hypervisor = new FakeHypervisor()
  const storage = new FakeStorage()
  const networks = new FakeNetwork()
  return {
    clock,
    hypervisor,
    storage,
    networks,
    forgetConsole: async () => {},
    findRemains: async () => []
  }
}

test('a step that takes too long fails with its deadline, and is told to give up', async t => {
  const hands = makeHands()
  hands.storage.hold('fetchImage')
  const end = new AbortController()
  const acting = t.throwsAsync(act(fetch(1), hands, end.signal), { instanceOf: Fault })
  await hands.clock.pass(3_600_000)
  const fault = await acting
  t.is(fault?.code, 'deadline')
  t.is(fault?.message, 'cannot fetch image tiny, 1000000 bytes: it took longer than 3600000 ms')
})

test('a request to shut down that hangs is given up as soon as it is withdrawn', async t => {
  const hands = makeHands()
  hands.hypervisor.shutdown = () => new Promise(() => {})
  const end = new AbortController()
  const acting = t.throwsAsync(act(shutdown, hands, end.signal), { code: 'aborted' })
  end.abort()
  await acting
  t.is(hands.clock.monotonic(), 0)
})

test('a removal that has begun is brought to its end', async t => {
  const hands = makeHands()
  hands.storage.hold('removeVolume')
  const end = new AbortController()
  const step = { type: 'remove-volume', volume: volume(), pool: pool(), because: '' } as const
  const acting = act(step, hands, end.signal)
  end.abort()
  await hands.clock.settle()
  hands.storage.release('removeVolume')
  t.deepEqual(await acting, {})
})

test('while libvirt hangs it is asked once, and its late answer is not believed', async t => {
  const { clock, hypervisor, storage } = makeHands()
  const eyes = new Eyes({ hypervisor, storage, clock, findRemains: async () => [] })
  const { signal } = new AbortController()
  const answers: PromiseWithResolvers<readonly []>[] = []
  hypervisor.domains = () => {
    answers.push(Promise.withResolvers())
    return answers.at(-1)!.promise
  }
  const seen = (domains: ObservedDomains) => ({
    domains,
    transfers: new Map(),
    arrivals: new Map()
  })
  const look = (domains: ObservedDomains) => eyes.domains(seen(domains), undefined, signal)
  const first = look({ state: 'unknown', because: '' })
  await clock.pass(domainsMsMax)
  t.like((await first).domains, { state: 'unknown' })
  const second = look({ state: 'fresh', list: [] })
  await clock.pass(domainsMsMax)
  t.like((await second).domains, { state: 'old', list: [] })
  t.is(answers.length, 1)
  const third = look({ state: 'fresh', list: [] })
  answers[0]!.resolve([])
  await clock.settle()
  t.is(answers.length, 2, 'the answer may be older than what was done since')
  answers[1]!.resolve([])
  t.like((await third).domains, { state: 'fresh' })
})

test('a bell that was rung before anybody waits is heard at once', async t => {
  const clock = new FakeClock()
  const bell = new Bell()
  const { signal } = new AbortController()
  bell.ring()
  await bell.heard(1_000, { clock, signal })
  t.is(clock.monotonic(), 0)
  const waiting = bell.heard(1_000, { clock, signal })
  await clock.pass(1_000)
  await waiting
  t.is(clock.monotonic(), 1_000)
})

test('waiting for a bell ends with the signal', async t => {
  const end = new AbortController()
  const waiting = new Bell().heard(1_000, { clock: new FakeClock(), signal: end.signal })
  end.abort(new Fault('aborted', 'the end'))
  await t.throwsAsync(waiting, { code: 'aborted' })
})
