/** How busy a host is, from what the kernel and libvirt count. */
import test from 'ava'
import { validator } from '#shared/model/validate.ts'
import { ReportUse } from '#shared/wire/use.ts'
import type { DomainStats } from '../../agent/core/ports.ts'
import { type CounterText, parseCounters, type UseLook, useBetween } from '../../agent/core/use.ts'
import { UseWatch } from '../../agent/io/use-watch.ts'
import { FakeClock } from '../world/fake-clock.ts'
import { FakeHardware } from '../world/fake-hardware.ts'
import { FakeHypervisor } from '../world/fake-hypervisor.ts'

// As a machine with two threads has written them; some lines are left out.
const recorded: CounterText = {
  stat: [
    'cpu  10132153 290696 3084719 46828483 16683 0 25195 175628 9000 120',
    'cpu0 5066076 145348 1542359 23414241 8341 0 12597 87814 4500 60',
    'cpu1 5066077 145348 1542360 23414242 8342 0 12598 87814 4500 60',
    'intr 1462898 40 9 0 0',
    'ctxt 115315'
  ].join('\n'),
  diskstats: [
    '   7       0 loop0 11 0 28 5 0 0 0 0 0 4444 5 0 0 0 0 0 0',
    ' 259       0 nvme0n1 7712 3 612424 2812 9934 12 884120 7711 0 8100 10523 0 0 0 0 100 12',
    ' 259       1 nvme0n1p1 7000 3 612000 2800 9900 12 884000 7700 0 8000 10500 0 0 0 0 0 0',
    '   8       0 sda 104 0 4832 91 0 0 0 0 0 300 91',
    ' 253       0 dm-0 7000 0 612000 9999 9900 0 884000 9999 0 9999 19998 0 0 0 0 0 0'
  ].join('\n'),
  nics: [
    { name: 'eno1', receivedBytes: '1000000\n', sentBytes: '2000000\n', speed: '10000\n' },
    { name: 'eno2', receivedBytes: '5000\n', sentBytes: '0\n', speed: '-1\n' },
    { name: 'eth0', receivedBytes: '5000\n', sentBytes: '0\n', speed: undefined }
  ]
}

test('what the kernel counts is read, but not what is made of other devices or has no speed', t => {
  t.deepEqual(parseCounters(recorded), {
    busyTicks: 10_132_153 + 290_696 + 3_084_719 + 25_195,
    allTicks: 10_132_153 + 290_696 + 3_084_719 + 25_195 + 46_828_483 + 16_683 + 175_628,
    threads: 2,
    diskMs: new Map([
      ['nvme0n1', 8_100],
      ['nvme0n1p1', 8_000],
      ['sda', 300]
    ]),
    nics: new Map([['eno1', { received: 1_000_000, sent: 2_000_000, speedMbit: 10_000 }]])
  })
})

for (const stat of [undefined, '', 'cpu  1 2', 'cpu  a b c d', 'intr 5']) {
  test(`processors that are written of as ${JSON.stringify(stat)} are not counted`, t => {
    t.is(parseCounters({ ...recorded, stat }), undefined)
  })
}

const domain = (uuid: string, given: Partial<DomainStats> = {}): DomainStats => ({
  ...{ uuid, cpuNs: 0, balloonMib: 0, netReceivedBytes: 0, netSentBytes: 0 },
  ...{ diskReadBytes: 0, diskWrittenBytes: 0, ...given }
})

const first: UseLook = {
  at: 1_000,
  counters: {
    ...{ busyTicks: 1_000, allTicks: 9_000, threads: 4 },
    diskMs: new Map([['sda', 500]]),
    nics: new Map([['eno1', { received: 1_000, sent: 0, speedMbit: 1_000 }]])
  },
  domains: [domain('a', { cpuNs: 5e9 }), domain('b', { cpuNs: 9e9, netSentBytes: 1_000 })]
}

/** Ten seconds later. */
const then = (given: Partial<UseLook['counters']>, domains: UseLook['domains'] = []): UseLook => ({
  at: 11_000,
  counters: { ...first.counters, allTicks: 13_000, ...given },
  domains
})

const use = { look: 7, cpu: 0, disk: 0, network: 0, instances: [] }

type Row = {
  readonly title: string
  readonly after: UseLook
  readonly expected: ReturnType<typeof useBetween>
}

const rows: readonly Row[] = [
  { title: 'a host that does nothing uses nothing', after: then({}), expected: use },
  {
    title: 'a thread of four that is busy is a quarter',
    after: then({ busyTicks: 2_000 }),
    expected: { ...use, cpu: 0.25 }
  },
  {
    title: 'a disk that has something to do for 9 of 10 s is used by 90 %',
    after: then({ diskMs: new Map([['sda', 9_500]]) }),
    expected: { ...use, disk: 0.9 }
  },
  {
    title: 'a disk that was plugged in meanwhile says nothing yet',
    after: then({ diskMs: new Map([['sdb', 9_500]]) }),
    expected: { look: 7, cpu: 0, network: 0, instances: [] }
  },
  {
    title: 'of both directions the busier one counts',
    after: then({
      nics: new Map([['eno1', { received: 1_000, sent: 625_000_000, speedMbit: 1_000 }]])
    }),
    expected: { ...use, network: 0.5 }
  },
  {
    title: 'a counter that began anew is no negative use',
    after: then({ nics: new Map([['eno1', { received: 0, sent: 0, speedMbit: 1_000 }]]) }),
    expected: use
  },
  {
    title: 'instances use threads and send; those that are new or began anew are left out',
    after: then({}, [
      domain('a', { cpuNs: 20e9 }),
      domain('b', { cpuNs: 1e9 }),
      domain('c', { cpuNs: 3e9 })
    ]),
    expected: { ...use, instances: [{ id: 'i-a', cpu: 1.5, networkMbit: 0 }] }
  },
  {
    title: 'what an instance sends is counted in Mbit/s',
    after: then({}, [domain('b', { cpuNs: 9e9, netSentBytes: 12_501_000 })]),
    expected: { ...use, instances: [{ id: 'i-b', cpu: 0, networkMbit: 10 }] }
  },
  {
    title: 'counters that all began anew say nothing',
    after: then({ allTicks: 5 }),
    expected: undefined
  },
  {
    title: 'no time is no use',
    after: { ...then({}), at: 1_000 },
    expected: undefined
  }
]

const check = validator(ReportUse)

for (const { title, after, expected } of rows) {
  test(title, t => {
    const found = useBetween(first, after, 7)
    t.deepEqual(found, expected)
    if (found) t.deepEqual(check(found), [])
  })
}

test('it is said from the second look on, and no longer once the kernel does not say', async t => {
  const [clock, hardware, hypervisor] = [new FakeClock(), new FakeHardware(), new FakeHypervisor()]
  const watch = new UseWatch({ hardware, hypervisor, clock })
  const { signal } = new AbortController()
  hardware.counted = first.counters
  await watch.look(signal)
  t.is(watch.said, undefined)
  await clock.pass(10_000)
  hardware.counted = then({ busyTicks: 3_000 }).counters
  await watch.look(signal)
  t.like(watch.said, { look: 2, cpu: 0.5 })
  hardware.counted = undefined
  await watch.look(signal)
  t.is(watch.said, undefined)
})

test('a libvirt that does not answer takes away what instances use, and nothing else', async t => {
  const [clock, hardware] = [new FakeClock(), new FakeHardware()]
  let asked = 0
  const stats = (): Promise<never> => {
    asked += 1
    return new Promise(() => {})
  }
  const watch = new UseWatch({ hardware, hypervisor: { stats }, clock })
  const { signal } = new AbortController()
  const looked = async (counters: UseLook['counters']): Promise<void> => {
    hardware.counted = counters
    const looking = watch.look(signal)
    await clock.pass(10_000)
    await looking
  }
  await looked(first.counters)
  await looked(then({ busyTicks: 3_000 }).counters)
  t.like(watch.said, { look: 2, cpu: 0.5, instances: [] })
  t.is(asked, 1, 'what has not answered is not asked again')
})
