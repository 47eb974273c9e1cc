/** The program that beats on storage, with real folders: who hangs there holds up nobody. */
import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import test, { type ExecutionContext } from 'ava'
import { realClock } from '#shared/clock.ts'
import { silentLog } from '#shared/log.ts'
import type { Mib } from '#shared/units.ts'
import type { Order } from '#shared/wire/order.ts'
import { readBeat } from '../../../agent/core/storage-heartbeats.ts'
import { heartbeatsIn } from '../../../agent/io/storage-heartbeat-lane.ts'
import { StorageHeartbeats } from '../../../agent/io/storage-heartbeats.ts'
import { until } from '../../world/reading.ts'

/** A pool that all hosts see, with the marker that pools have. */
async function aPool(t: ExecutionContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'remuda-beats-'))
  t.teardown(() => rm(path, { recursive: true, force: true }))
  await writeFile(join(path, '.remuda-pool'), 'marker\n')
  return path
}

/** A host that beats in some pools, and looks for others. */
function aHost(
  t: ExecutionContext,
  host: string,
  pools: Readonly<Record<string, string>>,
  { looksFor = [], wishes = {} }: { looksFor?: readonly string[]; wishes?: object } = {}
) {
  const names = Object.entries(pools)
  const stop = new AbortController()
  let changes = 0
  const beats = new StorageHeartbeats({
    host,
    bootId: `boot-of-${host}`,
    order: () =>
      ({ pools: names.map(([name]) => ({ name, shared: true, ...wishes })) }) as unknown as Order,
    pools: () =>
      names.map(([name, path]) => {
        const room = { capacityMib: 1 as Mib, freeMib: 1 as Mib }
        return { name, path, ...room, failure: undefined }
      }),
    isMissed: () => true,
    onChanged: () => {
      changes += 1
    },
    clock: realClock,
    log: silentLog
  })
  beats.setPeers({ probe: looksFor.map(each => ({ host: each, endpoint: '', publicKey: '' })) })
  const running = beats.run(stop.signal)
  const end = async (): Promise<void> => {
    stop.abort()
    await running
  }
  t.teardown(end)
  const seen = (pool: string, of: string) =>
    beats.said?.find(each => each.pool === pool)?.seen.find(each => each.host === of)
  return { beats, end, seen, changes: () => changes }
}

test('a neighbour that writes is seen to, and stands still once it has ended', async t => {
  t.timeout(120_000)
  const far = await aPool(t)
  const h2 = aHost(t, 'h2', { far })
  const h1 = aHost(t, 'h1', { far }, { looksFor: ['h2', 'h9'] })
  await until(() => h1.seen('far', 'h2')?.writtenMs !== undefined)
  t.like(h1.seen('far', 'h2'), { host: 'h2', bootId: 'boot-of-h2' })
  t.is(h1.seen('far', 'h9'), undefined)
  t.true(h1.changes() > 0)
  await h2.end()
  await until(() => (h1.seen('far', 'h2')?.stillMs ?? 0) > 4_000)
  t.deepEqual((await readdir(heartbeatsIn(far))).sort(), ['h1', 'h2'])
  t.is(readBeat(await readFile(join(heartbeatsIn(far), 'h2')))?.host, 'h2')
})

test('a pool that hangs is told of, and those beside it go on', async t => {
  t.timeout(120_000)
  const [far, stuck] = [await aPool(t), await aPool(t)]
  // A pipe that nobody opens at its other end holds up whoever opens it, as a lost server does.
  await mkdir(heartbeatsIn(stuck), { recursive: true })
  for (const name of ['h1', 'h2']) {
    await promisify(execFile)('mkfifo', [join(heartbeatsIn(stuck), name)])
  }
  aHost(t, 'h2', { far })
  const h1 = aHost(t, 'h1', { far, stuck }, { looksFor: ['h2'] })
  const isSilent = (name: string) =>
    h1.beats.said?.some(({ pool, fault }) => pool === name && fault !== undefined) === true
  await until(() => isSilent('stuck'))
  const said = h1.beats.said ?? []
  t.regex(said.find(({ pool }) => pool === 'stuck')?.fault ?? '', /has not answered for \d+ s/)
  await until(() => h1.seen('far', 'h2') !== undefined)
  const { number = 0 } = h1.seen('far', 'h2') ?? {}
  await until(() => (h1.seen('far', 'h2')?.number ?? 0) > number)
  // A machine that is starved may be late for a moment.
  await until(() => !isSilent('far'))
})

test('nothing is written where nothing is mounted, nor where it is not wished', async t => {
  t.timeout(120_000)
  const [bare, silent] = [await aPool(t), await aPool(t)]
  await rm(join(bare, '.remuda-pool'))
  const h1 = aHost(t, 'h1', { bare })
  const h2 = aHost(t, 'h2', { silent }, { wishes: { heartbeats: false } })
  const fault = () => h1.beats.said?.[0]?.fault ?? ''
  await until(() => fault() !== '')
  t.regex(fault(), /cannot write there for \d+ s: .*ENOENT/)
  t.is(h2.beats.said, undefined)
  t.deepEqual(await readdir(bare), [])
  t.deepEqual(await readdir(silent), ['.remuda-pool'])
})
