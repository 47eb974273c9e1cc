/** Heartbeats on a real file system that hangs: its calls do not come back, and cannot be ended. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { realClock } from '#shared/clock.ts'
import { silentLog } from '#shared/log.ts'
import { run } from '#shared/process.ts'
import type { Mib } from '#shared/units.ts'
import type { Order } from '#shared/wire/order.ts'
import { StorageHeartbeats } from '../../agent/io/storage-heartbeats.ts'
import { until } from '../world/reading.ts'

const deadlineMs = 120_000

/** A disk of its own, mounted; thawed and taken away at the end, whatever became of it. */
async function aDisk(t: ExecutionContext) {
  const folder = await mkdtemp(join(tmpdir(), 'remuda-frozen-'))
  const [image, path] = [join(folder, 'image'), join(folder, 'pool')]
  await mkdir(path)
  await run('truncate', ['-s', '16M', image], { deadlineMs })
  await run('mkfs.ext4', ['-q', image], { deadlineMs })
  await run('mount', ['-o', 'loop', image, path], { deadlineMs })
  const thaw = () => run('fsfreeze', ['-u', path], { deadlineMs })
  t.teardown(async () => {
    await thaw().catch(() => {})
    await run('umount', ['-l', path], { deadlineMs })
    await rm(folder, { recursive: true, force: true })
  })
  await writeFile(join(path, '.remuda-pool'), 'marker\n')
  return { path, freeze: () => run('fsfreeze', ['-f', path], { deadlineMs }), thaw }
}

function aHost(host: string, path: string, looksFor: readonly string[]) {
  const stop = new AbortController()
  const room = { capacityMib: 1 as Mib, freeMib: 1 as Mib }
  const beats = new StorageHeartbeats({
    ...{ host, bootId: `boot-of-${host}` },
    order: () => ({ pools: [{ name: 'far', shared: true }] }) as unknown as Order,
    pools: () => [{ name: 'far', path, ...room, failure: undefined }],
    isMissed: () => false,
    onChanged: () => {},
    clock: realClock,
    log: silentLog
  })
  beats.setPeers({ probe: looksFor.map(each => ({ host: each, endpoint: '', publicKey: '' })) })
  const running = beats.run(stop.signal)
  const end = async (): Promise<void> => {
    stop.abort()
    await running
  }
  return { end, said: () => beats.said?.[0] }
}

test('a file system that hangs is told of while it does, and again when it goes on', async t => {
  t.timeout(300_000)
  const disk = await aDisk(t)
  const h1 = aHost('h1', disk.path, ['h2'])
  const h2 = aHost('h2', disk.path, ['h1'])
  t.teardown(() => Promise.all([h1.end(), h2.end()]))
  await until(() => h1.said()?.seen[0]?.writtenMs !== undefined)
  await disk.freeze()
  await until(() => h1.said()?.fault !== undefined)
  t.regex(h1.said()?.fault ?? '', /has not answered for \d+ s/)
  await until(() => (h1.said()?.seen[0]?.stillMs ?? 0) >= 1_500)
  // Whoever ends meanwhile does not wait for what cannot be ended.
  await h2.end()
  await disk.thaw()
  await until(() => h1.said()?.fault === undefined)
  t.pass()
})
