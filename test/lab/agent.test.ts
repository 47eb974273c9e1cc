/** The agent's loop with real libvirt, storage and networks below it. */
import test from 'ava'
import { uuidOf } from '#shared/ids.ts'
import type { Order } from '#shared/wire/order.ts'
import { emptyOrder, idOf, instance, network, order, pool, volume } from '../agent/samples.ts'
import { AgentHost } from './agent-host.ts'

let host: AgentHost
let generation = 0

test.before(async () => {
  host = await AgentHost.start()
})
test.after.always(async () => {
  await host?.[Symbol.asyncDispose]()
})

const next = (given: Order): Order => ({ ...given, generation: ++generation })

/** A VM and a container, and all that they need. */
async function both(given: { readonly desiredPower?: 'stopped' } = {}): Promise<Order> {
  return next(
    order({
      images: [await host.machineImage(idOf('im', 1)), await host.containerImage(idOf('im', 2))],
      pools: [pool()],
      networks: [network()],
      volumes: [
        volume({ format: 'qcow2', sizeMib: 16 }),
        volume({
          id: idOf('v', 2),
          name: 'box-root',
          format: 'tree',
          sizeMib: 64,
          imageId: idOf('im', 2)
        })
      ],
      instances: [
        instance({ memoryMib: 64, vcpus: 1, stopGraceMs: 1_000, ...given }),
        instance({
          id: idOf('i', 2),
          name: 'box',
          type: 'container',
          memoryMib: 64,
          vcpus: 1,
          volumes: [idOf('v', 2)],
          ports: [
            {
              id: idOf('p', 2),
              networkId: idOf('n', 1),
              mac: '52:54:00:00:00:02',
              address: '10.66.0.11'
            }
          ],
          ...given
        })
      ]
    })
  )
}

test.serial('a VM and a container are brought about from nothing', async t => {
  const tookMs = await host.order(await both())
  t.log(`${Math.round(tookMs)} ms from the order to all settled`)
  const { report } = host
  t.deepEqual(
    report?.instances.map(({ power, acceleration }) => [power, acceleration]),
    [
      ['running', 'tcg'],
      ['running', 'none']
    ]
  )
  t.deepEqual(
    (await host.hypervisor.domains()).map(({ name, driver }) => `${driver} ${name}`).toSorted(),
    ['lxc acme.box', 'qemu acme.web']
  )
})

test.serial('what they print is kept', async t => {
  const log = async (number: number) => Buffer.from(await host.consoles.log(idOf('i', number)))
  await host.until(async () => (await log(1)).includes('R'))
  await host.until(async () => (await log(2)).includes('hello of "box"'))
  t.pass()
})

test.serial('several look at one console, and what one types all see', async t => {
  const seen = ['', '']
  const seats = seen.map((_, index) =>
    host.consoles.attach(idOf('i', 1), {
      output: bytes => {
        seen[index] += Buffer.from(bytes).toString()
      },
      ended: () => {}
    })
  )
  await seats[0]!.write(Buffer.from('x'))
  await host.until(() => seen.every(text => text.includes('x')))
  for (const seat of seats) seat.leave()
  t.pass()
})

for (const [number, driver] of [
  [1, 'qemu'],
  [2, 'lxc']
] as const) {
  test.serial(`a ${driver} domain that is destroyed behind the agent runs again`, async t => {
    const key = { driver, uuid: uuidOf(idOf('i', number)) }
    await host.hypervisor.destroy(key)
    const begun = performance.now()
    await host.until(async () => (await host.hypervisor.domains()).length === 2)
    t.log(`${Math.round(performance.now() - begun)} ms until it ran again`)
    await host.until(() => host.report?.instances[number - 1]?.startCount === 2)
    const ended = host.report?.notices.filter(({ reason }) => reason === 'instance-ended')
    t.regex(ended?.at(-1)?.message ?? '', /(was ended by force|broke down) after \d/)
  })
}

test.serial('an agent that is started again adopts both', async t => {
  const before = await host.hypervisor.domains()
  await host.stopAgent()
  await host.startAgent()
  await host.until(() => host.report?.settledGeneration === generation)
  t.deepEqual(await host.hypervisor.domains(), before)
  t.deepEqual(
    host.report?.instances.map(({ startCount }) => startCount),
    [2, 2]
  )
})

test.serial('a libvirtd that is killed and comes back has lost nothing', async t => {
  await host.libvirtd.restart('SIGKILL')
  host.reports.length = 0
  await host.until(() => host.report?.instances.every(each => each.reason === 'running') ?? false)
  t.deepEqual(
    host.report?.instances.map(({ startCount }) => startCount),
    [2, 2]
  )
})

test.serial('both stop when they are wished to: asked first, then by force', async t => {
  const tookMs = await host.order(await both({ desiredPower: 'stopped' }))
  t.log(`${Math.round(tookMs)} ms until both were stopped`)
  t.deepEqual(await host.hypervisor.domains(), [])
  const lines = host.logLines
    .map(line => JSON.parse(line))
    .filter(({ message }) => message === 'step begun')
  const steps = lines.map(({ step }) => step).slice(-4)
  t.true(steps.includes('shut down acme/web'))
  t.true(steps.includes('destroy acme/web'))
  t.false(steps.includes('destroy acme/box'))
})

test.serial('what shall go goes, and nothing is left', async t => {
  const volumes = [
    volume({ format: 'qcow2', sizeMib: 16, desired: 'absent' }),
    volume({
      id: idOf('v', 2),
      format: 'tree',
      sizeMib: 64,
      imageId: idOf('im', 2),
      desired: 'absent'
    })
  ]
  await host.order(next(emptyOrder({ pools: [pool()], volumes })))
  t.deepEqual(
    host.report?.volumes.map(({ phase }) => phase),
    ['absent', 'absent']
  )
  t.deepEqual(host.report?.instances, [])
  t.deepEqual(host.report?.images, [])
  t.is((await host.consoles.log(idOf('i', 1))).length, 0)
})
