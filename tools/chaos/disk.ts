/**
 * Instances that write to disks which all hosts of a lab of five share, while their hosts lose
 * power, are cut off and stand still. At the end each disk is read, sector by sector: two writers
 * must never have overlapped, and none may have written after it was succeeded.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { exists } from '#shared/files.ts'
import { quantile } from '../bench/measure.ts'
import { until, untilWhole } from '../bench/takeover-checks.ts'
import { createResource, patchResource, readResource } from '../cli/api/resources.ts'
import { folderOf } from '../lab/folder.ts'
import type { Lab } from '../lab/lab.ts'
import { openLab } from '../lab/open.ts'
import { BlindPool } from './blind-pool.ts'
import { type Chance, makeChance } from './chance.ts'
import { type DiskScene, type DiskWriter, diskFaults } from './disk-faults.ts'
import { writerScript } from './disk-guest.ts'
import { judgeDisk, readRecords, recordBytes } from './disk-log.ts'
import { DiskWatch } from './disk-watch.ts'

const minutesDefault = 10
const writersDefault = 3
const hostsDefault = 5
/** A disk has room for so many records in each minute, which nobody can write. */
const recordsPerMinute = 1_800
/** A writer begins within so long of its start on a busy machine, and writes so much before. */
const recordsBefore = 20

/**
 * What hosts share: a folder that tells each of the locks of others, one that does not, and one
 * that does not either, but whose volumes are locked by virtlockd.
 */
export const storageKinds = ['alike', 'blind', 'locked'] as const
/** One of them. */
export type Storage = (typeof storageKinds)[number]

type Print = (line: string) => void

/** `chaos disk`: gives whether all promises were kept. */
export async function diskChaos(
  words: readonly string[],
  print: Print,
  signal: AbortSignal
): Promise<boolean> {
  const text = { type: 'string' } as const
  const options = {
    minutes: text,
    seed: text,
    kinds: text,
    writers: text,
    hosts: text,
    storage: text
  }
  const { values } = parseArgs({ args: [...words], options, strict: true })
  const seed = Number(values.seed ?? Date.now() % 1_000_000)
  const minutes = Number(values.minutes ?? minutesDefault)
  const hosts = Number(values.hosts ?? hostsDefault)
  const storage = (values.storage ?? 'alike') as Storage
  const kinds = values.kinds?.split(',') ?? Object.keys(diskFaults)
  print(
    `writers on shared disks for ${minutes} min of chaos, ${storage}, ${hosts} hosts: seed ${seed}`
  )
  const folder = await mkdtemp(join(tmpdir(), 'remuda-chaos-disk-'))
  await using resources = new AsyncDisposableStack()
  resources.defer(() => rm(folder, { recursive: true, force: true }))
  const ranges = { subnet: '10.103.0.0/24', instances: '10.104.0.0/16' }
  const lab = resources.use(
    await openLab({
      folder,
      hosts,
      outside: false,
      isBound: true,
      ...ranges,
      locks: storage === 'locked'
    })
  )
  const pool = resources.use(await poolOf(lab, storage)).name
  const count = Number(values.writers ?? writersDefault)
  const writers: DiskWriter[] = []
  for (let number = 1; number <= count; number += 1) {
    const writer = await makeWriter(lab, { name: `writer-${number}`, pool, minutes })
    resources.use(writer.watch)
    writers.push(writer)
  }
  const run = { lab, writers, chance: makeChance(seed), kinds, print, signal }
  await strikeAgainAndAgain(run, minutes * 60_000)
  return await judge(run)
}

/** The pool of a kind of storage, in a lab that was opened for it. */
export async function poolOf(
  lab: Lab,
  storage: Storage
): Promise<AsyncDisposable & { readonly name: string }> {
  if (storage === 'alike') return { name: 'shared', [Symbol.asyncDispose]: async () => {} }
  return await BlindPool.make(lab, { isLocked: storage === 'locked' })
}

/** What a writer is made of. */
export type WriterWish = {
  readonly name: string
  readonly pool: string
  /** How long it has room to write for. */
  readonly minutes: number
  /** Where it is started first; any host when left out. */
  readonly host?: string
}

/** Makes an instance that writes to a disk of its own, and waits until it does. */
export async function makeWriter(lab: Lab, wish: WriterWish): Promise<DiskWriter> {
  const { name, pool, minutes, host } = wish
  const sizeMib = Math.ceil(((minutes + 10) * recordsPerMinute * recordBytes) / 2 ** 20)
  const log = { kind: 'volume' as const, name: `${name}-log` }
  const { document } = await createResource(lab.api, log, {
    spec: { pool, format: 'raw', sizeMib }
  })
  const spec = { image: 'tiny', memoryMib: 96, pool, volumes: [log.name], userData: writerScript }
  if (host !== undefined) await openOnly(lab, [host])
  await createResource(lab.api, { kind: 'instance', name }, { spec })
  // Pools of other paths are other ways to the same folder.
  const path = join(folderOf(lab.folder).shared, 'volumes', `${document!.id}.raw`)
  await until(`${name} has a disk`, async () => await exists(path))
  const watch = await DiskWatch.open(path)
  await watch.next(`${name} writes`, ({ count }) => count >= recordsBefore)
  const names = lab.plan.hosts.map(each => each.name)
  if (host !== undefined) await openOnly(lab, names)
  return { name, watch }
}

/** Lets new instances come to these hosts alone. */
async function openOnly(lab: Lab, hosts: readonly string[]): Promise<void> {
  for (const { name } of lab.plan.hosts) {
    const spec = { schedulable: hosts.includes(name) }
    await patchResource(lab.api, { kind: 'host', name }, { spec })
  }
}

type Run = {
  readonly lab: Lab
  readonly writers: readonly DiskWriter[]
  readonly chance: Chance
  readonly kinds: readonly string[]
  readonly print: Print
  readonly signal: AbortSignal
}

/** Until the time is over and each kind was seen. */
async function strikeAgainAndAgain(run: Run, lastsMs: number): Promise<void> {
  const { lab, writers, chance, kinds, print, signal } = run
  const begunAt = performance.now()
  const gaps = new Map<string, number[]>(kinds.map(kind => [kind, []]))
  let deck: readonly string[] = []
  while (performance.now() - begunAt < lastsMs || [...gaps.values()].some(all => !all.length)) {
    signal.throwIfAborted()
    if (deck.length === 0) deck = chance.shuffled(kinds)
    const [kind = '', ...rest] = deck
    deck = rest
    const writer = chance.pick(writers)
    const scene = await sceneOf(run, writer)
    const [load = 0] = loadavg()
    const from = performance.now()
    await strike(kind, scene)
    await untilWhole(lab)
    const gapMs = Math.round(writer.watch.gapSince(from))
    gaps.get(kind)?.push(gapMs)
    const seconds = ((performance.now() - begunAt) / 1_000).toFixed(0)
    const whom = `${writer.name} on ${scene.host}`
    print(`${seconds} s: ${kind} (${whom}): wrote nothing for ${gapMs} ms; load ${load.toFixed(1)}`)
  }
  for (const [kind, all] of gaps) {
    const [half, most] = [quantile(all, 0.5), Math.max(...all)].map(Math.round)
    print(`${String(all.length).padStart(4)}  ${kind}: nothing for ${half} ms, ${most} ms at most`)
  }
}

async function sceneOf({ lab, chance }: Run, writer: DiskWriter): Promise<DiskScene> {
  await untilWhole(lab)
  const { boot } = (await writer.watch.next(`${writer.name} writes`, () => true)).record!
  const count = recordsBefore
  await writer.watch.next(
    `${writer.name} goes on`,
    record => record.boot === boot && record.count > count
  )
  const { status } = await readResource(lab.api, { kind: 'instance', name: writer.name })
  const host = String(status['host'])
  const others = lab.plan.hosts.map(({ name }) => name).filter(name => name !== host)
  return { lab, chance, writer, host, others }
}

async function strike(kind: string, scene: DiskScene): Promise<void> {
  const fault = diskFaults[kind]
  if (!fault) throw new Error(`cannot strike with ${kind}: there is no such fault`)
  await fault(scene).catch(cause => {
    throw new Error(`${kind}, ${scene.writer.name} on ${scene.host}: ${cause.message}`, { cause })
  })
}

/** Reads each disk, and says whether two writers ever overlapped. */
async function judge({ writers, print }: Run): Promise<boolean> {
  let isKept = true
  for (const { name, watch } of writers) {
    const { violations, records, lives } = judgeDisk(readRecords(await readFile(watch.path)))
    const hosts = new Set(lives.map(({ host }) => host)).size
    print(`${name}: ${records} records of ${lives.length} boots on ${hosts} hosts`)
    for (const text of violations) print(`BROKEN: ${name}: ${text}`)
    if (violations.length > 0 || records === 0) isKept = false
  }
  if (isKept) print('no two writers overlapped')
  return isKept
}
