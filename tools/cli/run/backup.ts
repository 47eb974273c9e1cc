/** Taking a backup of the cloud into a file, and putting one into an empty journal. */
import { open, rename, rm } from 'node:fs/promises'
import { pipeline } from 'node:stream/promises'
import { Fault } from '#shared/fault.ts'
import { version } from '#shared/version.ts'
import type { BackupContents } from '../../../controller/io/backup/restore.ts'
import { UsageFault } from '../failure.ts'
import type { Invocation } from '../invocation.ts'
import { confirm } from './ask.ts'
import type { JournalPlace } from './journal-place.ts'

const doing = 'take a backup'

/** Writes a backup into a file, or into a pipe; never over what is there, never on a terminal. */
export async function createBackup(invocation: Invocation): Promise<void> {
  const { given, terminal, signal } = invocation
  const path = given.positional('FILE')!
  if (path === '-') {
    if (terminal.output.isTTY === true) {
      throw new UsageFault('cannot write a backup to a terminal: it holds secrets', {
        next: ['name a file']
      })
    }
    await pipeline(await source(invocation), terminal.output, { signal, end: false })
    return
  }
  const partial = `${path}.partial`
  await rejectExisting(path)
  const file = await openOwn(partial)
  try {
    await pipeline(await source(invocation), file.createWriteStream({ flush: true }), { signal })
    const contents = await inspect(partial)
    await rename(partial, path)
    invocation.write(`${path}: ${describe(contents)}\n`)
    invocation.note('the content of images and volumes is not in it; keep it like a password\n')
  } catch (error) {
    await file.close()
    await rm(partial, { force: true })
    throw error
  }
}

/** Puts a backup into the journal that this machine's controller is configured for. */
export async function restoreFromBackup(invocation: Invocation): Promise<void> {
  const { given } = invocation
  const path = given.positional('FILE')!
  const contents = await inspect(path)
  invocation.note(`${path}: ${describe(contents)}\n`)
  await using place = await openConfigured(invocation)
  const { journal, where } = place
  if (journal.head() > 0 || (await journal.readCheckpoint())) {
    throw new Fault('conflict', `cannot restore the backup: ${where} is not empty`, {
      reasons: [`it ends at position ${journal.head()}`],
      next: ['move what is there away, and do not delete it: docs/operations.md']
    })
  }
  if (given.flag('dry-run')) {
    invocation.write(`${where} is empty: it could be restored; nothing was done\n`)
    return
  }
  await confirm(
    invocation,
    `Restore the cloud ${contents.cloud} of ${contents.takenAt} into ${where}?`
  )
  await place.take()
  const { restoreBackup } = await import('../../../controller/io/backup/restore.ts')
  const above = given.number('epoch-above')
  const epoch = await restoreBackup(path, journal, {
    contents,
    ...(above !== undefined && { epochAbove: above })
  })
  invocation.write(`restored ${describe(contents)}; epoch ${epoch}: start the controller now\n`)
}

/** The running cloud's own account, or that of a journal which nobody has open. */
async function source(invocation: Invocation): Promise<AsyncIterable<Uint8Array>> {
  const folder = invocation.given.text('folder')
  if (folder !== undefined) return ofFolder(folder)
  const api = await invocation.connect()
  return api.open({ method: 'GET', path: '/v1/cluster/backup', doing, signal: invocation.signal })
}

async function* ofFolder(folder: string): AsyncGenerator<Uint8Array> {
  const [{ openLevelJournal }, { Keeper }, { View }, { takeBackup }, { silentLog }] =
    await Promise.all([
      import('../../../controller/io/journal/level.ts'),
      import('../../../controller/io/keeper.ts'),
      import('../../../controller/core/view.ts'),
      import('../../../controller/io/backup/take.ts'),
      import('#shared/log.ts')
    ])
  await using journal = await openLevelJournal(folder)
  const view = new View()
  await new Keeper({ journal, view, log: silentLog }).load()
  const { epoch } = journal.opening
  const durable = async (): Promise<void> => {}
  yield* await takeBackup({ view, epoch, version, now: Date.now(), durable })
}

async function inspect(path: string): Promise<BackupContents> {
  const { inspectBackup } = await import('../../../controller/io/backup/restore.ts')
  try {
    return await inspectBackup(path)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code !== 'ENOENT' && code !== 'EACCES') throw error
    throw new Fault('not-found', `cannot read the backup ${path}: ${code}`, { cause: error })
  }
}

/** Opens the journal as a controller on this machine would. */
async function openConfigured(invocation: Invocation): Promise<JournalPlace> {
  const { given, settings, terminal, signal } = invocation
  const { openJournalPlace } = await import('./journal-place.ts')
  const named = given.text('config')
  const flags = ['--state', settings.state, ...(named === undefined ? [] : ['--config', named])]
  return await openJournalPlace(flags, terminal.environment, signal)
}

/** Says in one line what a backup holds. */
function describe({ cloud, position, epoch, takenAt, resources }: BackupContents): string {
  const counts = Object.entries(resources).map(([kind, count]) => `${kind} ${count}`)
  const what = counts.length === 0 ? 'nothing' : counts.join(', ')
  return `cloud ${cloud} at ${takenAt}, position ${position} of epoch ${epoch}: ${what}`
}

async function rejectExisting(path: string): Promise<void> {
  const exists = await open(path, 'r').then(
    file => file.close().then(() => true),
    (error: NodeJS.ErrnoException) => error.code !== 'ENOENT'
  )
  if (!exists) return
  throw new Fault('conflict', `cannot write a backup to ${path}: it exists already`, {
    next: ['name another file']
  })
}

async function openOwn(path: string) {
  try {
    return await open(path, 'wx', 0o600)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw new Fault('storage', `cannot write a backup to ${path}: ${code}`, {
      cause: error,
      next: code === 'EEXIST' ? [`remove it if no other backup is being taken: ${path}`] : []
    })
  }
}
