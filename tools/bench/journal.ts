/**
 * Measures the journal: commits, alone and with many callers, against bare synced puts into the
 * same LevelDB in the same run, since the disk decides both; then a checkpoint of a large cloud and
 * how long a controller takes to read it back.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Epoch } from '#shared/ids.ts'
import { silentLog } from '#shared/log.ts'
import type { Change, Commit } from '../../controller/core/commit.ts'
import type { Journal } from '../../controller/core/ports.ts'
import { View } from '../../controller/core/view.ts'
import { openLevelJournal } from '../../controller/io/journal/level.ts'
import { openLevelStore } from '../../controller/io/journal/level-store.ts'
import { Keeper } from '../../controller/io/keeper.ts'
import { sampleResources } from './sample-resources.ts'

const commitBytes = 1024
/** The two are measured in turns, so that whatever else the machine does slows down both. */
const roundMs = 250
const rounds = 8
const callersMany = 64
const instances = 100_000
const instancesPerCommit = 100

/** Runs the journal's measurements; each line is one figure, with the machine's own limit. */
export const journalBench = async (print: (line: string) => void): Promise<void> => {
  const folder = await mkdtemp(join(tmpdir(), 'remuda-journal-bench-'))
  try {
    for (const callers of [1, callersMany]) {
      const bare = await bareStore(join(folder, `bare-${callers}`))
      const ours = await commitsOf(join(folder, `ours-${callers}`))
      let [bareRate, ourRate] = [0, 0]
      for (let round = 0; round < rounds; round++) {
        bareRate += (await ratePerSecond(callers, bare.call)) / rounds
        ourRate += (await ratePerSecond(callers, ours.call)) / rounds
      }
      await bare.close()
      await ours.close()
      const ratio = (ourRate / bareRate).toFixed(2)
      const rates = `${Math.round(ourRate)} commits/s, ${Math.round(bareRate)} bare synced puts/s`
      print(`journal: ${callers} caller(s), ${commitBytes} B: ${rates}, ratio ${ratio}`)
    }
    await measureState(join(folder, 'state'), print)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** Something to measure: one call, and how to close it. */
type Subject = { readonly call: () => Promise<unknown>; readonly close: () => Promise<void> }

async function ratePerSecond(callers: number, call: () => Promise<unknown>): Promise<number> {
  const until = performance.now() + roundMs
  let done = 0
  const caller = async () => {
    while (performance.now() < until) {
      await call()
      done += 1
    }
  }
  const started = performance.now()
  await Promise.all(Array.from({ length: callers }, caller))
  const elapsedMs = performance.now() - started
  return (done / elapsedMs) * 1000
}

async function bareStore(folder: string): Promise<Subject> {
  const store = await openLevelStore(folder, { create: true })
  const bytes = Buffer.alloc(commitBytes, 'x')
  let next = 0
  return {
    call: () => {
      next += 1
      return store.write([{ op: 'put', key: String(next).padStart(16, '0'), bytes }])
    },
    close: async () => store[Symbol.asyncDispose]()
  }
}

async function commitsOf(folder: string): Promise<Subject> {
  const journal = await openLevelJournal(folder)
  const epoch = await journal.raiseEpoch()
  return {
    call: () => journal.append(sampleCommit, { epoch }),
    close: async () => journal[Symbol.asyncDispose]()
  }
}

const because = 'x'.repeat(commitBytes - 140)
const sampleCommit: Commit = {
  changes: [],
  decisions: [
    { at: '2026-01-01T00:00:00.000Z', by: 'controller', verb: 'placed', because, subjects: [] }
  ]
}

async function measureState(folder: string, print: (line: string) => void): Promise<void> {
  await using journal = await openLevelJournal(folder)
  const epoch = await journal.raiseEpoch()
  await measureSaving(journal, epoch, print)
  const view = new View()
  const keeper = new Keeper({ journal, view, log: silentLog })
  const ms = await msOf(() => keeper.load())
  print(`journal: read back ${view.indexes.count()} resources: ${ms} ms`)
}

async function measureSaving(
  journal: Journal,
  epoch: Epoch,
  print: (line: string) => void
): Promise<void> {
  const view = new View()
  const keeper = new Keeper({ journal, view, log: silentLog })
  const commit = async (commit: Commit) => {
    const position = await journal.append(commit, { epoch })
    view.fold({ type: 'commit', position, commit })
  }
  for (let from = 0; from < instances; from += instancesPerCommit) {
    await commit({ changes: samplePuts(from, from + instancesPerCommit), decisions: [] })
  }
  const held = watchLoop()
  const whole = await msOf(() => keeper.write(async () => {}))
  const worstMs = held.stop()
  const resources = `checkpoint of ${view.indexes.count()} resources`
  print(`journal: ${resources}: ${whole} ms, event loop held ${worstMs} ms at most`)
  await commit({ changes: samplePuts(0, 10), decisions: [] })
  print(`journal: after ten more instances: ${await msOf(() => keeper.write(async () => {}))} ms`)
}

const samplePuts = (from: number, to: number): readonly Change[] =>
  Array.from({ length: to - from }, (_, at) => sampleResources(from + at))
    .flat()
    .map(resource => ({ op: 'put', resource }))

async function msOf(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now()
  await work()
  return Math.round(performance.now() - started)
}

/** Finds the longest that the event loop was held, in processor time: others do not count. */
function watchLoop(): { readonly stop: () => number } {
  let worstMs = 0
  let since = process.threadCpuUsage()
  const look = () => {
    const { user, system } = process.threadCpuUsage(since)
    worstMs = Math.max(worstMs, (user + system) / 1000)
    since = process.threadCpuUsage()
  }
  const timer = setInterval(look, 1)
  const stop = () => {
    clearInterval(timer)
    return Math.round(worstMs)
  }
  return { stop }
}
