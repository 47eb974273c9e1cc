/**
 * A bare machine of a lab: an emulator with memory, two interfaces, a watchdog and firmware, and no
 * disk. With its power it boots whatever its network offers. A power cut is a SIGKILL to the
 * emulator; a machine that switches itself off has no power either, as a real one.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { copyFile, mkdir } from 'node:fs/promises'
import { availableParallelism, setPriority } from 'node:os'
import { join } from 'node:path'
import { codeOf } from '#shared/files.ts'
import { folderOf, hostFolderOf } from '../folder.ts'
import type { LabPlan, MachinePlan } from '../plan.ts'
import type { MachineStatus } from '../protocol.ts'
import { portsOf } from './switch.ts'
import { startTpm } from './tpm.ts'

/** The image needs a GiB, and small instances some more. Unit: MiB. */
const memoryMib = 1_536
/** Debian's firmware for UEFI: code that is read, and variables, of which each has its own. */
export const uefi = {
  code: '/usr/share/OVMF/OVMF_CODE_4M.fd',
  vars: '/usr/share/OVMF/OVMF_VARS_4M.fd'
}

/**
 * Processors of each machine, of so many of this one. A second one halves the time to a host where
 * there is one to spare; where there is not, two emulated processors wait for each other.
 */
export const processorsOf = (machines: number, here: number): number =>
  Math.max(1, Math.min(2, Math.floor(here / Math.max(1, machines))))

/** Tag under which a machine can mount the pool that all hosts see. */
export const sharedTag = 'shared'

/** Where the emulator of a machine speaks QMP. */
export const monitorOf = (folder: string, machine: string): string =>
  join(hostFolderOf(folder, machine).own, 'monitor.sock')

/**
 * The niceness at which a process gets the time of so many where processors are short: to the
 * kernel each step is worth a quarter more (`sched_prio_to_weight`).
 */
export const nicenessOf = (share: number): number =>
  Math.max(-20, 0 - Math.round(Math.log(share) / Math.log(1.25)))

/** Gives a process that much of the processors, where we may; it runs on as it was, where not. */
export function prefer(pid: number, share: number): void {
  try {
    setPriority(pid, nicenessOf(share))
  } catch (thrown) {
    if (codeOf(thrown) !== 'ERR_SYSTEM_ERROR') throw thrown
  }
}

/** A machine with its switch. One call at a time, which the keeper sees to. */
export class LabMachine {
  readonly plan: MachinePlan
  readonly #lab: LabPlan
  readonly #switchPid: number
  readonly #plug: (name: string) => Promise<void>
  #emulator: ChildProcess | undefined
  #isPaused = false

  constructor(
    plan: MachinePlan,
    options: {
      readonly lab: LabPlan
      readonly switchPid: number
      /** Gives it the two ends of its cables. */
      readonly plug: (name: string) => Promise<void>
    }
  ) {
    this.plan = plan
    this.#lab = options.lab
    this.#switchPid = options.switchPid
    this.#plug = options.plug
  }

  get status(): MachineStatus {
    const { name, firmware, uuid } = this.plan
    const pid = this.#running?.pid
    return {
      ...{ name, firmware, uuid },
      power: pid === undefined ? 'off' : 'on',
      isPaused: this.#isPaused,
      ...(pid !== undefined && { pid })
    }
  }

  /** What it writes to its serial port, over all its lives. */
  get console(): string {
    return join(hostFolderOf(this.#lab.folder, this.plan.name).own, 'console.log')
  }

  /** Where its emulator tells what befalls it, as long as it is on. */
  get monitor(): string {
    return monitorOf(this.#lab.folder, this.plan.name)
  }

  /** Switches the power on; does nothing where it is on. */
  async on(): Promise<void> {
    if (this.#running) return
    const { name } = this.plan
    const { own } = hostFolderOf(this.#lab.folder, name)
    await mkdir(own, { recursive: true })
    const vars = join(own, 'uefi-variables.fd')
    if (this.plan.firmware === 'uefi') await copyFile(uefi.vars, vars)
    await this.#plug(name)
    const tpm = this.plan.tpm ? await startTpm(own) : []
    const log = openSync(join(own, 'emulator.log'), 'a', 0o600)
    const enter = ['nsenter', `--net=/proc/${this.#switchPid}/ns/net`, '--']
    const line = ['--pdeathsig', 'KILL', ...enter, ...this.#emulatorLine(vars), ...tpm]
    const child = spawn('setpriv', line, { cwd: '/', stdio: ['ignore', log, log] })
    closeSync(log)
    await once(child, 'spawn')
    this.#emulator = child
    this.#isPaused = false
    const { share = 1 } = this.#lab
    // Before it has threads: these get what it has now.
    if (share !== 1) prefer(child.pid!, share)
  }

  /** Cuts the power; resolves once nothing of it is left. */
  async off(): Promise<void> {
    const child = this.#running
    this.#emulator = undefined
    this.#isPaused = false
    if (!child) return
    const exit = once(child, 'exit')
    child.kill('SIGKILL')
    await exit
  }

  /** Has it stand still as a whole, or go on. */
  pause(isPaused: boolean): void {
    this.#running?.kill(isPaused ? 'SIGSTOP' : 'SIGCONT')
    this.#isPaused = isPaused && this.#running !== undefined
  }

  get #running(): ChildProcess | undefined {
    const child = this.#emulator
    return child && child.exitCode === null && child.signalCode === null ? child : undefined
  }

  #emulatorLine(vars: string): readonly string[] {
    const { name, uuid, macs, firmware } = this.plan
    const { machines = [] } = this.#lab
    const isUefi = firmware === 'uefi'
    const drive = (unit: number, file: string, more = ''): readonly string[] => [
      '-drive',
      `if=pflash,unit=${unit},format=raw,file=${file}${more}`
    ]
    return [
      'qemu-system-x86_64',
      ...['-name', `remuda-lab-${this.#lab.tag}-${name}`, '-uuid', uuid],
      ...['-machine', 'q35,sata=off', '-accel', 'tcg'],
      ...['-smp', String(processorsOf(machines.length, availableParallelism()))],
      // Without KVM inside: it would be emulated as well, so slowly that nothing runs under it, and
      // agent and libvirt would find that out anew at each boot.
      ...['-cpu', 'qemu64,svm=off'],
      ...['-m', String(memoryMib), '-smbios', `type=1,uuid=${uuid},serial=LAB-${name}`],
      ...(isUefi ? [...drive(0, uefi.code, ',readonly=on'), ...drive(1, vars)] : []),
      ...macs.flatMap((mac, index) => [
        '-netdev',
        `tap,id=net${index},ifname=${portsOf(name)[index]},script=no,downscript=no`,
        '-device',
        `virtio-net-pci,netdev=net${index},mac=${mac}` +
          (index === 0 ? ',bootindex=1' : ',romfile=')
      ]),
      ...['-device', 'virtio-rng-pci'],
      ...['-device', 'i6300esb', '-action', 'watchdog=reset'],
      '-virtfs',
      `local,path=${folderOf(this.#lab.folder).shared},mount_tag=${sharedTag},` +
        'security_model=none,multidevs=remap',
      // No drives by itself: what is there is looked for, which takes seconds.
      ...['-nodefaults', '-vga', 'std', '-display', 'none', '-monitor', 'none'],
      // For whoever wants to be told what befalls it, such as that its watchdog bites (QMP).
      ...['-qmp', `unix:${this.monitor},server=on,wait=off`],
      ...['-chardev', `file,id=console,path=${this.console},append=on`],
      ...['-serial', 'chardev:console']
    ]
  }
}
