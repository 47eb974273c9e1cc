import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { Fault } from '#shared/fault.ts'
import { silentLog } from '#shared/log.ts'
import { channelsMax } from '#shared/wire/channel-relay.ts'
import { channelWindowBytes, type ToController } from '#shared/wire/messages.ts'
import { driverOf } from '../../agent/core/domain-plan.ts'
import type { OwnDomain } from '../../agent/core/metadata.ts'
import { ConsoleHub, viewersMax } from '../../agent/io/console/hub.ts'
import {
  LogFile,
  machineLogBytesMax,
  readLog,
  tailBytesMax
} from '../../agent/io/console/log-file.ts'
import { ConsoleRelay } from '../../agent/io/console/relay.ts'
import { FakeClock } from '../world/fake-clock.ts'
import { FakeHypervisor } from '../world/fake-hypervisor.ts'
import { cloud, idOf, instance } from './samples.ts'

async function makeFolder(t: ExecutionContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'remuda-console-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  return folder
}

/** A hub over a fake hypervisor in which one instance of each type runs. */
async function makeHub(t: ExecutionContext) {
  const folder = await makeFolder(t)
  const clock = new FakeClock()
  const hypervisor = new FakeHypervisor()
  const hub = new ConsoleHub({ hypervisor, folder, clock, log: silentLog })
  t.teardown(() => hub[Symbol.asyncDispose]())
  const own = (['vm', 'container'] as const).map((type, index): OwnDomain => {
    const given = instance({ type, id: idOf('i', index + 1), name: type })
    const domain = hypervisor.addForeign({
      uuid: given.id.slice(2),
      name: `acme.${type}`,
      driver: driverOf(given)
    })
    return { domain, metadata: metadata(given.id, type) }
  })
  hub.watch(own)
  await clock.settle()
  return { folder, clock, hypervisor, hub, own }
}

const metadata = (id: string, name: string, startedAt = 'first'): OwnDomain['metadata'] => ({
  version: 1,
  cloud,
  id,
  tenant: 'acme',
  name,
  generation: 1,
  hardware: '',
  restarts: 0,
  startedAt,
  stopGraceMs: 0,
  volumes: [],
  ports: [],
  acceleration: 'none'
})

/** A viewer that keeps what it is shown. */
function makeViewer() {
  const seen = { text: '', ended: [] as string[] }
  const viewer = {
    output: (bytes: Uint8Array) => {
      seen.text += Buffer.from(bytes).toString()
    },
    ended: (because: string) => void seen.ended.push(because)
  }
  return { seen, viewer }
}

const vm = idOf('i', 1)
const container = idOf('i', 2)
const consoles = (hypervisor: FakeHypervisor) =>
  hypervisor.calls.filter(call => call.startsWith('console'))

test('several viewers share one console', async t => {
  const { hub, hypervisor, clock } = await makeHub(t)
  const [one, two] = [makeViewer(), makeViewer()]
  const seat = hub.attach(vm, one.viewer)
  hub.attach(vm, two.viewer)
  await seat.write(Buffer.from('hello'))
  await clock.settle()
  t.is(one.seen.text, 'hello')
  t.is(two.seen.text, 'hello')
  t.deepEqual(consoles(hypervisor), ['console acme.container', 'console acme.vm'])
})

test('the last viewer of a VM closes its console, the next one opens it again', async t => {
  const { hub, hypervisor, clock } = await makeHub(t)
  const { viewer } = makeViewer()
  hub.attach(vm, viewer).leave()
  await clock.settle()
  hub.attach(vm, viewer)
  await clock.settle()
  t.is(consoles(hypervisor).filter(call => call === 'console acme.vm').length, 2)
})

test('a container is listened to without any viewer, and its output is kept', async t => {
  const { hub, clock } = await makeHub(t)
  const { viewer } = makeViewer()
  const seat = hub.attach(container, viewer)
  await seat.write(Buffer.from('first words'))
  seat.leave()
  await clock.settle()
  t.is(Buffer.from(await hub.log(container)).toString(), 'first words')
})

test('viewers are told when the instance ends', async t => {
  const { hub, hypervisor, clock, own } = await makeHub(t)
  const { viewer, seen } = makeViewer()
  hub.attach(vm, viewer)
  await clock.settle()
  hypervisor.kill(own[0]!.domain)
  await clock.settle()
  t.deepEqual(seen.ended, ['the instance has ended'])
  hub.watch([])
  t.throws(() => hub.attach(vm, viewer), { code: 'not-found' })
})

test('viewers are told when the instance was started again between two looks', async t => {
  const { hub, clock, own } = await makeHub(t)
  const { viewer, seen } = makeViewer()
  hub.attach(vm, viewer)
  await clock.settle()
  hub.watch([{ ...own[0]!, metadata: metadata(vm, 'vm', 'second') }, own[1]!])
  t.deepEqual(seen.ended, ['the instance has ended'])
})

test('a viewer is told why a console cannot be opened', async t => {
  const { hub, hypervisor, clock } = await makeHub(t)
  const { viewer, seen } = makeViewer()
  hypervisor.failNext('console', new Fault('hypervisor', 'cannot open the console: it is taken'))
  hub.attach(vm, viewer)
  await clock.settle()
  t.deepEqual(seen.ended, ['cannot open the console: it is taken'])
})

test("a container's console that breaks is opened again, later each time", async t => {
  const { hub, hypervisor, clock, own } = await makeHub(t)
  const fault = new Fault('closed', 'the connection is gone')
  for (let times = 0; times < 4; times++) hypervisor.failNext('console', fault)
  hypervisor.disconnect()
  await clock.settle()
  const opened: number[] = []
  for (let second = 1; second <= 40; second++) {
    await clock.pass(1_000)
    const before = consoles(hypervisor).length
    hub.watch(own)
    if (consoles(hypervisor).length > before) opened.push(second)
  }
  t.deepEqual(opened, [1, 3, 7, 15, 31])
})

test(`at most ${viewersMax} look at one instance`, async t => {
  const { hub } = await makeHub(t)
  for (let count = 0; count < viewersMax; count++) hub.attach(vm, makeViewer().viewer)
  t.throws(() => hub.attach(vm, makeViewer().viewer), { code: 'capacity' })
})

test('what is forgotten is gone', async t => {
  const { hub, folder } = await makeHub(t)
  for (const name of [`${vm}.log`, `${vm}.log.0`, `${vm}.log.1`, `${vm}0.log`]) {
    await writeFile(join(folder, name), 'x')
  }
  await hub.forget(vm)
  t.deepEqual(await readdir(folder), [`${vm}0.log`])
})

test("a VM's log that nobody looks after is cut, and its end kept", async t => {
  const { hub, folder, clock, own } = await makeHub(t)
  const path = join(folder, `${vm}.log`)
  await writeFile(path, `${'x'.repeat(machineLogBytesMax)}the end`)
  await clock.pass(60_000)
  hub.watch(own)
  await hub[Symbol.asyncDispose]()
  t.is((await stat(path)).size, 0)
  const kept = Buffer.from(await readLog(folder, vm)).toString()
  t.is(kept.length, tailBytesMax)
  t.true(kept.endsWith('the end'))
})

test('a log goes over into a new file, and its last 64 KiB can be read across both', async t => {
  const folder = await makeFolder(t)
  const file = new LogFile(folder, vm)
  for (let number = 0; number < 3_000; number++) {
    file.append(Buffer.from(`line ${String(number).padStart(5, '0')} of the output, and so on\n`))
  }
  await file.written()
  const text = Buffer.from(await readLog(folder, vm)).toString()
  t.is(text.length, tailBytesMax)
  t.true(text.endsWith('line 02999 of the output, and so on\n'))
  t.deepEqual((await readdir(folder)).toSorted(), [`${vm}.log`, `${vm}.log.0`])
})

/** A relay, and what it says. */
async function makeRelay(t: ExecutionContext) {
  const rig = await makeHub(t)
  const said: ToController[] = []
  const relay = new ConsoleRelay({ hub: rig.hub, send: message => void said.push(message) })
  const open = (channel = 'c', of = vm) =>
    relay.take({ type: 'console-open', channel, instance: of })
  const write = (bytes: Uint8Array, channel = 'c') =>
    relay.take({ type: 'channel-data', channel, bytes })
  return { ...rig, relay, said, open, write }
}
const outputOf = (said: readonly ToController[]): number =>
  said.reduce((sum, each) => sum + (each.type === 'channel-data' ? each.bytes.length : 0), 0)

test('input is taken and output given through a channel', async t => {
  const { said, clock, open, write } = await makeRelay(t)
  open()
  write(Buffer.from('hi'))
  await clock.settle()
  t.deepEqual(
    said.toSorted((a, b) => (a.type < b.type ? -1 : 1)),
    [
      { type: 'channel-data', channel: 'c', bytes: new Uint8Array(Buffer.from('hi')) },
      { type: 'channel-taken', channel: 'c', bytes: 2 }
    ]
  )
})

test('nothing is taken as soon as the console is open, and not before', async t => {
  const { said, clock, open, write } = await makeRelay(t)
  open()
  write(Buffer.alloc(0))
  t.deepEqual(said, [])
  await clock.settle()
  t.deepEqual(said, [{ type: 'channel-taken', channel: 'c', bytes: 0 }])
})

test('a viewer that takes nothing gets one window, and then the end of what it missed', async t => {
  const { said, clock, relay, hub, open } = await makeRelay(t)
  open()
  const other = hub.attach(vm, makeViewer().viewer)
  for (let count = 0; count < 12; count++) await other.write(new Uint8Array(65_536))
  await clock.settle()
  t.is(outputOf(said), channelWindowBytes)
  relay.take({ type: 'channel-taken', channel: 'c', bytes: channelWindowBytes })
  const note = said.find(
    each => each.type === 'channel-data' && Buffer.from(each.bytes).includes('bytes left out')
  )
  t.truthy(note)
  t.is(outputOf(said), 2 * channelWindowBytes)
})

test('a sender that does not keep to the window is cut off', async t => {
  const { said, clock, relay, open, write } = await makeRelay(t)
  open()
  write(new Uint8Array(channelWindowBytes))
  write(new Uint8Array(1))
  await clock.settle()
  t.regex(said.find(each => each.type === 'channel-close')?.because ?? '', /were not taken/)
  t.is(relay.channels, 0)
})

test('a console of an instance that does not run is closed with the reason', async t => {
  const { said, open } = await makeRelay(t)
  open('c', idOf('i', 9))
  t.deepEqual(said, [
    {
      type: 'channel-close',
      channel: 'c',
      because: 'cannot open the console: the instance does not run here'
    }
  ])
})

test('a channel is closed when its instance ends', async t => {
  const { said, hypervisor, clock, relay, own, open } = await makeRelay(t)
  open()
  await clock.settle()
  hypervisor.kill(own[0]!.domain)
  await clock.settle()
  t.deepEqual(said.at(-1), {
    type: 'channel-close',
    channel: 'c',
    because: 'the instance has ended'
  })
  t.is(relay.channels, 0)
})

test('a channel that is closed by the controller leaves its seat', async t => {
  const { relay, said, clock, hypervisor, open } = await makeRelay(t)
  open()
  await clock.settle()
  relay.take({ type: 'channel-close', channel: 'c', because: '' })
  await clock.settle()
  t.is(relay.channels, 0)
  t.deepEqual(said, [])
  open('d')
  await clock.settle()
  t.is(consoles(hypervisor).filter(call => call === 'console acme.vm').length, 2)
})

test(`at most ${channelsMax} channels are open`, async t => {
  const { relay, said, open } = await makeRelay(t)
  for (let number = 0; number <= channelsMax; number++) {
    open(`c${number}`, number % 2 === 0 ? container : vm)
  }
  t.true(relay.channels <= channelsMax)
  t.true(said.every(each => each.type === 'channel-close'))
})

test('when nobody listens any more the channel is let go', async t => {
  const { hub, clock } = await makeHub(t)
  const relay = new ConsoleRelay({
    hub,
    send: () => {
      throw new Fault('unavailable', 'cannot send: no controller is connected')
    }
  })
  relay.take({ type: 'console-open', channel: 'c', instance: vm })
  relay.take({ type: 'channel-data', channel: 'c', bytes: Buffer.from('x') })
  await clock.settle()
  t.is(relay.channels, 0)
})

test('all channels are closed with the reason when another controller takes over', async t => {
  const { relay, said, open } = await makeRelay(t)
  open('a')
  open('b')
  relay.closeAll('another controller has taken over')
  t.is(relay.channels, 0)
  t.is(said.filter(each => each.type === 'channel-close').length, 2)
})
