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
  const place = ['--tpmstate', `dir=${memory}`, '--ctrl', `type=unixio,path=${socket}`]
  const words = ['--pdeathsig', 'KILL', 'swtpm', 'socket', '--tpm2', '--terminate', ...place]
  const until = performance.now() + readyMsMax
  for (;;) {
    await rm(socket, { force: true })
    const program = spawn('setpriv', words, { stdio: 'ignore' })
    await once(program, 'spawn')
    if (await listens(program, socket, until)) break
    // That of the life before may hold the memory for another moment.
    if (performance.now() < until) continue
    program.kill('SIGKILL')
    const { exitCode } = program
    const because = exitCode === null ? `${socket} is not there` : `it exits ${exitCode}`
    throw new Fault('unavailable', 'cannot give a machine a TPM: swtpm does not start', {
      reasons: [`${because}, after ${readyMsMax} ms`],
      next: ['apt-get install swtpm']
    })
  }
  return [
    ...['-chardev', `socket,id=tpm,path=${socket}`],
    ...['-tpmdev', 'emulator,id=tpm0,chardev=tpm', '-device', 'tpm-tis,tpmdev=tpm0']
  ]
}

/** Whether it listens; it takes the first connection for that of its machine, so nobody tries. */
async function listens(program: ChildProcess, socket: string, until: number): Promise<boolean> {
  while (program.exitCode === null && performance.now() < until) {
    // What a socket says to who reads it as a file.
    if ((await readFile(socket).catch(codeOf)) === 'ENXIO') return true
    await sleep(lookMs)
  }
  return false
}
