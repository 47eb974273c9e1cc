/**
 * Where this host takes running instances of other hosts in: its libvirt, as theirs reach it. That
 * somebody listens there is tried now and then, so that the controller sends nobody to a closed
 * door.
 */
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { connect } from 'node:net'
import type { Clock } from '#shared/clock.ts'
import { sentence } from '#shared/fault.ts'
import type { Ms } from '#shared/units.ts'
import type { Report } from '#shared/wire/order.ts'

/** How often it is tried while it is open. Unit: ms. */
const tryMs: Ms = 10_000
/** How often it is tried while it is not. Unit: ms. */
const tryAgainMs: Ms = 1_000
/** How long one try may take. Unit: ms. */
const connectMsMax: Ms = 2_000

/** libvirt's own ports, where the URI names none. */
const ports: Readonly<Record<string, number>> = { 'qemu+tls:': 16_514, 'qemu+tcp:': 16_509 }

/** Whether programs of any user may be told of missing pages, which is how they are fetched. */
const pageFaultsPath = '/proc/sys/vm/unprivileged_userfaultfd'

/**
 * Whether an instance can run here before all of its memory has come: QEMU fetches each page that
 * it misses, of which the kernel has to tell it.
 */
export function judgePostCopy(
  pageFaults: string | undefined,
  emulatorUid: number | undefined
): NonNullable<NonNullable<Report['migration']>['postCopy']> {
  if (pageFaults === undefined) {
    return { works: false, because: 'the kernel has no userfaultfd' }
  }
  if (pageFaults.trim() === '1') return { works: true, because: 'userfaultfd is there for all' }
  if (emulatorUid === 0) return { works: true, because: 'emulators run as root' }
  const user = emulatorUid === undefined ? 'a user that is not known' : `user ${emulatorUid}`
  const because = `emulators run as ${user}: it takes sysctl vm.unprivileged_userfaultfd=1`
  return { works: false, because }
}

/** What the agent is told of it. */
export type MigrationDoorOptions = {
  /** libvirt's URI; `{address}` stands for the address. */
  readonly uri: string
  /** undefined: none is set. */
  readonly address: string | undefined
  /** Folder of the agent's own files. */
  readonly folder: string
  /** The user as whom emulators run; undefined: libvirt has not said. */
  readonly emulatorUid: () => number | undefined
  readonly clock: Clock
}

/** Keeps what the report says of it. */
export class MigrationDoor {
  readonly #options: MigrationDoorOptions
  #fault: string | undefined = 'it has not been tried yet'
  #pageFaults: string | undefined

  constructor(options: MigrationDoorOptions) {
    this.#options = options
  }

  /** What the report says. */
  get said(): NonNullable<Report['migration']> {
    const { address = '', folder } = this.#options
    const fault = this.#fault
    const postCopy = judgePostCopy(this.#pageFaults, this.#options.emulatorUid())
    return { uri: this.#uri, address, folder, postCopy, ...(fault !== undefined && { fault }) }
  }

  get #uri(): string {
    const { uri, address = '' } = this.#options
    return uri.replaceAll('{address}', address.includes(':') ? `[${address}]` : address)
  }

  /** Tries it again and again until the signal aborts. */
  async keepTrying(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options
    while (!signal.aborted) {
      this.#fault = await this.#try()
      this.#pageFaults = await readFile(pageFaultsPath, 'utf8').catch(() => undefined)
      await clock.sleep(this.#fault === undefined ? tryMs : tryAgainMs, signal).catch(() => {})
    }
  }

  async #try(): Promise<string | undefined> {
    const { address } = this.#options
    if (address === undefined || address.startsWith('127.')) {
      return 'no address that other hosts reach is set: migrationAddress of the agent'
    }
    const uri = this.#uri
    const url = URL.parse(uri)
    const port = url === null ? 0 : Number(url.port) || (ports[url.protocol] ?? 0)
    if (url === null || port === 0) return `${uri} is no URI of a libvirt that listens`
    const socket = connect({ host: url.hostname.replace(/^\[|\]$/g, ''), port })
    try {
      await once(socket, 'connect', { signal: AbortSignal.timeout(connectMsMax) })
      return undefined
    } catch (thrown) {
      return `libvirt does not listen at ${uri}: ${sentence(thrown)}`
    } finally {
      socket.destroy()
    }
  }
}
