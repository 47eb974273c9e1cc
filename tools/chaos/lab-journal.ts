/** The journal of a lab as it grows: all entries with their epochs, also those forgotten later. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { serverPorts } from '../../tools/zookeeper/server.ts'
import { folderOf } from '../lab/folder.ts'
import type { Lab } from '../lab/lab.ts'
import { enter } from '../lab/place.ts'
import { membersOf } from '../lab/plan.ts'
import type { ReaderLine, ReaderOrder } from './journal-reader.ts'
import type { LabEntry } from './lab-checker.ts'

/** Servers that all serve end alike after so long at the latest. Unit: ms. */
const alikeMsMax = 30_000
const program = join(import.meta.dirname, 'journal-reader.ts')
/** What was acknowledged is read after so long at the latest. Unit: ms. */
const readMsMax = 60_000
/** Entries at the end of the journal that are read from each server; that many are kept. */
const lastEntries = 1_500

/** Follows the journal from its beginning until it is disposed of. */
export class LabJournal implements AsyncDisposable {
  readonly entries: LabEntry[] = []
  readonly #lab: Lab
  readonly #child: ChildProcess
  #broken: string | undefined

  private constructor(lab: Lab, child: ChildProcess) {
    this.#lab = lab
    this.#child = child
    createInterface({ input: child.stdout! }).on('line', line => {
      const read = JSON.parse(line) as ReaderLine
      if ('broken' in read) this.#broken = read.broken
      else this.entries.push(read)
    })
  }

  /** Begins to read. */
  static async open(lab: Lab): Promise<LabJournal> {
    const order = { ...orderOf(lab), after: 0, follows: true }
    const prefix = enter(await lab.status(), 'switch')
    const line = ['--pdeathsig', 'KILL', ...prefix, ...commandOf(order)]
    const child = spawn('/usr/bin/setpriv', line, { stdio: ['ignore', 'pipe', 'inherit'] })
    await once(child, 'spawn')
    return new LabJournal(lab, child)
  }

  /** Waits until an entry is read. */
  async reaches(position: number): Promise<void> {
    const late = performance.now() + readMsMax
    while ((this.entries.at(-1)?.position ?? 0) < position) {
      if (this.#broken !== undefined) throw new Error(`cannot read the journal: ${this.#broken}`)
      const { exitCode } = this.#child
      if (exitCode !== null) throw new Error(`the reader of the journal ended: ${exitCode}`)
      if (performance.now() > late) {
        throw new Error(`entry ${position} of the journal was not read in ${readMsMax} ms`)
      }
      await sleep(50)
    }
  }

  /**
   * The last entries, as each server of the ensemble has them. They are read one after another, and
   * a server may be behind for a moment: so again, until all end alike or it has lasted too long.
   */
  async lastOfServers(): Promise<ReadonlyMap<string, readonly LabEntry[]>> {
    const late = performance.now() + alikeMsMax
    for (;;) {
      const read = await this.#readServers()
      const ends = new Set([...read.values()].map(all => all.at(-1)?.position))
      if (ends.size === 1 || performance.now() > late) return read
    }
  }

  async #readServers(): Promise<ReadonlyMap<string, readonly LabEntry[]>> {
    const { servers, secretFile } = orderOf(this.#lab)
    const after = Math.max(0, this.entries.length - lastEntries)
    const read = new Map<string, readonly LabEntry[]>()
    for (const server of servers) {
      const order = { servers: [server], secretFile, after, follows: false }
      const { stdout, stderr } = await this.#lab.run('switch', commandOf(order))
      const lines = stdout.split('\n').filter(Boolean)
      const entries = lines.map(line => JSON.parse(line) as ReaderLine)
      const broken = entries.find(entry => 'broken' in entry)
      if (broken || stderr !== '') {
        throw new Error(`cannot read the journal at ${server}: ${broken?.broken ?? stderr}`)
      }
      read.set(
        server,
        entries.flatMap(entry => ('broken' in entry ? [] : [entry]))
      )
    }
    return read
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const child = this.#child
    if (child.exitCode !== null || child.signalCode !== null) return
    const ended = once(child, 'exit')
    child.kill('SIGKILL')
    await ended
  }
}

const orderOf = ({ plan }: Lab): Pick<ReaderOrder, 'servers' | 'secretFile'> => ({
  servers: membersOf(plan).map(({ address }) => `${address}:${serverPorts.client}`),
  secretFile: folderOf(plan.folder).ensembleSecret
})

const commandOf = (order: ReaderOrder): readonly string[] => [
  process.execPath,
  program,
  JSON.stringify(order)
]
