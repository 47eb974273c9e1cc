/**
 * The kernel's watchdogs, without any call that needs more than files: what they are stands under
 * /sys/class/watchdog, they are pet by writing to their device (watchdog-keeper.ts), and they are
 * made impossible to stop by writing to `nowayout` there, which no kernel takes back. Their time is
 * what the driver was loaded with (`options i6300esb heartbeat=20`).
 *
 * The driver of baseboard controllers is older than that folder: what it was loaded with stands
 * under /sys/module. It leaves a panicked machine alone for 255 s unless `panic_wdt_timeout` says
 * otherwise, so it counts only where that does.
 */
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Fault, sentence } from '#shared/fault.ts'
import type { Ms } from '#shared/units.ts'
import type { TimeLeft, Watchdog, WatchdogFacts } from '../core/ports.ts'
import { type KeeperPlace, keptOf, WatchdogKeeper } from './watchdog-keeper.ts'

/** One that bites sooner would reset a machine that is only busy. Unit: ms. */
export const watchdogMsMin = 4_000
/** One that bites later keeps everybody waiting for too long. Unit: ms. */
export const watchdogMsMax = 120_000

/** A pet of a baseboard controller's is a message, which it may take so long to obey. Unit: ms. */
const bmcMsMax: Ms = 5_000

/** What the kernel's own watchdog calls itself. */
const softwareIdentity = 'Software Watchdog'

const noWatchdog: WatchdogFacts = {
  kind: 'none',
  identity: '',
  timeoutMs: 0,
  nowayout: false,
  counts: false,
  kept: 'no',
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

/** A watchdog of this machine; opened only by `open`, and left to its keeper at the end. */
export class KernelWatchdog implements Watchdog {
  readonly #root: string
  #keeper: WatchdogKeeper | undefined

  /** Where `sys`, `dev` and `run` are: in the lab those of a host are in a folder of its own. */
  constructor({ root = '/' }: { readonly root?: string } = {}) {
    this.#root = root
  }

  async look(): Promise<WatchdogFacts> {
    return (await this.#find())?.facts ?? noWatchdog
  }

  async open(within: TimeLeft): Promise<WatchdogFacts> {
    const found = await this.#find()
    const because = found?.facts.because ?? noWatchdog.because
    if (!found || because !== '') throw cannotOpen(found, because)
    if (!found.facts.nowayout) await this.#makeUnstoppable(found)
    try {
      this.#keeper ??= await WatchdogKeeper.of(this.#placeOf(found.device), within)
    } catch (thrown) {
      const isBusy = sentence(thrown).includes('busy')
      throw cannotOpen(found, isBusy ? 'another program has it open' : sentence(thrown))
    }
    return this.look()
  }

  pet(within: TimeLeft): void {
    if (this.#keeper === undefined) throw cannotOpen(undefined, 'nobody holds it')
    try {
      this.#keeper.pet(within)
    } catch (thrown) {
      this.#letGo()
      throw thrown
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#letGo()
  }

  #letGo(): void {
    this.#keeper?.[Symbol.dispose]()
    this.#keeper = undefined
  }

  /** Whoever shares its machine with others, as in the lab, ends with all that it has started. */
  #placeOf(device: string): KeeperPlace {
    const group = this.#root === '/' ? '/sys/fs/cgroup/cgroup.procs' : ''
    return { device, folder: join(this.#root, 'run/remuda'), group }
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
    const folder = join(this.#root, 'sys/class/watchdog')
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
    const device = join(this.#root, 'dev', name)
    const facts: WatchdogFacts = {
      kind: isSoftware ? 'software' : 'hardware',
      identity,
      timeoutMs: Number(timeout ?? 0) * 1_000,
      nowayout: nowayout === '1',
      counts: state === 'active',
      kept: keptOf(this.#placeOf(device)),
      because: isSoftware ? 'the kernel plays it itself, and would not fire after a panic' : ''
    }
    return { facts: checked(facts), device, folder }
  }

  async #readIpmi(): Promise<Found | undefined> {
    const folder = join(this.#root, 'sys/module/ipmi_watchdog/parameters')
    const timeout = await read(folder, 'timeout')
    if (timeout === undefined) return undefined
    const afterPanic = Number((await read(folder, 'panic_wdt_timeout')) ?? 255)
    const nowayout = isYes(await read(folder, 'nowayout'))
    const isSlow = afterPanic * 1_000 > watchdogMsMax
    const device = join(this.#root, 'dev/watchdog')
    const facts: WatchdogFacts = {
      kind: 'hardware',
      identity: 'IPMI',
      timeoutMs: Math.max(Number(timeout), afterPanic) * 1_000 + bmcMsMax,
      nowayout,
      counts: nowayout,
      kept: keptOf(this.#placeOf(device)),
      because: isSlow ? `after a panic it waits ${afterPanic} s: set panic_wdt_timeout` : ''
    }
    return { facts: checked(facts), device, folder }
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
