/** Several candidates in one program, on one journal and election in memory; HTTP is real. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { realClock } from '#shared/clock.ts'
import { silentLog } from '#shared/log.ts'
import type { Candidate } from '../../controller/io/candidate.ts'
import { startCandidate } from '../../controller/io/candidate.ts'
import type { Connection } from '../../controller/io/candidate-parts.ts'
import { readConfig } from '../../controller/io/config.ts'
import { makeJoinToken } from '../../controller/io/doorkeeper.ts'
import { type FakeElection, FakeElections } from './fake-election.ts'
import { type FakeJournal, FakeJournalDisk } from './fake-journal.ts'
import { ObedientMesh } from './obedient-mesh.ts'
import { type Answered, type Asked, ask } from './world-controller.ts'

/** One candidate, with what a test does to it. */
export type WorldCandidate = {
  readonly name: string
  readonly candidate: Candidate
  readonly mesh: ObedientMesh
  readonly state: string
  /** The connection that it has now. */
  readonly line: () => { readonly journal: FakeJournal; readonly election?: FakeElection }
  /** Ends its session, as the ensemble does. */
  readonly expire: () => void
  /** Asks as admin through its control socket. */
  readonly ask: (asked: Asked) => Promise<Answered>
  /** Asks over TCP. */
  readonly askTcp: (asked: Asked) => Promise<Answered>
  /** Ends it, with what it has on disk left there. */
  readonly stop: () => Promise<void>
}

export class WorldCandidates implements AsyncDisposable {
  readonly disk = new FakeJournalDisk()
  readonly elections = new FakeElections()
  readonly #running = new Map<string, WorldCandidate>()
  readonly #folders = new Map<string, string>()

  /** Starts one; a name that has run before finds its state folder again. */
  async start(name: string): Promise<WorldCandidate> {
    const state = this.#folders.get(name) ?? (await mkdtemp(join(tmpdir(), 'remuda-world-')))
    this.#folders.set(name, state)
    const config = await readConfig(['--state', state, '--api-port', '0', '--name', name], {})
    await makeJoinToken(join(state, 'join.token'))
    const mesh = new ObedientMesh()
    let line: { journal: FakeJournal; election?: FakeElection } | undefined
    let session = new AbortController()
    const connect = async (): Promise<Connection> => {
      session = new AbortController()
      const { signal } = session
      const journal = this.disk.open(() => {
        const election = made.election
        return election !== undefined && this.elections.isFirst(election)
      })
      const made: { journal: FakeJournal; election?: FakeElection } = { journal }
      line = made
      return {
        journal,
        ended: signal,
        stand: async () => {
          made.election = this.elections.stand(name)
          return made.election
        },
        [Symbol.asyncDispose]: async () => {
          await journal[Symbol.asyncDispose]()
        }
      }
    }
    const stop = new AbortController()
    const meshKey = name.padEnd(40, 'k')
    const door = () => ({ endpoint: `tcp://127.0.0.1:1`, publicKey: 'd'.repeat(40) })
    const parts = { connect, mesh, clock: realClock, log: silentLog, meshKey, door }
    const candidate = await startCandidate(config, parts, stop.signal)
    const world: WorldCandidate = {
      name,
      candidate,
      mesh,
      state,
      line: () => {
        if (!line) throw new Error(`${name} has not connected yet`)
        return line
      },
      expire: () => {
        line?.election?.expire()
        session.abort()
      },
      ask: asked => ask({ socketPath: join(state, 'run', 'admin.sock') }, asked),
      askTcp: asked => ask({ host: '127.0.0.1', port: candidate.port }, asked),
      stop: async () => {
        if (this.#running.get(name) !== world) return
        this.#running.delete(name)
        stop.abort()
        await candidate[Symbol.asyncDispose]()
        await mesh[Symbol.asyncDispose]()
      }
    }
    this.#running.set(name, world)
    return world
  }

  /** The one that leads, once there is one. */
  async leader(): Promise<WorldCandidate> {
    return await until(() => [...this.#running.values()].find(one => one.candidate.mayAct()))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const one of [...this.#running.values()]) await one.stop()
    for (const folder of this.#folders.values()) await rm(folder, { recursive: true, force: true })
  }
}

/** Waits until something is there. */
export async function until<Found>(
  find: () => Found | undefined | false | Promise<Found | undefined | false>
): Promise<Found> {
  for (let waited = 0; waited < 60_000; waited += 10) {
    const found = await find()
    if (found !== undefined && found !== false) return found
    await new Promise(resolve => setTimeout(resolve, 10))
  }
  throw new Error('it did not come about within a minute')
}
