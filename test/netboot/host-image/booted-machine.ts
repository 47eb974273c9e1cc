/**
 * A machine without a disk that boots a version of the host image: qemu with TCG, kernel and
 * initial file system given to it directly, as a boot loader would, and qemu's own network.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { prefer } from '../../../tools/lab/keeper/machine.ts'
import { share } from '../two-machines.ts'
import { bootToken } from './image-server.ts'

const consoleCharsMax = 400_000

/** Which machine. */
export type MachineOptions = {
  /** Folder of a version. */
  readonly image: string
  readonly version: string
  /** Port of 127.0.0.1 at which bootd, or its stand-in, serves. */
  readonly port: number
  readonly uuid: string
  readonly memoryMib?: number
  /** Port of 127.0.0.1 that leads to its ssh. */
  readonly sshPort?: number
  /** More words of the kernel's command line. */
  readonly options?: readonly string[]
  /** More words for qemu, such as devices. */
  readonly devices?: readonly string[]
}

const mac = '52:54:00:0b:00:01'
/** What the image needs, and some more. */
const memoryMibDefault = 1_536

/** A machine that is switched on. */
export class BootedMachine implements AsyncDisposable {
  /** What its serial console has said. */
  console = ''
  readonly #emulator: ChildProcess
  readonly #exit: Promise<unknown>

  private constructor(emulator: ChildProcess) {
    this.#emulator = emulator
    this.#exit = once(emulator, 'exit')
    emulator.stdout!.on('data', (chunk: Buffer) => {
      this.console = (this.console + chunk.toString('latin1')).slice(-consoleCharsMax)
    })
  }

  /** Switches one on. It ends, and does not boot anew, when it reboots. */
  static start(given: MachineOptions): BootedMachine {
    const { image, version, port, uuid, memoryMib, sshPort, options = [] } = given
    const forward = sshPort === undefined ? '' : `,hostfwd=tcp:127.0.0.1:${sshPort}-:22`
    const line = [
      ...[`remuda.url=http://10.0.2.2:${port}`, `remuda.boot=${bootToken}`],
      ...[`remuda.version=${version}`, `BOOTIF=01-${mac.replaceAll(':', '-')}`],
      ...['console=tty0', 'console=ttyS0', 'quiet', 'panic=5', ...options]
    ].join(' ')
    return BootedMachine.of(
      [
        ...['-uuid', uuid, '-vga', 'none', '-netdev', `user,id=net${forward}`],
        ...['-device', `virtio-net-pci,netdev=net,mac=${mac},romfile=`],
        ...['-kernel', join(image, 'vmlinuz'), '-initrd', join(image, 'initrd'), '-append', line],
        ...(given.devices ?? [])
      ],
      memoryMib
    )
  }

  /** Switches on one that qemu is told of in these words: what it boots from, and how. */
  static of(words: readonly string[], memoryMib = memoryMibDefault): BootedMachine {
    const common = [
      ...['-accel', 'tcg', '-machine', 'q35', '-cpu', 'qemu64,svm=off'],
      ...['-m', String(memoryMib), '-display', 'none', '-no-reboot'],
      ...['-nodefaults', '-serial', 'stdio', '-device', 'virtio-rng-pci']
    ]
    const stdio = ['pipe', 'pipe', 'inherit'] as const
    const emulator = spawn('qemu-system-x86_64', [...common, ...words], { stdio: [...stdio] })
    if (emulator.pid !== undefined) prefer(emulator.pid, share)
    return new BootedMachine(emulator)
  }

  /** Types a line at its serial console. */
  type(line: string): void {
    this.#emulator.stdin!.write(`${line}\n`)
  }

  /** Whether it is on. */
  get isOn(): boolean {
    return this.#emulator.exitCode === null && this.#emulator.signalCode === null
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.isOn) return
    this.#emulator.kill('SIGKILL')
    await this.#exit
  }
}
