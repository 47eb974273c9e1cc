/**
 * The init of a container, found without libvirt. libvirtd hears once which process it is, from the
 * libvirt_lxc that holds the container, and never asks. It listens to that connection a moment
 * before it can tell what the message means: a message that is that quick is dropped ("No program
 * found for event" in its log for debugging), and libvirtd refuses to signal that container for
 * good. Measured with 9.0: one start in ten on a busy machine.
 *
 * A container's libvirt id is the process id of its libvirt_lxc, whose child with the id 1 in its
 * own namespace is the init. Ids are given again: so it is the right one only if the program and
 * the name of the domain on its command line say so.
 */
import { readFileSync } from 'node:fs'
import { basename, join } from 'node:path'

/** Which container is meant, and where the kernel shows processes. */
export type ContainerProcess = {
  /** libvirt's running number of the domain. */
  readonly id: number
  readonly name: string
  readonly proc?: string
}

/** Finds the process id of a container's init; undefined: none can be seen from here. */
export function findInit({ id, name, proc = '/proc' }: ContainerProcess): number | undefined {
  if (!(id > 0)) return undefined
  const words = textOf(join(proc, `${id}/cmdline`)).split('\0')
  const isHolder = basename(words[0] ?? '') === 'libvirt_lxc'
  if (!isHolder || words[words.indexOf('--name') + 1] !== name) return undefined
  const children = textOf(join(proc, `${id}/task/${id}/children`))
    .split(' ')
    .filter(Boolean)
  const found = children.find(child => {
    const ids = /^NSpid:(.*)$/m.exec(textOf(join(proc, `${child}/status`)))?.[1]
    const inEach = ids?.trim().split(/\s+/) ?? []
    return inEach.length > 1 && inEach.at(-1) === '1'
  })
  return found === undefined ? undefined : Number(found)
}

/** Asks a container's init to end, as libvirt would; says whether there was one to ask. */
export function signalInit(container: ContainerProcess): boolean {
  // Nothing is waited for between the look and the signal: its process id could be given again.
  const init = findInit(container)
  if (init === undefined) return false
  try {
    process.kill(init, 'SIGTERM')
    return true
  } catch {
    return false // it has ended meanwhile
  }
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return '' // the process has ended
  }
}
