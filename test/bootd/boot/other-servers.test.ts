import test, { type ExecutionContext } from 'ava'
import type { BootNetwork } from '../../../bootd/core/boot-settings.ts'
import { type OtherServer, stepsBackFor } from '../../../bootd/core/step-back.ts'
import { OtherServers } from '../../../bootd/io/boot/other-servers.ts'
import { isFault, sentence } from '../../../shared/fault.ts'
import { silentLog } from '../../../shared/log.ts'
import { FakeClock } from '../../world/fake-clock.ts'

const ours = (address: string): OtherServer => ({ address, isBootService: true })
const stranger = (address: string): OtherServer => ({ address, isBootService: false })

for (const [own, servers, other] of [
  ['10.0.0.3', [], undefined],
  ['10.0.0.3', [ours('10.0.0.20')], undefined],
  ['10.0.0.20', [ours('10.0.0.3')], '10.0.0.3'],
  ['10.0.0.20', [ours('10.0.0.4'), ours('10.0.0.3'), ours('10.0.0.30')], '10.0.0.3'],
  ['10.0.0.20', [stranger('10.0.0.3')], undefined],
  ['10.0.0.20', [stranger('10.0.0.3'), ours('10.0.0.4')], '10.0.0.4']
] as const) {
  const seen = servers.map(each => `${each.isBootService ? 'our' : 'a stranger'} ${each.address}`)
  test(`${own} that sees ${seen.join(', ') || 'nobody'} yields to ${other ?? 'nobody'}`, t => {
    t.is(stepsBackFor(own, servers), other)
  })
}

const prefix = 24
/** It asks for the last time after so long, and listens for so much longer. */
const [askMs, listenMs] = [3_000, 1_500]
const networkOf = (address: string): BootNetwork => ({
  ...{ mode: 'full', interface: 'eth1', own: { address, prefix }, dns: [], leaseS: 3_600 },
  loader: 'ipxe'
})

/** A segment on which boot services come up and go, by a clock that tests turn. */
class FakeSegment {
  readonly clock = new FakeClock()
  readonly serving = new Set<string>()
  readonly strangers: string[] = []
  readonly said = new Map<string, string>()
  readonly #t: ExecutionContext

  constructor(t: ExecutionContext) {
    this.#t = t
  }

  /** Serves as the boot service does, until it is stopped. */
  start(own: string, random: number): () => void {
    const { clock } = this
    const stop = new AbortController()
    this.#t.teardown(() => stop.abort())
    const { signal } = stop
    const others = new OtherServers({
      ...{ clock, log: silentLog, signal, onChanged: () => {}, onProblem: () => {} },
      random: () => random,
      macOf: async () => undefined,
      probe: async () => {
        const seen = (): readonly OtherServer[] => [
          ...[...this.serving].filter(address => address !== own).map(ours),
          ...this.strangers.map(stranger)
        ]
        const first = seen()
        await clock.sleep(askMs, signal).catch(() => undefined)
        const last = seen()
        await clock.sleep(listenMs, signal).catch(() => undefined)
        return first.length > 0 ? first : last
      }
    })
    const serveOnce = async (): Promise<void> => {
      await others.refuseBeside(networkOf(own))
      if (signal.aborted) return
      this.serving.add(own)
      try {
        others.begun()
        while (!signal.aborted) {
          await clock.sleep(5_000, signal).catch(() => undefined)
          if (!signal.aborted) await others.lookAgain(networkOf(own))
        }
      } finally {
        this.serving.delete(own)
      }
    }
    const serve = async (): Promise<void> => {
      while (!signal.aborted) {
        try {
          await serveOnce()
        } catch (thrown) {
          this.#t.true(isFault(thrown, 'conflict'))
          this.said.set(own, sentence(thrown))
        }
        await clock.sleep(5_000, signal).catch(() => undefined)
      }
    }
    void serve()
    return () => stop.abort()
  }
}

test('of two boot services that begin at the same moment one steps back', async t => {
  const segment = new FakeSegment(t)
  segment.start('10.0.0.3', 0.5)
  segment.start('10.0.0.20', 0.5)
  await segment.clock.pass(7_000)
  t.deepEqual([...segment.serving], ['10.0.0.3', '10.0.0.20'], 'neither has seen the other')
  await segment.clock.pass(23_000)
  t.deepEqual([...segment.serving], ['10.0.0.3'])
  await segment.clock.pass(600_000)
  t.deepEqual([...segment.serving], ['10.0.0.3'], 'and it stays so')
  t.regex(segment.said.get('10.0.0.20') ?? '', /another boot service does .*at 10\.0\.0\.3/)
  t.is(segment.said.get('10.0.0.3'), undefined)
})

test('chance parts two boot services that get their power together', async t => {
  const segment = new FakeSegment(t)
  segment.start('10.0.0.3', 0.9)
  segment.start('10.0.0.20', 0)
  await segment.clock.pass(60_000)
  t.deepEqual([...segment.serving], ['10.0.0.20'], 'who begins first goes on')
})

test('two boot services that wait for a third one do not both follow it', async t => {
  const segment = new FakeSegment(t)
  const stop = segment.start('10.0.0.9', 0)
  await segment.clock.pass(20_000)
  segment.start('10.0.0.3', 0.5)
  segment.start('10.0.0.20', 0.5)
  await segment.clock.pass(60_000)
  t.deepEqual([...segment.serving], ['10.0.0.9'], 'a lower address ends nobody who serves')
  stop()
  await segment.clock.pass(60_000)
  t.deepEqual([...segment.serving], ['10.0.0.3'])
})

test('a stranger is waited for before it begins, and then ends nobody who serves', async t => {
  const segment = new FakeSegment(t)
  segment.strangers.push('10.0.0.1')
  segment.start('10.0.0.3', 0.5)
  await segment.clock.pass(60_000)
  t.deepEqual([...segment.serving], [])
  t.regex(segment.said.get('10.0.0.3') ?? '', /another DHCP server does .*use mode proxy/)
  segment.strangers.pop()
  await segment.clock.pass(30_000)
  t.deepEqual([...segment.serving], ['10.0.0.3'])
  segment.strangers.push('10.0.0.1')
  await segment.clock.pass(300_000)
  t.deepEqual([...segment.serving], ['10.0.0.3'])
})
