/**
 * Seeds for cloud-init: small ISO images with the label cidata. They hold secrets, so they are made
 * in a folder that only root can enter, and nothing of them stands on a command line. The same
 * files give the same bytes, so that a seed that is there already is left alone.
 */
import fs from 'node:fs/promises'
import { join } from 'node:path'
import { Fault } from '#shared/fault.ts'
import { syncFile } from '#shared/files.ts'
import { run } from '#shared/process.ts'
import { seedLabel } from '../../core/cloud-init.ts'
import { makeFolder, pathIn, place, removeLeftovers, removeTree, temporaryIn } from './files.ts'

const deadlineMs = 60_000
/** The time in every seed. */
const epoch = new Date('2000-01-01T00:00:00Z')
const stamp = '2000010100000000'

/** One seed for each instance; `write` does nothing where the same files are in it already. */
export class SeedFolder {
  readonly #folder: string
  readonly #mark: string

  constructor(folder: string, mark: string) {
    this.#folder = folder
    this.#mark = mark
  }

  /** Makes the folder, which qemu must be able to enter, and removes what was left unfinished. */
  async open(): Promise<void> {
    await makeFolder(this.#folder, 0o711)
    await removeLeftovers(this.#folder)
  }

  /** Writes a seed and says where it is. */
  async write(id: string, files: ReadonlyMap<string, string>): Promise<string> {
    const path = pathIn(this.#folder, id, '.iso')
    const work = temporaryIn(this.#folder, this.#mark)
    await fs.mkdir(work, { mode: 0o700 })
    try {
      await fs.mkdir(join(work, 'files'))
      for (const [name, content] of files) await writeSource(join(work, 'files'), name, content)
      await fs.utimes(join(work, 'files'), epoch, epoch)
      const made = join(work, 'seed.iso')
      await makeIso(join(work, 'files'), made)
      if (await isSame(made, path)) return path
      await fs.chmod(made, 0o600)
      await syncFile(made)
      await place(made, path)
      return path
    } finally {
      await removeTree(work)
    }
  }

  async remove(id: string): Promise<void> {
    await fs.rm(pathIn(this.#folder, id, '.iso'), { force: true })
  }
}

async function writeSource(folder: string, name: string, content: string): Promise<void> {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(name)) {
    throw new Fault('storage', `cannot put "${name}" into a seed: it is no plain file name`)
  }
  const path = join(folder, name)
  await fs.writeFile(path, content, { mode: 0o644, flag: 'wx' })
  await fs.utimes(path, epoch, epoch)
}

async function makeIso(folder: string, path: string): Promise<void> {
  const names = ['-volid', seedLabel, '-joliet', '-rational-rock']
  const dates = [`--modification-date=${stamp}`, '--set_all_file_dates', stamp]
  const args = ['-as', 'mkisofs', '-quiet', '-output', path, ...names, ...dates, folder]
  await run('xorriso', ['-no_rc', ...args], { deadlineMs })
}

async function isSame(made: string, path: string): Promise<boolean> {
  const present = await fs.readFile(path).catch(() => undefined)
  return present?.equals(await fs.readFile(made)) ?? false
}
