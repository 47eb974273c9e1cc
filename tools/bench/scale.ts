/**
 * A controller with 100,000 instances of desired state: how long it takes from its start to its
 * first answer, how much memory it holds, and how fast it lists.
 */
import { spawn } from 'node:child_process'
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { realClock } from '#shared/clock.ts'
import { silentLog } from '#shared/log.ts'
import { openLevelJournal } from '../../controller/io/journal/level.ts'
import { Keeper } from '../../controller/io/keeper.ts'
import { Ledger } from '../../controller/io/ledger.ts'
import { buildAll } from '../build.ts'
import { Api } from '../cli/api/client.ts'
import { home } from '../up/layout.ts'
import { hostsMax, instancesMax, largeCloud } from './large-cloud.ts'
import { memoryOf } from './measure.ts'

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
  const commits: Promise<unknown>[] = []
  for (const commit of largeCloud(ledger.view)) {
    commits.push(ledger.commit(commit))
    if (commits.length >= 16) await Promise.all(commits.splice(0))
  }
  await Promise.all(commits)
  await keeper.write(() => ledger.durable())
  stop.abort()
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
