/**
 * The whole of it: two machines of a lab boot over the network, one with a BIOS and one by UEFI,
 * become hosts, run containers, are fenced by their baseboard controllers, are reset by their
 * watchdogs, roll to another version and back, and refuse what is broken. All of it is emulated, so
 * it takes half an hour: `npm run netboot`.
 */
import anyTest, { type TestFn } from 'ava'
import type { BootState } from '#shared/wire/boot.ts'
import { listResources } from '../../tools/cli/api/resources.ts'
import { type ReadyHostImage, readyHostImage } from '../../tools/host-image/ready.ts'
import { giveVersion } from '../../tools/lab/netboot.ts'
import { Monitor } from './monitor.ts'
import { patienceMs, type Recorded, type Said, type Scene, tell, until } from './scene.ts'
import { readSharedLog } from './shared-log.ts'
import { TwoMachines } from './two-machines.ts'
import { shortVersion, strangeVersion, type Version, versionOf } from './versions.ts'

const test = anyTest.serial as TestFn

let image: ReadyHostImage
let machines: TwoMachines
let scene: Scene
/** Names of the machines as hosts. */
let hosts: TwoMachines['hosts']

test.before('two machines get their power, boot, knock and are let in', async t => {
  t.timeout(2 * patienceMs)
  image = await readyHostImage({ progress: tell })
  machines = await TwoMachines.open(104)
  scene = machines.scene
  hosts = machines.hosts
})

test.after.always('the lab is taken away', async t => {
  t.timeout(patienceMs)
  await machines?.[Symbol.asyncDispose]()
})

test('the time line of each boot is printed, from DHCP to joined', async t => {
  for (const machine of ['n1', 'n2'] as const) {
    t.deepEqual(await machines.wrongWith(machine), [])
  }
})

test('a container runs in a machine, and writes to a pool that all hosts see', async t => {
  t.timeout(patienceMs)
  await machines.runWriter(hosts.n1)
  t.deepEqual((await readSharedLog(scene.lab)).violations, [])
})

test('one that stands still is fenced by its controller while its container writes', async t => {
  t.timeout(patienceMs)
  const before = await machines.untilOnline()
  const at = Date.now()
  await scene.lab.pause('n1')
  await until('its container is started elsewhere', async () => {
    const { status } = await scene.read('instance', 'c1')
    return status['host'] !== hosts.n1 && status['phase'] === 'running'
  })
  const after = await machines.untilWrites(
    (await scene.read('instance', 'c1')).status['host'] as string
  )
  t.deepEqual(after.violations, [])
  await scene.untilBack('n1', before['n1'])
  const told = await since('hosts', hosts.n1, at)
  for (const { at: when, verb, because } of told) {
    tell(`  ${((Date.parse(when) - at) / 1_000).toFixed(1)} s ${verb}: ${because}`)
  }
  const fenced = told.find(({ verb }) => verb === 'fenced')
  t.regex(fenced?.because ?? '', /off/)
  t.is((await scene.bootIds())['n2'], before['n2'])
  t.deepEqual((await readSharedLog(scene.lab)).violations, [])
})

/** What befalls a machine that has no device but its watchdog, and what its emulator tells then. */
const strikes = [
  {
    what: 'whose agent stands still',
    line: 'kill -STOP $(systemctl show -P MainPID remuda-agent)',
    event: 'WATCHDOG',
    lastWords: undefined
  },
  {
    what: 'whose kernel hangs',
    line: 'echo 0 >/proc/sys/kernel/panic; echo c >/proc/sysrq-trigger',
    event: 'WATCHDOG',
    lastWords: /kernel: .*Kernel panic/
  },
  {
    what: 'whose kernel panics',
    line: 'echo c >/proc/sysrq-trigger',
    event: 'RESET',
    lastWords: /kernel: .*Kernel panic[\s\S]*kernel: .*Rebooting in \d+ seconds/
  }
] as const

for (const { what, line, event, lastWords } of strikes) {
  test(`a machine ${what} is reset, boots over the network and is a host again`, async t => {
    t.timeout(patienceMs)
    const host = hosts.n1
    await scene.set(host, { selfFence: { limitMs: 60_000 } })
    await until('the cloud relies on its watchdog', async () => {
      const { status } = await scene.read('host', host)
      const said = status['selfFence'] as Readonly<Record<string, unknown>> | undefined
      // The longer time would tell that what holds the watchdog could not leave the agent's group.
      return said?.['relied'] === true && said['armed'] === true && said['expiresMs'] === 62_200
    })
    const before = await machines.untilOnline()
    const { fence } = (await scene.read('host', host)).spec
    // A device would be quicker than the watchdog.
    await scene.set(host, { fence: null })
    await using monitor = await Monitor.open(scene.lab, 'n1')
    const at = Date.now()
    await scene.strike('n1', line)
    const befallen = await until('it is reset', async () => monitor.first(event))
    tell(`  ${((befallen.at - at) / 1_000).toFixed(1)} s after it was struck: ${event}`)
    await scene.untilBack('n1', before['n1'])
    // A kernel that boots anew by itself is not to owe that to the watchdog.
    t.is(monitor.first('WATCHDOG') !== undefined, event === 'WATCHDOG')
    if (lastWords !== undefined) {
      const said = await scene.remuda(`host logs ${host} --boot previous --lines 200`)
      t.regex(said.stdout, lastWords)
    }
    await scene.set(host, { fence, selfFence: null })
    t.is((await scene.bootIds())['n2'], before['n2'])
    t.deepEqual((await readSharedLog(scene.lab)).violations, [])
  })
}

for (const [what, make, why] of [
  ['that nobody trusted has signed', strangeVersion, /another key/],
  ['whose root is cut short', shortVersion, /bytes/]
] as const) {
  test(`a version ${what} is given to no machine`, async t => {
    t.timeout(patienceMs)
    const before = await machines.untilOnline()
    const { version } = await given(await make(image, machines.folder), why)
    const said = await roll(version)
    t.not(said.code, 0)
    t.regex(said.stderr, why)
    t.deepEqual(await scene.bootIds(), before)
    t.is((await settings())['current'], image.manifest.version)
  })
}

for (const [manner, why, joinWithinS] of [
  ['panicking', /has begun anew|began anew/, 900],
  ['agentless', /did not join within/, 420]
] as const) {
  test(`a roll to an ${manner} version ends at one machine, which boots as before`, async t => {
    t.timeout(2 * patienceMs)
    const before = await machines.untilOnline()
    const { version } = await given(await versionOf(image, manner, machines.folder))
    await set({ joinWithinS })
    const said = await roll(version)
    await set({ joinWithinS: 900 })
    t.not(said.code, 0)
    t.regex(said.stderr, why)
    t.regex(said.stderr, /is back with the image that it had/)
    const resumed = await scene.remuda(`host resume ${hosts.n1} --wait`)
    t.is(resumed.code, 0, resumed.stderr)
    const boot = await scene.untilBack('n1', before['n1'])
    t.is(boot.version, image.manifest.version)
    t.is((await scene.bootIds())['n2'], before['n2'])
    t.is((await settings())['current'], image.manifest.version)
  })
}

test('a machine whose version fails three times gets the one before by itself', async t => {
  t.timeout(2 * patienceMs)
  const before = await machines.untilOnline()
  const { version } = await given(await versionOf(image, 'panicking', machines.folder))
  await scene.set(hosts.n2, { image: version })
  // A host in service is not booted anew.
  for (const line of [`host drain ${hosts.n2} --cold --wait`, `host reboot ${hosts.n2}`]) {
    const said = await scene.remuda(line)
    t.is(said.code, 0, said.stderr)
  }
  const boot = await scene.untilBack('n2', before['n2'])
  t.like(boot, { isFallback: true, version: image.manifest.version, failures: 3 })
  const { items } = await listResources(scene.lab.api, 'event', {})
  const said = items.map(({ status, spec }) => JSON.stringify({ ...spec, ...status }))
  t.true(
    said.some(text => text.includes('boot-fallback') && text.includes(version)),
    said.join('\n')
  )
  await scene.set(hosts.n2, { image: null })
  const resumed = await scene.remuda(`host resume ${hosts.n2} --wait`)
  t.is(resumed.code, 0, resumed.stderr)
  t.is((await scene.bootIds())['n1'], before['n1'])
})

test('a machine fetches its image from the other one, where hosts shall serve theirs', async t => {
  t.timeout(2 * patienceMs)
  await set({ peers: true })
  const before = await machines.untilOnline()
  // What it serves by it is told while it boots.
  await leave('n1')
  await comeBack('n1', before['n1'])
  const serving = await until('n1 serves its image', async () => {
    const boot = await scene.bootOf('n1')
    return boot?.serves === undefined ? undefined : boot
  })
  const address = (await scene.bootOf('n2'))?.address
  await leave('n2')
  const said = await until('n1 has sent its image to n2', async () => {
    const lines = await scene.inside('n1', 'journalctl -b -o cat -u remuda-peer')
    return lines.includes(`"has sent its image","address":"${address}"`) && lines
  })
  tell(`n1: ${said}`)
  t.not(await scene.inside('n1', 'stat -c %u /proc/$(systemctl show -P MainPID remuda-peer)'), '0')
  tell(`n1: ${await scene.inside('n1', 'systemctl show -P MemoryCurrent remuda-peer')} bytes`)
  t.is((await comeBack('n2', before['n2'])).version, serving.version)
  await set({ peers: null })
})

test('both machines roll to another version one after the other, and back', async t => {
  t.timeout(2 * patienceMs)
  const marked = await given(await versionOf(image, 'marked', machines.folder))
  const there = await roll(marked.version)
  t.is(there.code, 0, there.stderr)
  for (const machine of ['n1', 'n2']) {
    t.is((await scene.joined(machine)).version, marked.version)
    t.is(await scene.inside(machine, 'cat /etc/remuda-marker'), 'another version')
  }
  t.like(await settings(), { current: marked.version, previous: image.manifest.version })
  const back = await roll(image.manifest.version)
  t.is(back.code, 0, back.stderr)
  for (const machine of ['n1', 'n2']) {
    t.is((await scene.joined(machine)).version, image.manifest.version)
    t.is(await scene.inside(machine, 'ls /etc/remuda-marker || echo none'), 'none')
  }
  t.like(await settings(), { current: image.manifest.version })
  await machines.untilWrites()
  t.deepEqual((await readSharedLog(scene.lab)).violations, [])
})

/** Takes a machine out of service, and has it boot anew. */
async function leave(machine: 'n1' | 'n2'): Promise<void> {
  const host = hosts[machine]
  for (const line of [`host drain ${host} --cold --wait`, `host reboot ${host}`]) {
    const said = await scene.remuda(line)
    if (said.code !== 0) throw new Error(said.stderr)
  }
}

/** Waits until it has booted, and puts it into service again. */
async function comeBack(machine: 'n1' | 'n2', before: unknown): Promise<BootState> {
  const boot = await scene.untilBack(machine, before)
  const resumed = await scene.remuda(`host resume ${hosts[machine]} --wait`)
  if (resumed.code !== 0) throw new Error(resumed.stderr)
  return boot
}

/** Puts a version into the store of bootd, and waits until it is seen there, whole or not. */
async function given(made: Version, problem?: RegExp): Promise<Version> {
  await giveVersion(scene.lab, made.folder)
  await until(`bootd has looked at ${made.version}`, async () => {
    const doing = 'list host images'
    const answer = await scene.lab.api.ask({ method: 'GET', path: '/v1/host-images', doing })
    const { items } = JSON.parse(answer.bytes.toString()) as {
      readonly items: readonly {
        readonly version: string
        readonly bootds: readonly string[]
        readonly problems: readonly string[]
      }[]
    }
    const found = items.find(({ version }) => version === made.version)
    if (!found) return false
    return problem ? problem.test(found.problems.join()) : found.bootds.length > 0
  })
  return made
}

async function roll(version: string): Promise<Said> {
  await machines.untilOnline()
  const line = `host roll ${hosts.n1} ${hosts.n2} --image ${version} --cold --timeout 20m`
  return await scene.remuda(line)
}

async function settings(): Promise<Readonly<Record<string, unknown>>> {
  const doing = 'show how machines boot'
  const answer = await scene.lab.api.ask({ method: 'GET', path: '/v1/boot', doing })
  return JSON.parse(answer.bytes.toString()) as Readonly<Record<string, unknown>>
}

async function set(body: object): Promise<void> {
  await scene.lab.api.ask({ method: 'PATCH', path: '/v1/boot', body, doing: 'set how hosts boot' })
}

async function since(
  kind: 'hosts' | 'instances',
  name: string,
  at: number
): Promise<readonly Recorded[]> {
  return (await scene.history(kind, name)).filter(one => Date.parse(one.at) >= at)
}
