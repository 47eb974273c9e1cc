import fs from 'node:fs'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import test from 'ava'
import {
  checkClock,
  checkConfiguration,
  checkDisk,
  checkKvm,
  checkLibvirt,
  checkPrograms,
  checkSocket
} from '../../../tools/cli/run/doctor-machine.ts'
import { FakeApi, problem } from '../../world/fake-api.ts'
import { ready } from '../../world/fake-resources.ts'
import { typeLine } from './type-line.ts'

type Report = {
  readonly healthy: boolean
  readonly firstBroken?: string
  readonly checks: readonly { name: string; state: string; found: string; fix?: string }[]
}

function makeFolder(t: { teardown: (act: () => void) => void }): string {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'remuda-cli-'))
  t.teardown(() => fs.rmSync(folder, { recursive: true, force: true }))
  fs.mkdirSync(path.join(folder, 'run'))
  return folder
}

async function reportOf(environment: Record<string, string>, server?: string): Promise<Report> {
  const options = server === undefined ? { environment } : { environment, server }
  const { output, code } = await typeLine('doctor -o json', options)
  const report = JSON.parse(output) as Report
  if ((code === 0) !== report.healthy) throw new Error(`exit code ${code} and ${output} differ`)
  return report
}

const one = (report: Report, name: string) => report.checks.find(check => check.name === name)

test('where nothing ever ran, it says so, and how to begin', async t => {
  const { code, output } = await typeLine('doctor', {
    environment: { REMUDA_STATE: '/nonexistent/remuda' }
  })
  t.is(code, 1)
  t.regex(output, /^fail {2}configuration +there is no state folder \/nonexistent\/remuda$/m)
  t.regex(output, /\nthe first broken link is configuration: start Remuda .*npm run up/)
})

const cannotListen = {
  level: 'error',
  message: 'cannot go on',
  because: 'cannot listen on 127.0.0.1:7410',
  reasons: ['another program does']
}
/** No process has this number: Linux gives none beyond 2^22. */
const pidOfNone = 2 ** 22 + 1

for (const [what, log, expected] of [
  ['its last words', `${JSON.stringify(cannotListen)}\n`, /has ended: cannot listen .*; another/],
  ['that it said none', '{"level":"info"}\n', /has ended without a word, as when it is killed$/]
] as const) {
  test(`of daemons that have ended doctor tells ${what}`, async t => {
    const state = makeFolder(t)
    fs.mkdirSync(path.join(state, 'log'))
    fs.mkdirSync(path.join(state, 'agent'))
    for (const part of ['controller', 'agent']) {
      fs.writeFileSync(path.join(state, 'run', `${part}.process`), `{"pid":${pidOfNone}}`)
      fs.writeFileSync(path.join(state, 'log', `${part}.log`), log)
    }
    const report = await reportOf({ REMUDA_STATE: state })
    t.regex(one(report, 'socket')?.found ?? '', expected)
    t.regex(one(report, 'agent')?.found ?? '', expected)
    t.regex(one(report, 'agent')?.found ?? '', /^the agent, process \d+, has ended/)
  })
}

test('what hangs on a broken link is skipped', async t => {
  const { code, output } = await typeLine('doctor', { server: 'unix:/nonexistent/a.sock' })
  t.is(code, 1)
  t.regex(output, /^fail {2}controller +cannot reach the controller: no controller listens on /m)
  t.regex(output, /^skip {2}journal +no controller answers$/m)
  t.regex(output, /^skip {2}images +no controller to ask$/m)
})

test('a cloud in which all is well passes', async t => {
  const state = makeFolder(t)
  await using api = await FakeApi.start({ socketPath: path.join(state, 'run', 'admin.sock') })
  await using agent = await FakeApi.start({ socketPath: path.join(state, 'run', 'agent.sock') })
  agent.intercept = () => ({ status: 200, body: {} })
  const { resources } = api
  resources.put(
    { kind: 'host', name: os.hostname() },
    {
      status: { phase: 'online' },
      conditions: [{ type: 'kvm', status: 'true', reason: 'tried', message: 'a guest ran' }]
    }
  )
  resources.put(
    { kind: 'pool', name: 'local' },
    { status: { phase: 'ready', freeMib: 900, capacityMib: 1000 } }
  )
  resources.put(
    { kind: 'network', name: 'default' },
    { status: { phase: 'ready' }, conditions: [ready('true', 'stands on 1 host')] }
  )
  resources.put({ kind: 'image', name: 'debian' }, { status: { phase: 'ready' } })
  const report = await reportOf({ REMUDA_STATE: state, PATH: process.env['PATH'] ?? '' })
  const states = Object.fromEntries(report.checks.map(check => [check.name, check.state]))
  t.like(states, {
    configuration: 'ok',
    socket: 'ok',
    controller: 'ok',
    leading: 'ok',
    access: 'ok',
    journal: 'ok',
    agent: 'ok',
    host: 'ok',
    kvm: 'ok',
    pools: 'ok',
    networks: 'ok',
    images: 'ok'
  })
  t.is(one(report, 'kvm')?.found, 'a guest ran')
})

const sicknesses: readonly (readonly [
  name: string,
  make: (api: FakeApi) => void,
  found: RegExp,
  fix?: RegExp
])[] = [
  [
    'leading',
    api => {
      api.intercept = ({ path: asked }) =>
        asked === '/readyz'
          ? problem(503, 'unavailable', 'the disk is full', { next: ['make room'] })
          : undefined
    },
    /the disk is full/,
    /make room/
  ],
  [
    'access',
    api => {
      api.intercept = ({ path: asked }) =>
        asked === '/v1/status' ? problem(401, 'unauthenticated', 'no token') : undefined
    },
    /no token/,
    /on the machine of the controller run it as root/
  ],
  [
    'host',
    api => {
      const key = { kind: 'host', name: os.hostname() } as const
      api.resources.put(key, { status: { phase: 'pending' } })
    },
    /is pending/,
    /remuda host approve/
  ],
  [
    'pools',
    api => {
      const status = { phase: 'ready', freeMib: 1, capacityMib: 1000 }
      api.resources.put({ kind: 'pool', name: 'local' }, { status })
    },
    /local 1 MiB of 1000 MiB free/,
    /larger disk/
  ],
  [
    'networks',
    api => {
      const conditions = [ready('false', 'h1: dnsmasq ended with 2')]
      const key = { kind: 'network', name: 'default' } as const
      api.resources.put(key, { status: { phase: 'failed' }, conditions })
    },
    /default: h1: dnsmasq ended with 2/,
    /remuda why network\/default/
  ]
]
for (const [name, make, found, fix] of sicknesses) {
  test(`it finds that ${name} is broken, and says the fix`, async t => {
    const state = makeFolder(t)
    await using api = await FakeApi.start({ socketPath: path.join(state, 'run', 'admin.sock') })
    make(api)
    const check = one(await reportOf({ REMUDA_STATE: state }), name)
    t.is(check?.state, 'fail')
    t.regex(check?.found ?? '', found)
    if (fix) t.regex(check?.fix ?? '', fix)
  })
}

test('of a controller elsewhere it asks only what can be asked there', async t => {
  await using api = await FakeApi.start()
  const report = await reportOf({}, api.url)
  t.is(one(report, 'socket'), undefined)
  t.is(one(report, 'libvirt'), undefined)
  t.is(one(report, 'controller')?.state, 'ok')
})

test('a configuration that cannot be read is told by its field', async t => {
  const state = makeFolder(t)
  fs.mkdirSync(path.join(state, 'controller'))
  t.is((await checkConfiguration(state, {})).state, 'ok')
  fs.writeFileSync(path.join(state, 'controller', 'controller.json'), '{"apiPort": "x"}')
  const check = await checkConfiguration(state, {})
  t.is(check.state, 'fail')
  t.regex(check.found, /apiPort/)
})

test('a socket that nobody listens on is told from one that is missing', async t => {
  const state = makeFolder(t)
  t.regex((await checkSocket(state)).found, /there is no /)
  const file = path.join(state, 'run', 'admin.sock')
  fs.writeFileSync(file, '')
  t.regex((await checkSocket(state)).found, /nobody listens on .* \(ECONNREFUSED\)/)
})

test('libvirt is there when one of its sockets takes connections', async t => {
  const root = makeFolder(t)
  const missing = await checkLibvirt(root)
  t.is(missing.state, 'fail')
  t.regex(missing.found, /libvirt-sock \(ENOENT\) or .*virtqemud-sock \(ENOENT\)/)
  fs.mkdirSync(path.join(root, 'run', 'libvirt'))
  const server = net.createServer()
  await new Promise<void>(resolve => {
    server.listen(path.join(root, 'run', 'libvirt', 'virtqemud-sock'), resolve)
  })
  t.is((await checkLibvirt(root)).state, 'ok')
  await new Promise(resolve => server.close(resolve))
})

test('missing programs are told with the packages that hold them', t => {
  const check = checkPrograms('/nonexistent')
  if (check.state === 'fail') t.regex(check.fix ?? '', /^apt-get install /)
  else t.regex(check.found, /qemu-img/)
})

test('KVM that was tried is believed more than a device that is there', t => {
  t.is(checkKvm({ works: true, because: 'a guest ran' }).state, 'ok')
  t.like(checkKvm({ works: false, because: 'it hangs' }), {
    state: 'warn',
    found: 'VMs run under TCG, many times slower: it hangs'
  })
})

test('where VMs are emulated, it is said whether moves may break them', t => {
  const hangs = { works: false, because: 'it hangs' }
  t.regex(checkKvm(hangs, '7.2.22').fix ?? '', /may break when it moves.*here is QEMU 7\.2\.22/)
  t.regex(checkKvm(hangs, undefined).fix ?? '', /may break when it moves/)
  t.notRegex(checkKvm(hangs, '10.0.2').fix ?? '', /break/)
})

test('a disk is judged by its room, and one that is not there not at all', async t => {
  t.regex((await checkDisk(os.tmpdir())).found, /free at/)
  t.is((await checkDisk('/nonexistent')).state, 'skip')
})

test('a clock is doubted when it is absurd, apart from the controller’s, or kept by nobody', t => {
  const root = makeFolder(t)
  const now = Date.parse('2026-11-20T10:00:00Z')
  const at = (more: object) => checkClock({ theirs: undefined, now, root, ...more })
  t.is(at({ now: 0 }).state, 'fail')
  t.regex(at({ theirs: { wall: now + 90_000, here: now } }).found, /90 s away/)
  t.regex(at({}).found, /no time service/)
  fs.mkdirSync(path.join(root, 'proc', '12'), { recursive: true })
  fs.writeFileSync(path.join(root, 'proc', '12', 'comm'), 'chronyd\n')
  t.is(at({}).state, 'ok')
})

test('the agent is asked over its own socket, with no controller', async t => {
  const state = makeFolder(t)
  const environment = { REMUDA_STATE: state }
  const away = await typeLine('agent status', { environment })
  t.is(away.code, 6)
  t.regex(away.errors, /cannot ask the agent for its status: no agent listens on .*agent\.sock/)
  await using agent = await FakeApi.start({ socketPath: path.join(state, 'run', 'agent.sock') })
  agent.intercept = ({ path: asked }) => ({
    status: 200,
    body: asked === '/diff' ? [] : { epoch: 3, memoryFreeMib: 2048, lease: { leftMs: 1500 } }
  })
  const status = await typeLine('agent status', { environment })
  t.is(status.output, 'epoch          3\nmemoryFreeMib  2 GiB\nlease\n  leftMs       1.5 s\n')
  const json = await typeLine('agent status -o json', { environment })
  t.like(JSON.parse(json.output) as object, { epoch: 3 })
  t.is((await typeLine('agent diff', { environment })).output, 'nothing: all is as desired\n')
})
