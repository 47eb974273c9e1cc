/** Lines that are run in a machine that has booted the host image, as an operator runs them. */
import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { tell } from '../scene.ts'
import type { BootedMachine } from './booted-machine.ts'

const execute = promisify(execFile)

/** A line takes less, also where all is emulated on processors that do much else. Unit: ms. */
const lineMsMax = 1_200_000
/** A machine boots in half a minute where it has a core. */
export const bootMsMax = 900_000
const lookMs = 200

/** Where the ssh of a machine is, and the key that opens it. */
export type Entry = { readonly key: string; readonly port: number }

/** Runs a line in the machine, as an operator would; gives the lines that it says. */
export async function inside(line: string, { key, port }: Entry): Promise<readonly string[]> {
  const options = ['StrictHostKeyChecking=no', 'UserKnownHostsFile=/dev/null', 'LogLevel=ERROR']
  const words = [...options.flatMap(option => ['-o', option]), '-i', key, '-p', String(port)]
  const { stdout } = await execute('ssh', [...words, 'root@127.0.0.1', line], {
    timeout: lineMsMax
  })
  return stdout.trim().split('\n')
}

/** A port of 127.0.0.1 at which nobody listens. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise(resolve => server.once('listening', resolve))
  const { port } = server.address() as { readonly port: number }
  await new Promise(resolve => server.close(resolve))
  return port
}

/** Makes a key for an operator; gives its file, and what is given to hosts of it. */
export async function makeKey(folder: string): Promise<{ key: string; sshKey: string }> {
  const key = join(folder, 'key')
  await execute('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', key])
  return { key, sshKey: (await readFile(`${key}.pub`, 'utf8')).trim() }
}

/** Waits until something is so. */
export async function until(what: string, look: () => Promise<boolean>): Promise<void> {
  const end = performance.now() + bootMsMax
  while (!(await look())) {
    if (performance.now() > end) throw new Error(`not within ${bootMsMax} ms: ${what}`)
    await sleep(lookMs)
  }
  tell(what)
}

/** Waits until a machine lets operators in. */
export const untilIn = (machine: BootedMachine, entry: Entry): Promise<void> =>
  until('it lets operators in', async () => {
    if (!machine.isOn) throw new Error(`it went off: ${machine.console.slice(-2_000)}`)
    return await inside('true', entry).then(
      () => true,
      () => false
    )
  })
