import { randomUUID } from 'node:crypto'
import fs from 'node:fs/promises'
import path from 'node:path'
import { Fault, isFault } from '#shared/fault.ts'
import { ownUuid } from '#shared/hardware-names.ts'

/**
 * The UUID by which the controller knows this host: the firmware's where that is its own, else the
 * one kept in `host-uuid` in this folder, which is made at first start. It is on disk before it is
 * given out, since a host that forgot it would come back as another. Fault `unavailable` when it
 * can be neither read nor kept.
 */
export async function hostUuid(folder: string, firmware: string | undefined): Promise<string> {
  if (firmware !== undefined) return firmware
  const file = path.join(folder, 'host-uuid')
  try {
    return (await readKept(file)) ?? (await keep(file, randomUUID()))
  } catch (error) {
    if (isFault(error)) throw error
    throw new Fault('unavailable', `cannot keep the UUID of this host in ${file}`, {
      cause: error,
      reasons: ['the firmware gives no UUID of its own, and without one the host cannot join'],
      next: [`make ${folder} writable`]
    })
  }
}

async function readKept(file: string): Promise<string | undefined> {
  let text: string
  try {
    text = await fs.readFile(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
  const uuid = ownUuid(text)
  if (uuid !== undefined) return uuid
  throw new Fault('corrupt', `cannot read the UUID of this host: ${file} holds no UUID`, {
    next: [`write the host's UUID into ${file}, or remove it to join as a new host`]
  })
}

async function keep(file: string, uuid: string): Promise<string> {
  await fs.mkdir(path.dirname(file), { recursive: true })
  const draft = `${file}.${process.pid}`
  await using handle = await fs.open(draft, 'w', 0o644)
  await handle.writeFile(`${uuid}\n`)
  await handle.sync()
  await fs.rename(draft, file)
  await using folder = await fs.open(path.dirname(file), 'r')
  await folder.sync()
  return uuid
}
