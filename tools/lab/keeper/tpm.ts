/**
 * The TPM 2.0 of a machine, played by swtpm: a program that ends with the machine's power, and
 * whose memory is a folder, so that it knows in the next boot what it was given in this one.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Fault } from '#shared/fault.ts'
import { codeOf } from '#shared/files.ts'

const lookMs = 20
const readyMsMax = 10_000

/** Starts it; gives the words by which an emulator has it. Ends with its emulator. */
export async function startTpm(own: string): Promise<readonly string[]> {
  const [memory, socket] = [join(own, 'tpm'), join(own, 'tpm.sock')]
  await mkdir(memory, { recursive: true, mode: 0o700 })
  await rm(socket, { force: true })
  const place = ['--tpmstate', `dir=${memory}`, '--ctrl', `type=unixio,path=${socket}`]
  const words = ['--pdeathsig', 'KILL', 'swtpm', 'socket', '--tpm2', '--terminate', ...place]
  const program = spawn('setpriv', words, { stdio: 'ignore' })
  await once(program, 'spawn')
  await listening(program, socket)
  return [
    ...['-chardev', `socket,id=tpm,path=${socket}`],
    ...['-tpmdev', 'emulator,id=tpm0,chardev=tpm', '-device', 'tpm-tis,tpmdev=tpm0']
  ]
}

/** It takes the first connection for that of its machine, so nobody may try. */
async function listening(program: ChildProcess, socket: string): Promise<void> {
  const until = performance.now() + readyMsMax
  for (;;) {
    const found = await readFile(socket).catch(codeOf)
    // What a socket says to who reads it as a file.
    if (found === 'ENXIO') return
    if (program.exitCode !== null || performance.now() > until) {
      const because = `${socket} is not there after ${readyMsMax} ms`
      throw new Fault('unavailable', 'cannot give a machine a TPM: swtpm does not start', {
        reasons: [program.exitCode === null ? because : `it exits ${program.exitCode}`],
        next: ['apt-get install swtpm']
      })
    }
    await sleep(lookMs)
  }
}
