/** A real lab of two hosts, used as the tests of others use it. */
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import anyTest, { type TestFn } from 'ava'
import { Fault } from '#shared/fault.ts'
import { exists } from '#shared/files.ts'
import { createResource, deleteResource, readResource } from '../../../tools/cli/api/resources.ts'
import { folderOf } from '../../../tools/lab/folder.ts'
import type { Lab } from '../../../tools/lab/lab.ts'
import { openLab } from '../../../tools/lab/open.ts'
import type { DaemonName, DaemonStatus, HostStatus } from '../../../tools/lab/protocol.ts'
import { eventually } from '../cloud/waiting.ts'

const test = anyTest.serial as TestFn
let lab: Lab

test.before('a lab of two hosts comes up', async t => {
  t.timeout(300_000)
  const folder = await mkdtemp(join(tmpdir(), 'remuda-lab-'))
  const wish = { folder, hosts: 2, solo: true, outside: false, isBound: true }
  // Hosts that are cut off here shall stay as they are.
  lab = await openLab({ ...wish, isFenced: false })
})

test.after.always('a lab that ends leaves nothing behind', async t => {
  t.timeout(300_000)
  if (lab === undefined) return
  const { hosts, switchPid } = await lab.status()
  const pids = [switchPid, ...hosts.flatMap(({ pid }) => pid ?? [])]
  await lab[Symbol.asyncDispose]()
  for (const pid of pids) t.false(await exists(`/proc/${pid}/root/`), `process ${pid}`)
  t.false(await exists(lab.folder))
  t.deepEqual(await groupsOf(lab.plan.tag), [])
})

test('an instance on each host answers, and has a host of its own below it', async t => {
  for (const host of ['h1', 'h2']) {
    const name = `on-${host}`
    const spec = { image: 'tiny-container', type: 'container', size: 'tiny', host }
    await createResource(lab.api, { kind: 'instance', name }, { spec })
    const address = await eventually(`${name} has an address`, async () => {
      const { status } = await readResource(lab.api, { kind: 'instance', name })
      return (status['addresses'] as readonly string[])[0]
    })
    const page = await eventually(`${name} answers`, () => lab.http(address))
    t.regex(page, new RegExp(`^host: ${host}$`, 'm'))
    const { stdout } = await lab.run(host, ['virsh', '-q', '-c', 'lxc:///system', 'list', '--name'])
    t.deepEqual(stdout.split('\n').filter(Boolean), [`default.${name}`])
  }
})

test('members of a group that is kept apart are on hosts of their own, or nowhere', async t => {
  const affinity = [{ group: 'apart', rule: 'apart' }]
  const spec = { image: 'tiny-container', type: 'container', size: 'tiny', affinity }
  const named = (name: string) => ({ kind: 'instance', name }) as const
  for (const name of ['apart-1', 'apart-2']) {
    await createResource(lab.api, named(name), { spec })
  }
  const pages = await Promise.all(
    ['apart-1', 'apart-2'].map(async name => {
      const address = await eventually(`${name} has an address`, async () => {
        const { status } = await readResource(lab.api, named(name))
        return (status['addresses'] as readonly string[])[0]
      })
      const page = await eventually(`${name} answers`, () => lab.http(address))
      return /^host: (.*)$/m.exec(page)?.[1]
    })
  )
  t.deepEqual(pages.toSorted(), ['h1', 'h2'])
  const third = await t.throwsAsync(createResource(lab.api, named('apart-3'), { spec }))
  t.true(third instanceof Fault)
  const why = 'group apart is kept apart, at most 1 on one host: it has 1'
  t.deepEqual((third as Fault).reasons, [`h1: ${why}`, `h2: ${why}`])
  for (const name of ['apart-1', 'apart-2']) await deleteResource(lab.api, named(name))
})

test('hosts differ in name, boot id and state, and know each other by name', async t => {
  const names = await both(['cat', '/proc/sys/kernel/hostname'])
  t.deepEqual(names, ['h1\n', 'h2\n'])
  const [first, second] = await both(['cat', '/proc/sys/kernel/random/boot_id'])
  t.not(first, second)
  t.is((await lab.run('h1', ['busybox', 'ping', '-c', '1', '-W', '2', 'h2'])).code, 0)
  t.is((await lab.run('h2', ['test', '-e', '/var/lib/remuda/run/admin.sock'])).code, 1)
  t.is((await lab.run('h1', ['test', '-e', '/var/lib/remuda/run/admin.sock'])).code, 0)
})

test('what is written into the shared folder by one host is read by another', async t => {
  const file = join(folderOf(lab.folder).shared, 'note')
  await lab.run('h1', ['tee', file], { input: 'from h1' })
  t.is((await lab.run('h2', ['cat', file])).stdout, 'from h1')
})

test('between groups nothing passes until it is healed', async t => {
  t.true(await reaches('h1', 'h2', 7411))
  await lab.partition([['h1'], ['h2']])
  t.false(await reaches('h1', 'h2', 7411))
  t.false(await reaches('h2', 'h1', 7410))
  t.deepEqual((await lab.status()).cuts, [{ groups: [['h1'], ['h2']], oneWay: false }])
  await lab.heal()
  t.true(await reaches('h1', 'h2', 7411))
})

test('a service is cut off on the host itself too, and all else goes on', async t => {
  await lab.cutFrom(['h1'], 'agents')
  t.false(await reaches('h1', 'h2', 7411))
  t.false(await reaches('h1', 'h1', 7411))
  t.true(await reaches('h2', 'h1', 7410))
  await lab.heal()
  t.true(await reaches('h1', 'h1', 7411))
})

test('slow links hold frames back in each direction, until it is healed', async t => {
  await lab.slow('h2', { delayMs: 150 })
  t.deepEqual((await host('h2')).slow, { delayMs: 150, loss: 0 })
  const { stdout } = await lab.run('h1', ['busybox', 'ping', '-c', '2', '-W', '5', 'h2'])
  const [, least] = /min\/avg\/max = ([0-9.]+)/.exec(stdout) ?? []
  t.true(Number(least) >= 290, stdout)
  await lab.slow('h2', { loss: 1 })
  t.is((await lab.run('h1', ['busybox', 'ping', '-c', '1', '-W', '1', 'h2'])).code, 1)
  await lab.heal()
  t.is((await host('h2')).slow, undefined)
  t.is((await lab.run('h1', ['busybox', 'ping', '-c', '1', '-W', '5', 'h2'])).code, 0)
})

test('a daemon that is killed is started again, and one that is stopped is not', async t => {
  await lab.kill('h2', 'agent')
  await eventually('the agent runs again', async () => {
    const { state, starts } = await daemonOf('h2', 'agent')
    return state === 'running' && starts === 2 ? true : undefined
  })
  await lab.stop('h2', 'agent')
  t.is((await daemonOf('h2', 'agent')).state, 'stopped')
  await lab.start('h2', 'agent')
  await eventually('the agent runs', async () => {
    return (await daemonOf('h2', 'agent')).state === 'running' ? true : undefined
  })
})

test('what is paused stands still, and goes on where it stood', async t => {
  await lab.pause('h2', 'agent')
  t.is((await daemonOf('h2', 'agent')).state, 'paused')
  await lab.resume('h2', 'agent')
  t.is((await daemonOf('h2', 'agent')).state, 'running')
  await lab.pause('h2')
  t.true((await host('h2')).isPaused)
  const page = lab.http(await addressOf('on-h2'))
  t.is(await page, undefined)
  await lab.resume('h2')
  await eventually('it answers again', async () => lab.http(await addressOf('on-h2')))
  t.is((await daemonOf('h2', 'agent')).starts, 3)
})

test('a host whose power is cut falls silent, and comes back in another boot', async t => {
  const before = await host('h2')
  await lab.pause('h2')
  await lab.power('h2', 'off')
  await lab.power('h2', 'off')
  t.is((await host('h2')).power, 'off')
  t.false(await exists(`/proc/${before.pid}/root/`))
  t.is(await lab.http(await addressOf('on-h2')), undefined)
  await eventually('the cloud misses h2', async () => {
    return (await lab.hostPhases()).get('h2') === 'online' ? undefined : true
  })
  const refused = await t.throwsAsync(lab.run('h2', ['true']))
  t.is(refused?.message, 'cannot run anything on h2: its power is off')
  await lab.power('h2', 'on')
  t.not((await host('h2')).bootId, before.bootId)
  await eventually('h2 is online', async () => {
    return (await lab.hostPhases()).get('h2') === 'online' ? true : undefined
  })
  const page = await eventually('its instance is back', async () => {
    return await lab.http(await addressOf('on-h2'))
  })
  t.regex(page, /^name: on-h2$/m)
})

test('whoever fences a host reads its switch back by one line on a socket', async t => {
  const say = (ask: object) => exchange(folderOf(lab.folder).socket, JSON.stringify(ask))
  t.is(await say({ verb: 'power', host: 'h2' }), '{"ok":{"power":"on"}}')
  t.is(await say({ verb: 'power', host: 'h2', to: 'off' }), '{"ok":{"power":"off"}}')
  t.is(await say({ verb: 'power', host: 'h2' }), '{"ok":{"power":"off"}}')
  t.regex(await say({ verb: 'power', host: 'h9' }), /cannot find host h9 in the lab/)
  t.regex(await say({ verb: 'power', host: 'h2', to: 'up' }), /to of power is missing or wrong/)
})

const both = async (line: readonly string[]): Promise<readonly string[]> =>
  await Promise.all(['h1', 'h2'].map(async name => (await lab.run(name, line)).stdout))

async function host(name: string): Promise<HostStatus> {
  return (await lab.status()).hosts.find(each => each.name === name)!
}

async function daemonOf(name: string, daemon: DaemonName): Promise<DaemonStatus> {
  return (await host(name)).daemons.find(each => each.name === daemon)!
}

async function addressOf(name: string): Promise<string> {
  const { status } = await readResource(lab.api, { kind: 'instance', name })
  return (status['addresses'] as readonly string[])[0]!
}

/** Whether a connection comes about; where nothing stands in its way it does at once. */
async function reaches(from: string, to: string, port: number): Promise<boolean> {
  const line = ['timeout', '-s', 'KILL', '2', 'bash', '--norc', '-c', `</dev/tcp/${to}/${port}`]
  return (await lab.run(from, line)).code === 0
}

async function exchange(path: string, line: string): Promise<string> {
  const socket = connect(path)
  try {
    return await new Promise((resolve, reject) => {
      socket.once('error', reject)
      createInterface({ input: socket }).once('line', resolve)
      socket.write(`${line}\n`)
    })
  } finally {
    socket.destroy()
  }
}

async function groupsOf(tag: string): Promise<readonly string[]> {
  const tops = (await readdir('/sys/fs/cgroup')).map(name => join('/sys/fs/cgroup', name))
  const lists = await Promise.all(tops.map(top => readdir(top).catch(() => [])))
  return lists.flat().filter(name => name.includes(tag))
}

test.after.always('no folder of a lab that did not come up is left', async () => {
  if (lab) await rm(lab.folder, { recursive: true, force: true })
})
