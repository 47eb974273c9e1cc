/**
 * A controller with 100,000 instances of desired state: how long it takes from its start to its
 * first answer, how much memory it holds, and how fast it lists.
 */
import { spawn } from 'node:child_process'
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { formatIpv4 } from '#shared/cidr.ts'
import { realClock } from '#shared/clock.ts'
import { newId } from '#shared/ids.ts'
import { silentLog } from '#shared/log.ts'
import type { Instance } from '#shared/model/instance.ts'
import { InstanceSpec } from '#shared/model/instance.ts'
import type { Port } from '#shared/model/network.ts'
import { withDefaults } from '#shared/model/validate.ts'
import type { Volume } from '#shared/model/volume.ts'
import type { Change } from '../../controller/core/commit.ts'
import { firstCommit } from '../../controller/core/first-commit.ts'
import { openLevelJournal } from '../../controller/io/journal/level.ts'
import { Keeper } from '../../controller/io/keeper.ts'
import { Ledger } from '../../controller/io/ledger.ts'
import { buildAll } from '../build.ts'
import { Api } from '../cli/api/client.ts'
import { home } from '../up/layout.ts'

const instancesMax = 100_000
const hostsMax = 1_000
const perCommit = 250
const startsCounted = 3

/** Measures and prints. */
export async function scaleBench(print: (line: string) => void): Promise<void> {
  await buildAll()
  const state = await mkdtemp(join(tmpdir(), 'remuda-scale-'))
  try {
    const filledAt = performance.now()
    await fill(join(state, 'controller', 'journal'))
    print(
      `${instancesMax} instances, ${instancesMax} volumes, ${instancesMax} ports, ${hostsMax} hosts`
    )
    print(`written in ${seconds(performance.now() - filledAt)} s`)
    for (let run = 1; run <= startsCounted; run += 1) await startOnce(state, run, print)
  } finally {
    await rm(state, { recursive: true, force: true })
  }
}

const seconds = (ms: number): string => (ms / 1000).toFixed(2)

/**
 * Writes a journal of that size at a path, with its checkpoint, as a controller would have left it.
 */
async function fill(path: string): Promise<void> {
  await using journal = await openLevelJournal(path)
  const stop = new AbortController()
  const ledger = new Ledger({
    journal,
    clock: realClock,
    log: silentLog,
    signal: stop.signal,
    onDurable: () => {}
  })
  const keeper = new Keeper({ journal, view: ledger.view, log: silentLog })
  await ledger.open(await journal.raiseEpoch())
  const at = new Date().toISOString()
  const token = { id: 'tk', name: 'admin', sha256: '0'.repeat(64), role: 'admin' as const }
  const context = { by: 'bench', now: { monotonic: 0, wall: Date.now() }, newId }
  const wish = { cloudId: 'c-bench', adminToken: { ...token, createdAt: at }, cidr: '10.0.0.0/8' }
  await ledger.commit(firstCommit(wish, context))
  const network = ledger.view.named('network', 'default', 'default')!.id
  const subnet = ledger.view.named('subnet', 'default', 'default')!.id
  const commits: Promise<unknown>[] = []
  commits.push(ledger.commit({ changes: Array.from({ length: hostsMax }, hostOf), decisions: [] }))
  for (let first = 0; first < instancesMax; first += perCommit) {
    const numbers = Array.from({ length: perCommit }, (_, offset) => first + offset)
    const changes = numbers.flatMap(number => resourcesOf(number, { at, network, subnet }))
    const decisions = numbers.flatMap(number => decisionsOf(number, at))
    commits.push(ledger.commit({ changes, decisions }))
    if (commits.length >= 32) await Promise.all(commits.splice(0))
  }
  await Promise.all(commits)
  await keeper.write(() => ledger.durable())
  stop.abort()
}

const hostOf = (_: unknown, number: number): Change => ({
  op: 'put',
  resource: {
    kind: 'host',
    id: newId('h'),
    name: `h${number}`,
    labels: {},
    spec: { schedulable: true, reservedMib: 512, vcpusPerThread: 4 },
    // Nobody is let in, so that nobody is dialled: it is the state that is measured.
    decided: {
      approval: 'pending',
      uuid: newId('u'),
      publicKey: 'k'.repeat(40),
      endpoint: `tcp://127.1.${number >> 8}.${number & 255}:7411`
    },
    generation: 1,
    createdAt: new Date().toISOString()
  }
})

const spec = (withDefaults(InstanceSpec, { image: 'tiny', memoryMib: 512 }) ??
  {}) as Instance['spec']

function resourcesOf(
  number: number,
  cloud: { readonly at: string; readonly network: string; readonly subnet: string }
): readonly Change[] {
  const common = { tenant: 'default', labels: {}, generation: 1, createdAt: cloud.at }
  const name = `instance-${number}`
  const host = `h${number % hostsMax}`
  const [id, volumeId, portId] = [newId('i'), newId('v'), newId('p')]
  const labels = { app: `app-${number % 97}` }
  const decided = { host, vcpus: 1, memoryMib: 512, volumes: [volumeId], ports: [portId] }
  const instance: Instance = { ...common, kind: 'instance', id, name, labels, spec, decided }
  const volume: Volume = {
    ...common,
    kind: 'volume',
    id: volumeId,
    name: `${name}-root`,
    spec: { pool: 'local', format: 'qcow2', sizeMib: 64, image: 'tiny' },
    decided: { host, imageId: 'im-1', ownerId: id }
  }
  const hex = number.toString(16).padStart(6, '0')
  const port: Port = {
    ...common,
    kind: 'port',
    id: portId,
    name: `${name}-0`,
    spec: { network: 'default', instance: name },
    decided: {
      mac: `52:54:00:${hex.slice(0, 2)}:${hex.slice(2, 4)}:${hex.slice(4)}`,
      address: formatIpv4(0x0a000002 + number),
      networkId: cloud.network,
      subnetId: cloud.subnet,
      ownerId: id
    }
  }
  return [instance, volume, port].map(resource => ({ op: 'put', resource }))
}

const decisionsOf = (number: number, at: string) => {
  const subjects = [`instance/instance-${number}`]
  const asked = 'asked for: vm, 1 vcpu, 512 MiB, image tiny, volume of 64 MiB'
  const because = `placed on h${number % hostsMax}: it has the most free memory (4096 of 8192 MiB)`
  return [
    { at, by: 'user/admin', verb: 'created', because: asked, subjects },
    { at, by: 'user/admin', verb: 'placed', because, subjects }
  ]
}

async function startOnce(state: string, run: number, print: (line: string) => void): Promise<void> {
  const startedAt = performance.now()
  const program = join(home, 'dist', 'remuda-controller.js')
  const child = spawn(
    process.execPath,
    [program, '--state', state, '--api-port', '0', '--door-port', '0', '--log-level', 'error'],
    { stdio: ['ignore', 'ignore', 'inherit'] }
  )
  const ended = new Promise(resolve => child.once('exit', resolve))
  try {
    const ready = join(state, 'run', 'controller.ready')
    while (!(await stat(ready).catch(() => undefined))) await sleep(5)
    const readyMs = performance.now() - startedAt
    const at = await memoryOf(child.pid!)
    await using api = new Api({ via: 'socket', path: join(state, 'run', 'admin.sock') })
    const listMs = await timed(api, '/v1/instances?limit=100')
    const filterMs = await timed(api, '/v1/instances?filter=name~99999&limit=100')
    const after = await memoryOf(child.pid!)
    print(
      `start ${run}: ready after ${seconds(readyMs)} s, ${at.rss} MiB resident then, ` +
        `${after.rss} MiB later, ${after.peak} MiB at most; ` +
        `list of 100 in ${listMs.toFixed(0)} ms, filter over all in ${filterMs.toFixed(0)} ms`
    )
  } finally {
    child.kill('SIGTERM')
    await ended
  }
}

async function timed(api: Api, path: string): Promise<number> {
  const startedAt = performance.now()
  await api.ask({ method: 'GET', path, doing: 'list instances', deadlineMs: 60_000 })
  return performance.now() - startedAt
}

/** Resident memory now and at most. Unit: MiB. */
async function memoryOf(pid: number): Promise<{ readonly rss: number; readonly peak: number }> {
  const text = await readFile(`/proc/${pid}/status`, 'utf8')
  const field = (name: string): number =>
    Math.round(Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1] ?? 0) / 1024)
  return { rss: field('VmRSS'), peak: field('VmHWM') }
}
