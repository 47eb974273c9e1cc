/** What is set of hosts, by what is placed and why, as typed to a whole controller. */
import test from 'ava'
import {
  giveImage,
  joinHost,
  type WorldController,
  worldController
} from '../../world/world-controller.ts'
import { type Typed, typeLine } from './type-line.ts'

/** For what takes a moment on an idle machine. Unit: ms. */
const patienceMs = 120_000

/** A controller with two hosts, and a command line that reaches it. */
async function twoHosts(): Promise<
  AsyncDisposable & {
    readonly world: WorldController
    readonly typed: (line: string) => Promise<Typed>
  }
> {
  const world = await worldController()
  for (const name of ['h1', 'h2']) await joinHost(world, name)
  await giveImage(world)
  const server = `unix:${world.socket('admin')}`
  return {
    world,
    typed: async line => await typeLine(line, { server }),
    [Symbol.asyncDispose]: () => world[Symbol.asyncDispose]()
  }
}

const hostOf = async (world: WorldController, name: string) => {
  const { json } = await world.ask({ path: `/v1/hosts/${name}` })
  const { labels, spec } = json as unknown as {
    readonly labels: Readonly<Record<string, string>>
    readonly spec: Readonly<Record<string, unknown>>
  }
  return { labels, spec }
}

test('host set says where a host stands, whom it is for and how much it carries', async t => {
  t.timeout(patienceMs)
  await using cloud = await twoHosts()
  const { typed, world } = cloud
  const all =
    'host set h1 --label rack=r1 --label disk=ssd --dedicated default ' +
    '--vcpus-per-thread 2.5 --reserved 1GiB'
  const { code, output, errors } = await typed(all)
  t.is(code, 0, errors)
  t.regex(output, /^host\/h1 set: (online|late)$/m)
  const set = await hostOf(world, 'h1')
  t.like(set.labels, { rack: 'r1', disk: 'ssd' })
  t.like(set.spec, { vcpusPerThread: 2.5, reservedMib: 1_024 })
  t.deepEqual(set.spec['dedicated'], ['default'])
  t.is((await typed('host set h1 --label disk= --dedicated none')).code, 0)
  const taken = await hostOf(world, 'h1')
  t.is(taken.labels['rack'], 'r1')
  t.false('disk' in taken.labels)
  t.deepEqual(taken.spec['dedicated'] ?? [], [])
  t.is(taken.spec['vcpusPerThread'], 2.5, 'what is not named stays')
  t.is((await typed('host set h1 --label rack=r9 --dry-run')).code, 0)
  t.is((await hostOf(world, 'h1')).labels['rack'], 'r1')
})

const wrong: readonly (readonly [line: string, says: RegExp])[] = [
  ['host set h1', /cannot set nothing in particular of a host/],
  ['host set h1 --label rack', /cannot read "rack" as a label/],
  ['host set h1 --dedicated none --dedicated acme', /cannot dedicate a host to none and to some/],
  ['host set h1 --vcpus-per-thread much', /cannot read "much" as a ratio/],
  ['placement set --weight cpu=much', /cannot read "much" as the weight of cpu/],
  ['placement set --weight luck=3', /luck/],
  ['place --size small --count 3', /--plan/],
  ['explain-placement host/h1', /only instances are placed/],
  ['explain-placement instance/nobody', /no instance "?nobody/]
]

test('what cannot be read or is not there is refused', async t => {
  t.timeout(patienceMs)
  await using cloud = await twoHosts()
  for (const [line, says] of wrong) {
    const { code, errors } = await cloud.typed(line)
    t.not(code, 0, line)
    t.regex(errors, says, line)
  }
})

test('placement set changes a weight until its default is back', async t => {
  t.timeout(patienceMs)
  await using cloud = await twoHosts()
  const { typed } = cloud
  t.regex((await typed('placement show')).output, /^memory +100 +100$/m)
  const set = await typed('placement set --weight cpu=50 --weight packing=-2.5')
  t.is(set.code, 0, set.errors)
  const { output } = await typed('placement show')
  t.is(set.output, output)
  t.regex(output, /^cpu +50 +\d+$/m)
  t.regex(output, /^packing +-2.5 +0$/m)
  await typed('placement set --weight cpu=default')
  const { weights } = JSON.parse((await typed('placement show -o json')).output) as {
    readonly weights: readonly { name: string; weight: number; default: number }[]
  }
  const cpu = weights.find(({ name }) => name === 'cpu')!
  t.is(cpu.weight, cpu.default)
})

test('place --plan spreads some over the hosts, and says why more find no place', async t => {
  t.timeout(patienceMs)
  await using cloud = await twoHosts()
  const { typed, world } = cloud
  const few = await typed('place --memory 128MiB --count 4 --plan')
  t.is(few.code, 0, few.errors)
  t.regex(few.output, /^h1 +2$/m)
  t.regex(few.output, /^h2 +2$/m)
  t.regex(few.output, /^4 of 4 find a place; nothing was done$/m)
  const { list } = await world.ask({ path: '/v1/instances' })
  t.is(list.items.length, 0)
  await typed('host set h1 --label disk=ssd')
  const one = await typed('place --memory 128MiB --host-label disk=hdd --plan')
  t.regex(one.output, /^0 of 1 find a place; nothing was done$/m)
  t.regex(one.output, /^h1 +its label disk is ssd, needs hdd$/m)
  t.regex(one.output, /^h2 +it has no label disk, needs disk=hdd$/m)
  t.regex(one.output, /^it would fit /m)
  const most = JSON.parse((await typed('place --memory 900GiB --plan -o json')).output) as object
  t.like(most, { placed: 0, hosts: [] })
})

test('explain-placement shows each host with its score, or why it is none', async t => {
  t.timeout(patienceMs)
  await using cloud = await twoHosts()
  const { typed } = cloud
  await typed('host set h1 --label rack=r1')
  const made = await typed('instance create web --image tiny --memory 128MiB --host-label rack=r1')
  t.is(made.code, 0, made.errors)
  const { code, output, errors } = await typed('explain-placement instance/web')
  t.is(code, 0, errors)
  t.regex(output, /^h1 \(here\) +\d+(\.\d)? +memory \d+/m)
  t.regex(output, /^h2 +the instance is bound to h1: volume web-root is there$/m)
  const said = JSON.parse((await typed('explain-placement instance/web -o json')).output) as object
  t.like(said, { chosen: 'h1' })
})
