/**
 * The kernel's watchdogs, without any call that needs more than files: what they are stands under
 * /sys/class/watchdog, they are pet by writing to their device, and they are made impossible to
 * stop by writing to `nowayout` there, which no kernel takes back. Their time is what the driver
 * was loaded with (`options i6300esb heartbeat=20`).
 *
 * The driver of baseboard controllers is older than that folder: what it was loaded with stands
 * under /sys/module. It leaves a panicked machine alone for 255 s unless `panic_wdt_timeout` says
 * otherwise, so it counts only where that does.
 */
import { closeSync, constants, openSync, writeSync } from 'node:fs'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Fault, sentence } from '#shared/fault.ts'
import type { Watchdog, WatchdogFacts } from '../core/ports.ts'

/** One that bites sooner would reset a machine that is only busy. Unit: ms. */
export const watchdogMsMin = 4_000
/** One that bites later keeps everybody waiting for too long. Unit: ms. */
export const watchdogMsMax = 120_000

/** What the kernel's own watchdog calls itself. */
const softwareIdentity = 'Software Watchdog'

const noWatchdog: WatchdogFacts = {
  kind: 'none',
  identity: '',
  timeoutMs: 0,
  nowayout: false,
  counts: false,
  because: 'this machine has no watchdog: /sys/class/watchdog is empty'
}

/** Where it is, and what it is. */
type Found = { readonly facts: WatchdogFacts; readonly device: string; readonly folder: string }

/** For a host that shares its machine with others: it must not reset them. */
export const noWatchdogHere = (because: string): Watchdog => ({
  look: async () => ({ ...noWatchdog, because }),
  open: async () => {
    throw new Fault('unavailable', `cannot open a watchdog: ${because}`)
  },
  pet: () => {},
  [Symbol.asyncDispose]: async () => {}
})

/** A watchdog of this machine; opened only by `open`, and closed, but not stopped, at the end. */
export class KernelWatchdog implements Watchdog {
  readonly #sys: string
  readonly #dev: string
  #fd: number | undefined

  constructor({
    sys = '/sys',
    dev = '/dev'
  }: { readonly sys?: string; readonly dev?: string } = {}) {
    this.#sys = sys
    this.#dev = dev
  }

  async look(): Promise<WatchdogFacts> {
    return (await this.#find())?.facts ?? noWatchdog
  }

  async open(): Promise<WatchdogFacts> {
    const found = await this.#find()
    const because = found?.facts.because ?? noWatchdog.because
    if (!found || because !== '') throw cannotOpen(found, because)
    if (!found.facts.nowayout) await this.#makeUnstoppable(found)
    try {
      // A kernel's own never has anybody wait; that of a lab, which is a FIFO, shall not either.
      this.#fd ??= openSync(found.device, constants.O_WRONLY | constants.O_NONBLOCK)
    } catch (thrown) {
      const who = (thrown as NodeJS.ErrnoException).code === 'EBUSY'
      throw cannotOpen(found, who ? 'another program has it open' : sentence(thrown))
    }
    return this.look()
  }

  pet(): void {
    // Anything but "V", which would ask to stop it.
    if (this.#fd !== undefined) writeSync(this.#fd, '.')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const fd = this.#fd
    this.#fd = undefined
    if (fd !== undefined) closeSync(fd)
  }

  async #makeUnstoppable(found: Found): Promise<void> {
    const next = 'load its driver with nowayout=1'
    await writeFile(join(found.folder, 'nowayout'), '1').catch(thrown => {
      throw cannotOpen(
        found,
        `it can be stopped, and the kernel refuses to change that: ${next}`,
        thrown
      )
    })
    if ((await read(found.folder, 'nowayout')) === '1') return
    throw cannotOpen(found, `it can be stopped: ${next}`)
  }

  /** The first that counts; one that does not only where there is no other. */
  async #find(): Promise<Found | undefined> {
    const folder = join(this.#sys, 'class/watchdog')
    const names = await readdir(folder).catch(() => [])
    const all = await Promise.all(names.sort().map(name => this.#read(join(folder, name), name)))
    const ipmi = await this.#readIpmi()
    const found = [...all, ...(ipmi ? [ipmi] : [])]
    return found.find(({ facts }) => facts.because === '') ?? found[0]
  }

  async #read(folder: string, name: string): Promise<Found> {
    const [identity = '', timeout, nowayout, state] = await Promise.all(
      ['identity', 'timeout', 'nowayout', 'state'].map(field => read(folder, field))
    )
    const isSoftware = identity === softwareIdentity
    const facts: WatchdogFacts = {
      kind: isSoftware ? 'software' : 'hardware',
      identity,
      timeoutMs: Number(timeout ?? 0) * 1_000,
      nowayout: nowayout === '1',
      counts: state === 'active',
      because: isSoftware ? 'the kernel plays it itself, and would not fire after a panic' : ''
    }
    return { facts: checked(facts), device: join(this.#dev, name), folder }
  }

  async #readIpmi(): Promise<Found | undefined> {
    const folder = join(this.#sys, 'module/ipmi_watchdog/parameters')
    const timeout = await read(folder, 'timeout')
    if (timeout === undefined) return undefined
    const afterPanic = Number((await read(folder, 'panic_wdt_timeout')) ?? 255)
    const nowayout = isYes(await read(folder, 'nowayout'))
    const isSlow = afterPanic * 1_000 > watchdogMsMax
    const facts: WatchdogFacts = {
      kind: 'hardware',
      identity: 'IPMI',
      timeoutMs: Math.max(Number(timeout), afterPanic) * 1_000,
      nowayout,
      counts: nowayout,
      because: isSlow ? `after a panic it waits ${afterPanic} s: set panic_wdt_timeout` : ''
    }
    return { facts: checked(facts), device: join(this.#dev, 'watchdog'), folder }
  }
}

function checked(facts: WatchdogFacts): WatchdogFacts {
  const { timeoutMs, because } = facts
  if (because !== '' || (timeoutMs >= watchdogMsMin && timeoutMs <= watchdogMsMax)) return facts
  const range = `${watchdogMsMin} to ${watchdogMsMax} ms are of use`
  return { ...facts, because: `it bites after ${timeoutMs} ms; ${range}` }
}

const isYes = (text: string | undefined): boolean => text === '1' || text === 'Y'

/** A field of a folder of the kernel's; undefined: it is not there. */
const read = async (folder: string, field: string): Promise<string | undefined> =>
  (await readFile(join(folder, field), 'utf8').catch(() => undefined))?.trim()

const cannotOpen = (found: Found | undefined, because: string, cause?: unknown): Fault =>
  new Fault('unavailable', `cannot open the watchdog ${found?.facts.identity ?? ''}: ${because}`, {
    ...(cause !== undefined && { cause })
  })
