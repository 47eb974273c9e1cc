import test from 'ava'
import { Fault } from '#shared/fault.ts'
import { silentLog } from '#shared/log.ts'
import { endingMs } from '#shared/self-fence-times.ts'
import { SelfFence } from '../../agent/io/self-fence.ts'
import { expiryMs } from '../../controller/core/timing.ts'
import { FakeWatchdog } from '../world/fake-watchdog.ts'
import { LoopRig } from './loop-rig.ts'
import { idOf, instance, order, pool, volume } from './samples.ts'

const limitMs = 15_000

/** Two instances, of which others could start the one whose volume is in the shared pool. */
const both = order({
  pools: [pool(), pool({ name: 'far', shared: true })],
  volumes: [volume({ pool: 'far' }), volume({ id: idOf('v', 2), name: 'near-root' })],
  instances: [
    instance({ ports: [] }),
    instance({ id: idOf('i', 2), name: 'near', volumes: [idOf('v', 2)], ports: [] })
  ],
  selfFence: { limitMs }
})

/** A host whose heartbeats a controller hears and echoes as long as it is not cut off. */
class Host implements AsyncDisposable {
  readonly rig = new LoopRig()
  readonly dog = new FakeWatchdog(this.rig.clock, () => {
    this.ranAtBite = this.running
    this.rig.hypervisor.powerCut()
  })
  /** What the bite has ended, and the agent with it, which goes on here. */
  ranAtBite: readonly string[] = []
  fence!: SelfFence
  isCutOff = false
  heardAt = 0
  /** Generation of the newest order that the controller has for it. */
  newest = 1
  #runs = 0
  #number = 0
  #end = new AbortController()
  #tasks: Promise<unknown> = Promise.resolve()

  async start(): Promise<void> {
    const { rig } = this
    const { clock } = rig
    this.#end = new AbortController()
    const { signal } = this.#end
    const fence = new SelfFence({
      watchdog: this.dog,
      run: `run-${++this.#runs}`,
      order: () => rig.loop.desired?.order,
      onChanged: () => rig.loop.ring(),
      note: text => rig.loop.note(text),
      clock,
      log: silentLog
    })
    this.fence = fence
    rig.more = {
      cutOff: found => fence.cutOff(found),
      beside: () => (fence.said ? { selfFence: fence.said } : {})
    }
    await rig.start()
    this.#tasks = Promise.all([fence.run(signal), this.#beat(fence, signal)])
  }

  async #beat(fence: SelfFence, signal: AbortSignal): Promise<void> {
    const { clock } = this.rig
    while (!signal.aborted) {
      const number = ++this.#number
      const run = fence.sending(number)
      if (run !== undefined && !this.isCutOff) {
        this.heardAt = clock.monotonic()
        fence.echoed({ run, number }, { epoch: 1, generation: this.newest })
      }
      await clock.sleep(500, signal).catch(() => {})
    }
  }

  /** Ends the agent; its watchdog counts on. */
  async stop(): Promise<void> {
    this.#end.abort()
    await this.dog[Symbol.asyncDispose]()
    await this.rig.stop()
    await this.#tasks
  }

  /** The names of what runs. */
  get running(): readonly string[] {
    return this.rig.hypervisor.all.map(({ name }) => name).sort()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }
}

async function leased(timeoutMs = 10_000): Promise<Host> {
  const host = new Host()
  host.dog.facts = { ...host.dog.facts, timeoutMs }
  await host.start()
  await host.rig.order(both, 5_000)
  return host
}

test('a host with a limit arms its watchdog, says so, and pets it while it is heard', async t => {
  await using host = await leased()
  await host.rig.clock.pass(60_000)
  t.deepEqual(host.running, ['acme.near', 'acme.web'])
  t.is(host.dog.bites, 0)
  const { armed, limitMs: inForce, because } = host.rig.report.selfFence!
  t.deepEqual([armed, inForce, because], [true, limitMs, ''])
})

test('cut off, it ends what others could start, and starts it again when heard', async t => {
  await using host = await leased()
  host.isCutOff = true
  await host.rig.clock.pass(limitMs - endingMs(limitMs) - 1_000)
  t.deepEqual(host.running, ['acme.near', 'acme.web'], 'its limit is not near')
  await host.rig.clock.pass(2_000)
  t.deepEqual(host.running, ['acme.near'])
  await host.rig.clock.pass(60_000)
  t.deepEqual(host.running, ['acme.near'])
  t.is(host.dog.bites, 0, 'as nothing runs that could run elsewhere')
  host.isCutOff = false
  await host.rig.clock.pass(5_000)
  t.deepEqual(host.running, ['acme.near', 'acme.web'])
  const reasons = host.rig.report.notices.map(({ reason }) => reason)
  t.true(reasons.includes('self-fence-ending') && reasons.includes('self-fence-ended'))
})

test('heard again, it starts nothing by an order of before: that may run elsewhere', async t => {
  await using host = await leased()
  host.isCutOff = true
  await host.rig.clock.pass(limitMs + 5_000)
  host.newest = 3
  host.isCutOff = false
  await host.rig.clock.pass(5_000)
  await host.rig.order({ ...both, generation: 2 }, 5_000)
  t.deepEqual(host.running, ['acme.near'], 'also by one that was late')
  await host.rig.order({ ...both, generation: 3 }, 5_000)
  t.deepEqual(host.running, ['acme.near', 'acme.web'])
})

test('where it cannot end them its watchdog bites in time', async t => {
  await using host = await leased()
  host.isCutOff = true
  const cannot = new Fault('hypervisor', 'cannot destroy: busy')
  for (let time = 0; time < 100; time++) host.rig.hypervisor.failNext('destroy', cannot)
  await host.rig.clock.pass(host.heardAt + limitMs - host.rig.clock.monotonic())
  t.is(host.dog.bites, 1, 'by the limit')
  t.deepEqual(host.ranAtBite, ['acme.near', 'acme.web'])
})

test('an agent that dies while it is cut off, and its next run, keep to that end', async t => {
  await using host = await leased(30_000)
  host.isCutOff = true
  await host.rig.clock.pass(limitMs - 500)
  const endsAt =
    host.heardAt + expiryMs({ limitMs, watchdogMs: host.dog.facts.timeoutMs, kept: true })
  await host.stop()
  await host.start()
  t.not(host.fence.said?.armed, true, 'the next run does not pet what counts')
  await host.rig.clock.pass(endsAt - host.rig.clock.monotonic())
  t.false(host.running.includes('acme.web'))
})

test('a limit that is ordered again ends nothing: what was heard before is no lease', async t => {
  await using host = await leased()
  const { selfFence: _, ...free } = both
  await host.rig.order({ ...free, generation: 2 }, 60_000)
  await host.rig.order({ ...both, generation: 3 }, 5_000)
  t.true(host.rig.report.selfFence?.armed)
  t.deepEqual(host.running, ['acme.near', 'acme.web'])
  const reasons = host.rig.report.notices.map(({ reason }) => reason)
  t.false(reasons.includes('self-fence-ending'))
})

test('no limit is said to be in force before there is a lease that it counts from', async t => {
  await using host = await leased()
  const { selfFence: _, ...free } = both
  await host.rig.order({ ...free, generation: 2 }, 60_000)
  t.is(host.rig.report.selfFence?.limitMs, undefined)
  host.isCutOff = true
  await host.rig.order({ ...both, generation: 3 }, 5_000)
  const { armed, limitMs: inForce } = host.rig.report.selfFence!
  t.deepEqual([armed, inForce], [true, undefined], 'who relied on it would count from long ago')
  host.isCutOff = false
  await host.rig.clock.pass(2_000)
  t.is(host.rig.report.selfFence?.limitMs, limitMs)
})

for (const awayMs of [8_000, 30_000]) {
  test(`a limit that is shortened after ${awayMs} ms without a lease ends nothing`, async t => {
    await using host = await leased()
    const long = { ...both, selfFence: { limitMs: 60_000 } }
    await host.rig.order({ ...long, generation: 2 }, 5_000)
    host.isCutOff = true
    await host.rig.clock.pass(awayMs)
    await host.rig.order({ ...both, generation: 3 }, 2_000)
    const said = () => [host.fence.state, host.rig.report.selfFence?.limitMs]
    t.deepEqual(said(), ['leased', 60_000], 'the longer one is in force until it is heard')
    t.deepEqual(host.running, ['acme.near', 'acme.web'])
    host.isCutOff = false
    await host.rig.clock.pass(2_000)
    t.deepEqual(said(), ['leased', limitMs])
    host.isCutOff = true
    await host.rig.clock.pass(limitMs)
    t.deepEqual(host.running, ['acme.near'])
  })
}

test('whose limit was taken back is pet on, also by the next run of the agent', async t => {
  await using host = await leased(30_000)
  const { selfFence: _, ...free } = both
  await host.rig.order({ ...free, generation: 2 }, 5_000)
  await host.stop()
  await host.start()
  await host.rig.order({ ...free, generation: 2 }, 60_000)
  t.is(host.dog.bites, 0)
})

test('who holds the watchdog is killed: it is opened anew, and pet as before', async t => {
  await using host = await leased()
  host.dog.keeperKilled()
  const told = new Set<string | undefined>()
  for (let ms = 0; ms < 2_000; ms += 50) {
    await host.rig.clock.pass(50)
    told.add(host.rig.report.selfFence?.because)
  }
  t.deepEqual([...told].sort(), ['', 'cannot pet the watchdog: nobody holds it'])
  await host.rig.clock.pass(60_000)
  t.true(host.rig.report.selfFence?.armed)
  t.is(host.dog.bites, 0)
})

test('a next run that has not seen its watchdog yet starts nothing of what has ended', async t => {
  await using host = await leased(30_000)
  host.isCutOff = true
  await host.rig.clock.pass(limitMs + 5_000)
  t.deepEqual(host.running, ['acme.near'])
  await host.stop()
  host.dog.lookMs = 5_000
  await host.start()
  for (let ms = 0; ms < 15_000; ms += 250) {
    await host.rig.clock.pass(250)
    t.deepEqual(host.running, ['acme.near'], `others may have started it, ${ms} ms`)
  }
})

test('heard again before it has seen its watchdog, it starts by no order of before', async t => {
  await using host = await leased(30_000)
  host.isCutOff = true
  await host.rig.clock.pass(limitMs + 1_000)
  t.deepEqual(host.running, ['acme.near'])
  await host.stop()
  host.dog.lookMs = 5_000
  host.newest = 3
  await host.start()
  host.isCutOff = false
  for (let ms = 0; ms < 15_000; ms += 250) {
    await host.rig.clock.pass(250)
    t.deepEqual(host.running, ['acme.near'], `others may have started it, ${ms} ms`)
  }
  await host.rig.order({ ...both, generation: 3 }, 5_000)
  t.deepEqual(host.running, ['acme.near', 'acme.web'])
})

test('an agent that is replaced while it is heard goes on as before', async t => {
  await using host = await leased(30_000)
  await host.stop()
  await host.start()
  await host.rig.clock.pass(5_000)
  t.true(host.rig.report.selfFence?.armed)
  await host.rig.clock.pass(60_000)
  t.is(host.dog.bites, 0)
  t.deepEqual(host.running, ['acme.near', 'acme.web'])
})

test('without a limit, or a watchdog that counts, nothing ends by itself', async t => {
  const { selfFence: _, ...free } = both
  for (const given of [free, both]) {
    const host = new Host()
    if (given === both) host.dog.isBusy = true
    await host.start()
    await host.rig.order(given, 5_000)
    host.isCutOff = true
    await host.rig.clock.pass(120_000)
    t.deepEqual(host.running, ['acme.near', 'acme.web'])
    t.is(host.dog.bites, 0)
    t.not(host.rig.report.selfFence?.armed, true)
    await host.stop()
  }
})
