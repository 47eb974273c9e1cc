/**
 * What locks are for: a fence device that lies. A host stands still, its device reads *off* though
 * nobody cut its power, and what ran there is started elsewhere; then the host goes on. Three kinds
 * of storage are tried:
 *
 *   alike   tells each host of the locks of others: the emulators' own keep the second one out
 *   blind   does not, like NFS mounted with nolock or a disk on a SAN: two write, as the disk shows
 *   locked  does not either, but virtlockd holds locks in a folder that does
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { until } from '../bench/takeover-checks.ts'
import { patchResource, readResource } from '../cli/api/resources.ts'
import type { Lab } from '../lab/lab.ts'
import { openLab } from '../lab/open.ts'
import { makeWriter, poolOf, type Storage, storageKinds } from './disk.ts'
import type { DiskWriter } from './disk-faults.ts'
import { type DiskVerdict, judgeDisk, readRecords } from './disk-log.ts'
import { LyingSwitch } from './lying-switch.ts'

/** What came of a lie. */
type LieOutcome = DiskVerdict & {
  /** Host that stood still, and the one that it was started on. */
  readonly from: string
  readonly to: string
  /** What was said of the start that a lock refused; undefined: it was not. */
  readonly refusal: string | undefined
}

type Print = (line: string) => void

/** After it was let go on, the old one is given so long to write. Unit: ms. */
const writesOnMs = 60_000

/** `chaos lie`: gives whether each kind of storage did what can be promised of it. */
export async function lieChaos(
  words: readonly string[],
  print: Print,
  signal: AbortSignal
): Promise<boolean> {
  const options = { storages: { type: 'string' } } as const
  const { values } = parseArgs({ args: [...words], options, strict: true })
  const storages = (values.storages?.split(',') ?? storageKinds) as readonly Storage[]
  let isKept = true
  for (const storage of storages) {
    signal.throwIfAborted()
    await using resources = new AsyncDisposableStack()
    const folder = await mkdtemp(join(tmpdir(), 'remuda-chaos-lie-'))
    resources.defer(() => rm(folder, { recursive: true, force: true }))
    const lab = resources.use(await openLiarsLab(folder, storage))
    const { violations, records, lives, from, to, refusal } = await lie(lab, storage, resources)
    const [load = 0] = loadavg()
    print(`${storage}: ${from} stood still, its device said off, it was started on ${to}`)
    print(`  ${refusal === undefined ? 'no lock refused it' : `refused: ${refusal}`}`)
    print(`  ${records} records of ${lives.length} boots; load ${load.toFixed(1)}`)
    for (const text of violations) print(`  two writers: ${text}`)
    const isOne = violations.length === 0 && lives.length > 1
    print(`  ${isOne ? 'one writer after the other' : 'not one writer after the other'}`)
    if (isOne !== (storage !== 'blind')) isKept = false
  }
  print(isKept ? 'all as promised' : 'BROKEN: not as promised')
  return isKept
}

/** A lab of three, with a virtlockd on each host where that is tried. */
async function openLiarsLab(folder: string, storage: Storage): Promise<Lab> {
  const ranges = { subnet: '10.105.0.0/24', instances: '10.106.0.0/16' }
  const wish = { folder, hosts: 3, solo: true, outside: false, isBound: true }
  return await openLab({ ...wish, ...ranges, locks: storage === 'locked' })
}

/** Has the device of a writer's host lie while the host stands still. */
async function lie(
  lab: Lab,
  storage: Storage,
  resources: AsyncDisposableStack
): Promise<LieOutcome> {
  const pool = resources.use(await poolOf(lab, storage)).name
  const writer = await makeWriter(lab, { name: 'writer', pool, minutes: 5, host: 'h2' })
  resources.use(writer.watch)
  const { boot } = writer.watch.last!.record!
  const from = 'h2'
  const liar = resources.use(await LyingSwitch.listen(join(lab.folder, 'liar.sock')))
  const fence = [{ devices: [{ type: 'lab', socket: liar.path, host: from }] }]
  await patchResource(lab.api, { kind: 'host', name: from }, { spec: { fence } })
  await until(`the device of ${from} answers`, async () => {
    const { conditions } = await readResource(lab.api, { kind: 'host', name: from })
    return conditions.find(({ type }) => type === 'fence')?.status === 'true'
  })
  await lab.pause(from)
  const to = await startedElsewhere(lab, writer, from)
  const refusal = storage === 'blind' ? undefined : await refused(lab, writer)
  if (storage === 'blind') await writer.watch.next('another writes', one => one.boot !== boot)
  await lab.resume(from)
  const old = writer.watch.next('the old one writes on', record => record.boot === boot)
  if (storage === 'blind') await Promise.race([old, writer.watch.quietFor(writesOnMs)])
  else await old
  // The host is heard again, and ends what is not its own any more: then the other one may start.
  await writer.watch.next(`${to} writes`, record => record.boot !== boot)
  const bytes = await readFile(writer.watch.path)
  return { ...judgeDisk(readRecords(bytes)), from, to, refusal }
}

async function startedElsewhere(lab: Lab, { name }: DiskWriter, from: string): Promise<string> {
  let host = from
  await until(`${name} is on another host`, async () => {
    const { status } = await readResource(lab.api, { kind: 'instance', name })
    host = String(status['host'] ?? from)
    return host !== from
  })
  return host
}

/** Waits until a lock refuses the start, and gives what is said of it. */
async function refused(lab: Lab, { name }: DiskWriter): Promise<string> {
  let message = ''
  await until(`the start of ${name} is refused`, async () => {
    const { conditions } = await readResource(lab.api, { kind: 'instance', name })
    const ready = conditions.find(({ type }) => type === 'ready')
    message = ready?.message ?? ''
    return ready?.reason === 'volume-locked'
  })
  return message
}
