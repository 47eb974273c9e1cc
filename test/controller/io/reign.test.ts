import { setTimeout as sleep } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { silentLog } from '#shared/log.ts'
import { Announcer } from '../../../controller/io/announcer.ts'
import { soloElection } from '../../../controller/io/election/solo.ts'
import { Feed } from '../../../controller/io/feed.ts'
import { Ledger } from '../../../controller/io/ledger.ts'
import { Reign } from '../../../controller/io/reign.ts'
import { FakeClock } from '../../world/fake-clock.ts'
import { FakeJournalDisk } from '../../world/fake-journal.ts'
import { ObedientMesh } from '../../world/obedient-mesh.ts'
import {
  giveImage,
  joinHost,
  type WorldController,
  worldController
} from '../../world/world-controller.ts'

/** A loop that has turned finds nothing to order any more. */
async function ordered(world: WorldController): Promise<void> {
  world.mesh.report('h1')
  while (world.running.service.reign.view.indexes.touched.size > 0) await sleep(5)
}

async function withHost(
  t: ExecutionContext,
  work: (world: WorldController) => Promise<void>
): Promise<void> {
  t.timeout(60_000)
  await using world = await worldController()
  await joinHost(world)
  await giveImage(world)
  await ordered(world)
  await work(world)
}

const create = (name: string) => ({
  method: 'POST',
  path: '/v1/instances',
  body: { name, spec: { image: 'tiny', memoryMib: 16 } }
})

test('an order that waits for a write that fails is not sent, and the reign goes on', t =>
  withHost(t, async world => {
    const { disk, mesh, running } = world
    const { ledger } = running.service
    disk.hold()
    const asked = world.ask(create('lost'))
    while (ledger.view.position === ledger.durablePosition) await sleep(5)
    const sent = mesh.sent.length
    await ordered(world)
    disk.failNext('refused')
    disk.release()
    t.is((await asked).status, 503)
    t.is(mesh.sent.length, sent)
    disk.heal()
    await ledger.recovered()
    const made = await world.ask({ ...create('kept'), headers: { prefer: 'wait=20' } })
    t.is(made.status, 201, made.text)
    t.is(made.json.status.phase, 'running')
  }))

/** A reign in virtual time, with a host that does as it is told. */
async function reignInTime() {
  const clock = new FakeClock({ turns: 4 })
  const stop = new AbortController()
  const mesh = new ObedientMesh()
  const disk = new FakeJournalDisk()
  const journal = disk.open()
  const { signal } = stop
  const ledger = new Ledger({ journal, clock, log: silentLog, signal, onDurable: () => {} })
  await ledger.open(await journal.raiseEpoch())
  const now = () => ({ monotonic: clock.monotonic(), wall: clock.wall() })
  const announcer = new Announcer({ view: ledger.view, feed: new Feed(), now })
  const reign = new Reign({
    ledger,
    announcer,
    mesh,
    election: soloElection(),
    clock,
    log: silentLog,
    imageUrl: ({ id }) => id,
    onReply: () => {}
  })
  const wish = { uuid: 'h1', hostname: 'h1', publicKey: 'k', endpoint: 'tcp://x:1', trusted: true }
  const joined = reign.submit({ verb: 'join', wish }, 'test')
  const running = reign.run(signal)
  await clock.pass(2_000)
  await joined
  const end = async (): Promise<void> => {
    stop.abort()
    const over = mesh[Symbol.asyncDispose]()
    await clock.pass(1_000)
    await Promise.all([running, over])
  }
  return { clock, mesh, ledger, reign, disk, end }
}

test('an order is sent anew before the tickets in it are too old', async t => {
  t.timeout(60_000)
  const { clock, mesh, end } = await reignInTime()
  const before = mesh.sent.length
  t.true(before > 0)
  for (let minute = 0; minute < 50; minute += 1) {
    mesh.report('h1')
    await clock.pass(60_000)
  }
  t.is(mesh.sent.length, before + 2)
  await end()
})

test('what is decided in a burst leaves in few orders, the first at once', async t => {
  t.timeout(60_000)
  const { clock, mesh, reign, end } = await reignInTime()
  await clock.pass(1_000)
  const before = mesh.sent.length
  const { id, spec } = reign.view.named('host', 'h1')!
  for (let times = 0; times < 20; times += 1) {
    const labels = { times: String(times) }
    const asked = reign.submit({ verb: 'change', kind: 'host', id, labels, spec }, 'test')
    await clock.pass(10)
    await asked
    if (times === 1) t.is(mesh.sent.length, before + 1)
  }
  await clock.pass(100)
  const sent = mesh.sent.length - before
  t.true(sent >= 3 && sent <= 6, `${sent} orders in 200 ms`)
  t.is(mesh.sent.at(-1)?.generation, reign.view.indexes.hostGeneration('h1'))
  await end()
})

test('the epoch is raised above one that a host has seen, not to whatever it claims', async t => {
  t.timeout(60_000)
  const { clock, mesh, ledger, end } = await reignInTime()
  mesh.refuse('h1', 40)
  await clock.pass(2_000)
  t.is(ledger.epoch, 41)
  mesh.refuse('h1', Number.MAX_SAFE_INTEGER)
  await clock.pass(2_000)
  t.is(ledger.epoch, 41)
  await end()
})
