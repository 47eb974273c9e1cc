/**
 * A virtual machine made of the image alone: qemu without libvirt, TCG, a disk, a seed, and qemu's
 * own network, which forwards a port of 127.0.0.1 to the machine's port 80.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { run } from '#shared/process.ts'
import { eventually } from './cloud/waiting.ts'

const deadlineMs = 120_000
/** Of what the console said, the end. */
const consoleCharsMax = 100_000

/** What the page at / says, by its keys. */
export type Page = Readonly<Record<string, string>>

export function readPage(text: string): Page {
  const lines = text.split('\n').filter(Boolean)
  return Object.fromEntries(
    lines.map(line => [line.split(': ', 1)[0]!, line.slice(line.indexOf(': ') + 2)])
  )
}

/** Makes a cloud-init seed, a volume "cidata", of these files. */
export async function makeSeed(
  folder: string,
  files: Readonly<Record<string, string>>
): Promise<string> {
  const source = join(folder, 'seed')
  await rm(source, { recursive: true, force: true })
  await mkdir(source)
  for (const [name, content] of Object.entries(files)) await writeFile(join(source, name), content)
  const path = join(folder, 'seed.iso')
  await rm(path, { force: true })
  const form = ['-volid', 'cidata', '-joliet', '-rock', '-quiet']
  await run('xorriso', ['-as', 'genisoimage', ...form, '-output', path, source], { deadlineMs })
  return path
}

export class Machine implements AsyncDisposable {
  /** What the serial console has said. */
  console = ''
  readonly #emulator: ChildProcess
  readonly #monitor: Socket
  readonly #exit: Promise<number | null>
  #answers = ''
  #port: number | undefined

  private constructor(emulator: ChildProcess, monitor: Socket) {
    this.#emulator = emulator
    this.#monitor = monitor
    this.#exit = once(emulator, 'exit').then(([code]) => code as number | null)
    emulator.stdout!.on('data', (chunk: Buffer) => {
      this.console = (this.console + chunk.toString('latin1')).slice(-consoleCharsMax)
    })
    monitor.on('data', chunk => {
      this.#answers += chunk.toString()
    })
  }

  /** Switches a machine on. The folder is for its monitor's socket. */
  static async start(options: {
    readonly folder: string
    readonly disk: string
    readonly seed: string
  }): Promise<Machine> {
    const { folder, disk, seed } = options
    const path = join(folder, 'monitor')
    await rm(path, { force: true })
    const emulator = spawn(
      'qemu-system-x86_64',
      [
        ['-accel', 'tcg', '-machine', 'q35', '-cpu', 'qemu64', '-m', '128'],
        ['-display', 'none', '-vga', 'none', '-nodefaults'],
        ['-serial', 'stdio', '-qmp', `unix:${path},server=on,wait=off`],
        ['-drive', `file=${disk},if=virtio,format=qcow2`],
        ['-drive', `file=${seed},if=virtio,format=raw,readonly=on`],
        ['-netdev', 'user,id=net,hostfwd=tcp:127.0.0.1:0-:80'],
        ['-device', 'virtio-net-pci,netdev=net,romfile=']
      ].flat(),
      { stdio: ['pipe', 'pipe', 'inherit'] }
    )
    try {
      const monitor = await eventually('qemu has a monitor', () => connected(path))
      const machine = new Machine(emulator, monitor)
      machine.#order('qmp_capabilities')
      return machine
    } catch (thrown) {
      emulator.kill('SIGKILL')
      throw thrown
    }
  }

  /** Gets a path from the machine's port 80, until it answers. */
  async get(path: string): Promise<string> {
    this.#port ??= await this.#forwardedPort()
    return await eventually(`the machine answers ${path}; console:\n${this.console}`, async () => {
      const signal = AbortSignal.timeout(2_000)
      const answer = await fetch(`http://127.0.0.1:${this.#port}${path}`, { signal })
      return answer.ok ? await answer.text() : undefined
    })
  }

  async page(): Promise<Page> {
    return readPage(await this.get('/'))
  }

  /** Waits until the console has said something; gives what it said from there on. */
  async heard(words: string): Promise<string> {
    return await eventually(`the console says "${words}"`, async () => {
      const at = this.console.indexOf(words)
      return at < 0 ? undefined : this.console.slice(at)
    })
  }

  type(line: string): void {
    this.#emulator.stdin!.write(`${line}\n`)
  }

  pressPowerButton(): void {
    this.#order('system_powerdown')
  }

  /** Waits for the machine to switch itself off; gives qemu's exit code. */
  async off(): Promise<number | null> {
    const signal = AbortSignal.timeout(60_000)
    const late = once(signal, 'abort').then(() => {
      throw new Error(`the machine is still on after 60 s; console:\n${this.console}`)
    })
    return await Promise.race([this.#exit, late])
  }

  /** A power cut. */
  async cut(): Promise<void> {
    this.#emulator.kill('SIGKILL')
    await this.#exit
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.cut()
    this.#monitor.destroy()
  }

  #order(execute: string, orderArguments: Readonly<Record<string, string>> = {}): void {
    this.#monitor.write(`${JSON.stringify({ execute, arguments: orderArguments })}\n`)
  }

  async #forwardedPort(): Promise<number> {
    this.#order('human-monitor-command', { 'command-line': 'info usernet' })
    return await eventually('qemu says which port it forwards', async () => {
      const match = /HOST_FORWARD\]\s+\d+\s+127\.0\.0\.1\s+(\d+)/.exec(this.#answers)
      return match ? Number(match[1]) : undefined
    })
  }
}

function connected(path: string): Promise<Socket> {
  const { promise, resolve, reject } = Promise.withResolvers<Socket>()
  const socket = connect(path)
  socket.once('connect', () => resolve(socket))
  socket.once('error', reject)
  return promise
}
