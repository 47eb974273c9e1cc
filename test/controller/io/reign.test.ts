import { setTimeout as sleep } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
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
