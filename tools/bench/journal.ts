/**
 * Measures the journal: commits, alone and with many callers, against bare synced puts into the
 * same LevelDB in the same run, since the disk decides both; then a checkpoint of a large cloud and
 * how long a controller takes to read it back.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { Commit } from '../../controller/core/commit.ts'
import { emptyChunkIndex } from '../../controller/core/journal-chunks.ts'
import type { Journal, Position } from '../../controller/core/ports.ts'
import { openLevelJournal } from '../../controller/io/journal/level.ts'
import { openLevelStore } from '../../controller/io/journal/level-store.ts'
import { loadState, saveState } from '../../controller/io/journal/state-store.ts'
import { sampleResources } from './sample-resources.ts'

const commitBytes = 1024
/** The two are measured in turns, so that whatever else the machine does slows down both. */
const roundMs = 250
const rounds = 8
const callersMany = 64
const instances = 100_000

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
  const state = new SampleState()
  state.fill()
  await using journal = await openLevelJournal(folder)
  state.position = await journal.append(sampleCommit, { epoch: await journal.raiseEpoch() })
  await measureSaving(journal, state, print)
  await measureLoading(journal, print)
}

async function measureSaving(
  journal: Journal,
  state: SampleState,
  print: (line: string) => void
): Promise<void> {
  const index = emptyChunkIndex()
  using delay = stopped(monitorEventLoopDelay({ resolution: 1 }))
  const whole = await msOf(() => saveState(journal, state, index))
  const worstMs = Math.round(delay.histogram.max / 1e6)
  const mib = [...index.stored.values()].reduce((sum, { bytes }) => sum + bytes, 0) / 2 ** 20
  const size = `${state.values.size} resources, ${Math.round(mib)} MiB, ${index.count} chunks`
  print(`journal: checkpoint of ${size}: ${whole} ms, event loop held ${worstMs} ms at most`)
  for (const key of [...state.values.keys()].slice(0, 30)) state.changed.add(key)
  const few = await msOf(() => saveState(journal, state, index))
  print(`journal: checkpoint after 30 changes: ${few} ms`)
}

async function measureLoading(journal: Journal, print: (line: string) => void): Promise<void> {
  const state = new SampleState()
  const ms = await msOf(() => loadState(journal, state))
  print(`journal: read back ${state.values.size} resources: ${ms} ms`)
}

async function msOf(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now()
  await work()
  return Math.round(performance.now() - started)
}

function stopped(histogram: ReturnType<typeof monitorEventLoopDelay>) {
  histogram.enable()
  return { histogram, [Symbol.dispose]: () => void histogram.disable() }
}

/** A cloud's resources by key, as the controller would hold them. */
class SampleState {
  position: Position = 0
  readonly values = new Map<string, unknown>()
  readonly changed = new Set<string>()

  fill(): void {
    for (let number = 0; number < instances; number++) {
      for (const resource of sampleResources(number)) {
        this.values.set(`${resource.kind}/${resource.id}`, resource)
        this.changed.add(`${resource.kind}/${resource.id}`)
      }
    }
  }
  takeDirty(): readonly string[] {
    const keys = [...this.changed]
    this.changed.clear()
    return keys
  }
  valueOf(key: string): unknown {
    return this.values.get(key)
  }
  load(key: string, value: unknown): void {
    this.values.set(key, value)
  }
  loaded(position: Position): void {
    this.position = position
  }
  fold(): void {}
}
