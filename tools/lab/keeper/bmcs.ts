/**
 * The keeper's side of the baseboard controllers: their service runs in the switch's namespace, and
 * is told manners. One whose host was cut off from its power together with it is dead until the
 * host has power again, and then what it was before.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { Fault } from '#shared/fault.ts'
import { makeBmcPassword } from '../bmc/place.ts'
import { issueCertificate } from '../certificates.ts'
import { folderOf, hostFolderOf } from '../folder.ts'
import { bmcsOf, type LabPlan } from '../plan.ts'
import type { BmcManner, HostStatus } from '../protocol.ts'

const program = join(import.meta.dirname, '../bmc/main.ts')
/** The service is there, and does what it is told, within so long. Unit: ms. */
const answerMsMax = 30_000

/** The baseboard controllers of a lab until it is disposed of. */
export class Bmcs implements AsyncDisposable {
  readonly #child: ChildProcess
  readonly #states: Map<string, NonNullable<HostStatus['bmc']>>
  readonly #waiting = new Map<string, () => void>()
  #asks = 0

  private constructor(plan: LabPlan, child: ChildProcess) {
    this.#child = child
    this.#states = new Map(
      bmcsOf(plan).map(({ host, address }) => [host, { address, manner: 'ok', power: 'on' }])
    )
    createInterface({ input: child.stdout! }).on('line', line => this.#waiting.get(line)?.())
  }

  /** Starts them; undefined: the lab has none. */
  static async open(plan: LabPlan, switchPid: number): Promise<Bmcs | undefined> {
    if (bmcsOf(plan).length === 0) return undefined
    const { folder } = plan
    const paths = folderOf(folder)
    await mkdir(paths.bmc, { recursive: true, mode: 0o700 })
    await makeBmcPassword(folder)
    for (const { host, address } of bmcsOf(plan)) {
      const place = { name: `${host}-bmc`, address, folder: hostFolderOf(folder, host).bmc }
      await issueCertificate(paths.authority, place)
    }
    const log = openSync(join(paths.bmc, 'service.log'), 'a', 0o600)
    const enter = ['nsenter', `--net=/proc/${switchPid}/ns/net`, '--']
    const line = ['--pdeathsig', 'KILL', ...enter, process.execPath, program, folder]
    const child = spawn('setpriv', line, { cwd: '/', stdio: ['pipe', 'pipe', log] })
    closeSync(log)
    child.stdin!.on('error', () => {})
    await once(child, 'spawn')
    const made = new Bmcs(plan, child)
    try {
      await made.#says('ready')
      return made
    } catch (thrown) {
      await made[Symbol.asyncDispose]()
      throw thrown
    }
  }

  /** How that of a host is; undefined: it has none. */
  of(host: string): HostStatus['bmc'] {
    return this.#states.get(host)
  }

  /** Gives that of a host other manners. */
  async setManner(host: string, manner: BmcManner): Promise<void> {
    await this.#set(host, { manner })
  }

  /** Takes the power of that of a host away, or gives it back; does nothing where it has none. */
  async setPower(host: string, power: 'on' | 'off'): Promise<void> {
    const state = this.#states.get(host)
    if (state && state.power !== power) await this.#set(host, { power })
  }

  async #set(
    host: string,
    given: Partial<Pick<NonNullable<HostStatus['bmc']>, 'manner' | 'power'>>
  ): Promise<void> {
    const state = { ...this.#states.get(host)!, ...given }
    this.#asks += 1
    const manner = state.power === 'off' ? 'dead' : state.manner
    const done = this.#says(String(this.#asks))
    this.#child.stdin!.write(`${JSON.stringify({ id: this.#asks, host, manner })}\n`)
    await done
    this.#states.set(host, state)
  }

  async #says(word: string): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const fail = (because: string) => () =>
      reject(new Fault('command', `the baseboard controllers of the lab ${because}`))
    const late = setTimeout(fail(`did not answer in ${answerMsMax} ms`), answerMsMax)
    const ended = fail('have ended')
    this.#child.once('exit', ended)
    if (this.#child.exitCode !== null) ended()
    this.#waiting.set(word, resolve)
    try {
      await promise
    } finally {
      clearTimeout(late)
      this.#child.off('exit', ended)
      this.#waiting.delete(word)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const exit = once(this.#child, 'exit')
    this.#child.kill('SIGKILL')
    await exit
  }
}
