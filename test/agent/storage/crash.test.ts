import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import fs from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { run } from '#shared/process.ts'
import type { OrderImage } from '#shared/wire/order.ts'
import type { StoredVolume } from '../../../agent/core/ports.ts'
import { samplePool, sampleVolume } from '../../contracts/storage-samples.ts'
import { makeArchive } from './archive.ts'
import { makeQcow2, Store } from './store.ts'

const seed = Number(process.env['SEED'] ?? 20_260_101)
const rounds = Number(process.env['ROUNDS'] ?? 10)
const killMsMax = 700
const filesCount = 300
const never = new AbortController().signal
const content = Buffer.alloc(6 * 1024 * 1024, 'hay and straw ')

/** A small generator of numbers from 0 to 1 after mulberry32. */
function makeRandom(start: number): () => number {
  let state = start
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** Lets the victim work for a while and kills it in the midst of it. */
async function runAndKill(store: Store, images: unknown, afterMs: number): Promise<void> {
  const script = `${import.meta.dirname}/crash-child.ts`
  const args = [script, store.state, JSON.stringify(images)]
  const victim = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'inherit'] })
  const ended = once(victim, 'exit')
  try {
    while (
      !(await fs.access(`${store.state}/ready`).then(
        () => true,
        () => false
      ))
    ) {
      if (victim.exitCode !== null) throw new Error('the victim ended by itself')
      await sleep(5)
    }
    await sleep(afterMs)
  } finally {
    victim.kill('SIGSTOP')
    const children = await childrenOf(victim.pid!)
    victim.kill('SIGKILL')
    await ended
    // A copy that is under way goes on for a moment without the one who wanted it.
    await untilEnded(children)
    await fs.rm(`${store.state}/ready`, { force: true })
  }
}

async function childrenOf(pid: number): Promise<readonly string[]> {
  const children = await fs.readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => '')
  return children.split(' ').filter(Boolean)
}

async function untilEnded(pids: readonly string[]): Promise<void> {
  const lives = (pid: string): Promise<boolean> =>
    fs.readFile(`/proc/${pid}/stat`, 'utf8').then(
      stat => !/\) [ZX] /.test(stat),
      () => false
    )
  for (const pid of pids) while (await lives(pid)) await sleep(5)
}

async function isWhole(t: ExecutionContext, volume: StoredVolume): Promise<void> {
  const { path, format, sizeMib } = volume
  if (format === 'tree') {
    t.is((await fs.readdir(`${path}/hay`)).length, filesCount)
    return
  }
  t.true(sizeMib === 8 || sizeMib === 16, `${format} of ${sizeMib} MiB`)
  const out = `${path}.read`
  if (format === 'qcow2') await run('qemu-img', ['check', '-q', path], { deadlineMs: 60_000 })
  await run('qemu-img', ['convert', '-f', format, '-O', 'raw', path, out], { deadlineMs: 60_000 })
  t.true((await fs.readFile(out)).subarray(0, content.length).equals(content), format)
  await fs.rm(out)
}

async function checkAll(t: ExecutionContext, store: Store): Promise<void> {
  await store.reopen()
  t.is((await store.storage.openPool(samplePool)).failure, undefined)
  const folders = [
    ['images'],
    ['images', 'ids'],
    ['trees'],
    ['seeds'],
    ['pools', 'local', 'volumes']
  ]
  for (const names of folders) {
    const entries = await store.list(...names)
    t.deepEqual(
      entries.filter(name => name.startsWith('.')),
      [],
      names.join('/')
    )
  }
  for (const name of await store.list('images')) {
    if (name === 'ids') continue
    const hash = createHash('sha256').update(await fs.readFile(store.path('images', name)))
    t.true(name.startsWith(hash.digest('hex')), name)
  }
  for (const name of await store.list('seeds')) {
    const bytes = await fs.readFile(store.path('seeds', name))
    t.is(bytes.toString('latin1', 0x8001, 0x8006), 'CD001')
  }
  for (const volume of await store.storage.volumes(samplePool)) await isWhole(t, volume)
}

test(`killed at ${rounds} random moments (SEED=${seed}), all that is there is whole`, async t => {
  t.timeout(600_000)
  await using store = await Store.make()
  const entries = Array.from({ length: filesCount }, (_, index) => ({
    name: `./hay/${index}`,
    content: `${index}`
  }))
  const archive = store.offer(makeArchive(entries), 'tar')
  const disk: OrderImage = store.offer(await makeQcow2(content), 'qcow2', (response, bytes) => {
    response.write(bytes.subarray(0, bytes.length / 2))
    setTimeout(() => response.end(bytes.subarray(bytes.length / 2)), 20)
  })
  const random = makeRandom(seed)
  for (let round = 0; round < rounds; round += 1) {
    await runAndKill(store, { disk, archive }, random() * killMsMax)
    await checkAll(t, store)
  }
  await Promise.all([disk, archive].map(image => store.storage.fetchImage(image, never)))
  for (const [format, image] of [
    ['qcow2', disk],
    ['tree', archive]
  ] as const) {
    const volume = sampleVolume(50, format, { sizeMib: 8 })
    await isWhole(t, await store.storage.createVolume(volume, { pool: samplePool, image }, never))
  }
})
