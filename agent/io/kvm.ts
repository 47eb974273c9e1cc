/**
 * Whether KVM works is tried, not assumed. `/dev/kvm` stands on many machines where no guest gets
 * anywhere: nested ones whose host emulates badly, or with broken firmware. An instance placed
 * there would hang, so a tiny guest goes first, and only one that was heard counts.
 */
import fs from 'node:fs/promises'
import path from 'node:path'
import { isFault, sentence } from '#shared/fault.ts'
import type { Log } from '#shared/log.ts'
import type { HostFacts } from '#shared/model/host-facts.ts'
import { isInstalled, run } from '#shared/process.ts'
import { guestArguments, guestDiskBytes, guestSector, guestWords } from '../core/kvm-guest.ts'
import { readBootId } from './hardware.ts'

/** Whether KVM works on this machine, and how that is known. */
export type KvmVerdict = HostFacts['kvm']

/** How KVM is tried; all but the first two are for tests. */
export type KvmOptions = {
  /** Folder of the agent's state, where the verdict is kept for this boot and this qemu. */
  readonly folder: string
  readonly log: Log
  readonly emulator?: string
  /** `tcg` runs the same guest without KVM, which proves that the trial itself is right. */
  readonly accelerator?: 'kvm' | 'tcg'
  /** Where KVM's device stands. */
  readonly device?: string
  /** How long the guest may take to be heard. Unit: ms. */
  readonly deadlineMs?: number
  readonly signal?: AbortSignal
}

/**
 * Says whether a guest was seen running under KVM, and how that is known. A trial that was made in
 * this boot with this qemu is not repeated. Fault `aborted` when the signal aborts it.
 */
export async function tryKvm(options: KvmOptions): Promise<KvmVerdict> {
  const emulator = options.emulator ?? 'qemu-system-x86_64'
  const obstacle = await obstacleTo(options, emulator)
  if (obstacle !== undefined) return { works: false, because: obstacle }
  const key = await trialKey(options, emulator)
  const file = path.join(options.folder, 'kvm.json')
  const known = await recall(file, key)
  if (known) return known
  const verdict = await runTrial(options, emulator)
  await remember(file, { ...key, ...verdict }, options.log)
  return verdict
}

/** Why there is no use in trying; cheap to find out, so never remembered. */
async function obstacleTo(options: KvmOptions, emulator: string): Promise<string | undefined> {
  if (process.arch !== 'x64') return `the guest for the trial runs on x86-64, not ${process.arch}`
  if (!isInstalled(emulator)) return `${emulator} is not installed`
  const device = options.device ?? '/dev/kvm'
  if (options.accelerator === 'tcg') return undefined
  try {
    await fs.access(device, fs.constants.R_OK | fs.constants.W_OK)
    return undefined
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') return `${device}: ${sentence(error)}`
  }
  const flag = /^flags\s*:.*\b(vmx|svm)\b/m.exec(await fs.readFile('/proc/cpuinfo', 'utf8'))?.[1]
  const because =
    flag === undefined
      ? 'virtualisation is off in the firmware, or this is a virtual machine without nesting'
      : `the processor can virtualise (${flag}), but the module kvm is not loaded`
  return `no ${device}: ${because}`
}

const trial = 'interrupts in protected and long mode'

type Key = {
  /** What the guest has to do: the verdict on one that did less is worth nothing. */
  readonly trial: typeof trial
  readonly bootId: string
  readonly qemu: string
  readonly accelerator: string
}

async function trialKey(options: KvmOptions, emulator: string): Promise<Key> {
  const signal = options.signal
  const [bootId, version] = await Promise.all([
    readBootId(),
    run(emulator, ['--version'], { deadlineMs: 10_000, signal })
  ])
  const qemu = version.stdout.split('\n')[0] ?? ''
  return { trial, bootId, qemu, accelerator: options.accelerator ?? 'kvm' }
}

async function recall(file: string, key: Key): Promise<KvmVerdict | undefined> {
  try {
    const kept = JSON.parse(await fs.readFile(file, 'utf8')) as Partial<Key & KvmVerdict> | null
    const same =
      kept?.trial === trial &&
      kept.bootId === key.bootId &&
      kept.qemu === key.qemu &&
      kept.accelerator === key.accelerator
    if (!same || typeof kept.works !== 'boolean' || typeof kept.because !== 'string')
      return undefined
    return { works: kept.works, because: kept.because }
  } catch (error) {
    const absent = (error as NodeJS.ErrnoException).code === 'ENOENT'
    // A torn file is worth a trial, not more.
    if (absent || error instanceof SyntaxError) return undefined
    throw error
  }
}

/** A verdict that cannot be kept is still true; the trial is then made again at the next start. */
async function remember(file: string, kept: Key & KvmVerdict, log: Log): Promise<void> {
  const draft = `${file}.${process.pid}`
  try {
    await fs.mkdir(path.dirname(file), { recursive: true })
    await fs.writeFile(draft, `${JSON.stringify(kept, undefined, 2)}\n`)
    await fs.rename(draft, file)
  } catch (error) {
    log.warn('verdict on KVM not kept', { file, because: sentence(error) })
  }
}

async function runTrial(options: KvmOptions, emulator: string): Promise<KvmVerdict> {
  const { accelerator = 'kvm', device = '/dev/kvm', deadlineMs = 3_000, signal } = options
  const place = accelerator === 'kvm' ? `${device} is there, but` : 'without KVM'
  await fs.mkdir(options.folder, { recursive: true })
  const disk = path.resolve(options.folder, `kvm-guest.${process.pid}.img`)
  try {
    await fs.writeFile(disk, guestSector())
    await fs.truncate(disk, guestDiskBytes)
    const startedAt = performance.now()
    const args = guestArguments({ disk, accelerator })
    const { stdout } = await run(emulator, args, { deadlineMs, signal, outputBytesMax: 4096 })
    const tookMs = Math.round(performance.now() - startedAt)
    return stdout === guestWords
      ? {
          works: true,
          because: `a guest ran under ${accelerator.toUpperCase()} within ${tookMs} ms`
        }
      : { works: false, because: `${place} a guest ended without its words` }
  } catch (error) {
    if (isFault(error, 'deadline')) {
      const because = `${place} a guest did not reach its first output within ${deadlineMs} ms`
      return { works: false, because }
    }
    if (!isFault(error, 'command')) throw error
    return { works: false, because: `${place} qemu could not run a guest: ${lastWords(error)}` }
  } finally {
    await fs.rm(disk, { force: true })
  }
}

/** How qemu ended and what it said, without its command line, which is long and always the same. */
const lastWords = (error: unknown): string => sentence(error).replace(/^cannot run .*?…: /s, '')
