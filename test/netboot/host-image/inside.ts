/** Lines that are run in a machine that has booted the host image, as an operator runs them. */
import { execFile } from 'node:child_process'
import { createServer } from 'node:net'
import { promisify } from 'node:util'

const execute = promisify(execFile)

/** A line takes less, also where all is emulated on processors that do much else. Unit: ms. */
const lineMsMax = 1_200_000

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
