/**
 * Whether the libvirt of this host locks what its instances use. libvirt tells nobody by which lock
 * manager it goes, and one that has none starts whatever it is told. But it loads the one that it
 * has into itself; and what it has loaded needs a virtlockd that answers.
 */
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { connect } from 'node:net'
import type { Clock } from '#shared/clock.ts'
import { sentence } from '#shared/fault.ts'
import type { Ms } from '#shared/units.ts'
import type { LockReadiness } from './storage/lock-folders.ts'

/** How often it is looked at unasked. Unit: ms. */
const lookMs: Ms = 30_000
/** virtlockd takes a call within so long. Unit: ms. */
const connectMsMax: Ms = 2_000
/** Where libvirt's daemon for VMs writes its process id: one for all, or its own. */
const pidFiles = ['/run/libvirtd.pid', '/run/virtqemud.pid'] as const
/** What libvirt's lock manager goes by; where it is not, by its defaults. */
const settingsFile = '/etc/libvirt/qemu-lockd.conf'
const socketPath = '/run/libvirt/virtlockd-sock'
const plugin = /\/lock-driver\/lockd\.so$/m

/** Paths of the host, other ones in tests. */
export type LockPaths = {
  readonly pidFiles?: readonly string[]
  readonly socket?: string
  readonly proc?: string
  readonly settings?: string
}

/** Looks now and then, and whenever it is asked. */
export class LockWatch {
  readonly #paths: LockPaths
  #last: LockReadiness = { fault: 'it has not been looked at yet' }

  constructor(paths: LockPaths = {}) {
    this.#paths = paths
  }

  /** What the report says: why volumes cannot be locked here, or nothing. */
  get said(): { readonly fault?: string } {
    return 'fault' in this.#last ? { fault: this.#last.fault } : {}
  }

  /** How volumes are locked here, or why they cannot be. */
  look = async (): Promise<LockReadiness> => {
    const fault = (await this.#libvirtFault()) ?? (await this.#daemonFault())
    this.#last = fault === undefined ? await this.#settings() : { fault }
    return this.#last
  }

  /** Looks again and again until the signal aborts. */
  async keepLooking(clock: Clock, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.look()
      await clock.sleep(lookMs, signal).catch(() => {})
    }
  }

  async #libvirtFault(): Promise<string | undefined> {
    const { proc = '/proc', pidFiles: files = pidFiles } = this.#paths
    for (const file of files) {
      const pid = (await readFile(file, 'utf8').catch(() => '')).trim()
      const maps = pid === '' ? '' : await readFile(`${proc}/${pid}/maps`, 'utf8').catch(() => '')
      if (maps === '') continue
      if (plugin.test(maps)) return undefined
      return (
        'its libvirt has no lock manager: ' +
        'set lock_manager = "lockd" in /etc/libvirt/qemu.conf, and start libvirt anew'
      )
    }
    return `no libvirt runs here that could: ${files.join(' and ')} name no process`
  }

  async #settings(): Promise<LockReadiness> {
    const { settings = settingsFile } = this.#paths
    const text = await readFile(settings, 'utf8').catch(() => '')
    const setting = (name: string): string | undefined =>
      new RegExp(`^\\s*${name}\\s*=\\s*"?([^"\\n]*?)"?\\s*$`, 'm').exec(text)?.[1]
    if (setting('auto_disk_leases') === '0') {
      return { fault: `disks are not locked unasked: auto_disk_leases is 0 in ${settings}` }
    }
    const folder = setting('file_lockspace_dir')?.replace(/\/+$/, '')
    return folder === undefined || folder === '' ? {} : { folder }
  }

  async #daemonFault(): Promise<string | undefined> {
    const { socket: path = socketPath } = this.#paths
    const socket = connect(path)
    try {
      await once(socket, 'connect', { signal: AbortSignal.timeout(connectMsMax) })
      return undefined
    } catch (thrown) {
      return `virtlockd does not answer: ${sentence(thrown)}`
    } finally {
      socket.destroy()
    }
  }
}
