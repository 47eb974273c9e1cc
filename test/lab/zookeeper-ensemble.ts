/**
 * Three real ZooKeeper servers on this machine, which a test may kill, pause and start again. Each
 * has an address of its own in 127.0.0.0/8, made of our process id, so that two test runs do not
 * meet. They end with us.
 */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { exists } from '#shared/files.ts'
import { askServer } from '#shared/zookeeper/four-letters.ts'
import { zooKeeperHome } from '../../tools/zookeeper/home.ts'
import {
  type ServerPlan,
  type ServerSpec,
  serverPorts,
  writeServerFiles,
  zooKeeperServer
} from '../../tools/zookeeper/server.ts'
import { type RunningServer, startZooKeeperServer } from '../../tools/zookeeper/start.ts'

/** A busy machine takes its time to start three Java machines. */
const quorumMsMax = 90_000
const askMsMax = 1_000
const lookMs = 50

type Place = {
  readonly id: number
  readonly address: string
  readonly folder: string
  readonly plan: ServerPlan
  running: RunningServer | undefined
}

let ensembles = 0

/** Starts an ensemble and waits until all its servers serve. */
export async function startEnsemble(
  options: {
    readonly count?: number
    /** Most memory for each server; four times what is stored. */
    readonly heapMib?: number
    /** Writes reach the disk, for who measures: a busy disk makes servers silent for seconds. */
    readonly forced?: boolean
    /** Makes the files of TLS for servers of these addresses. */
    readonly tls?: (addresses: readonly string[]) => Promise<NonNullable<ServerSpec['tls']>>
  } = {}
): Promise<ZooKeeperEnsemble> {
  const home = await zooKeeperHome()
  await sweep()
  const root = await mkdtemp(join(tmpdir(), `remuda-zookeeper-${process.pid}-`))
  const net = `127.${100 + (process.pid % 100)}.${Math.floor(process.pid / 100) % 250}`
  const first = 1 + 10 * (ensembles++ % 20)
  const members = Array.from({ length: options.count ?? 3 }, (_, index) => ({
    id: index + 1,
    address: `${net}.${first + index}`
  }))
  const tls = await options.tls?.(members.map(({ address }) => address))
  const places = members.map(({ id, address }): Place => {
    const folder = join(root, `${id}`)
    const heapMib = options.heapMib ?? 128
    const spec = {
      id,
      members,
      folder,
      heapMib,
      forced: options.forced === true,
      ...(tls && { tls })
    }
    return { id, address, folder, plan: zooKeeperServer(home, spec), running: undefined }
  })
  const ensemble = new ZooKeeperEnsemble(root, places, options.tls === undefined)
  try {
    for (const { id, plan } of places) {
      await writeServerFiles(plan)
      await ensemble.start(id)
    }
    await ensemble.untilQuorum(places.length)
  } catch (thrown) {
    await ensemble[Symbol.asyncDispose]()
    throw thrown
  }
  return ensemble
}

/** Removes what test runs left behind that were killed. */
async function sweep(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    const pid = /^remuda-zookeeper-(\d+)-/.exec(name)?.[1]
    if (pid === undefined || (await exists(`/proc/${pid}`))) continue
    await rm(join(tmpdir(), name), { recursive: true, force: true })
  }
}

/** An ensemble; its servers are numbered from 1. */
export class ZooKeeperEnsemble implements AsyncDisposable {
  /** `host:port` of each. */
  readonly servers: readonly string[]
  readonly #root: string
  readonly #places: readonly Place[]
  readonly #answers: boolean

  constructor(root: string, places: readonly Place[], answers: boolean) {
    this.#root = root
    this.#places = places
    this.#answers = answers
    this.servers = places.map(({ address }) => `${address}:${serverPorts.client}`)
  }

  async start(id: number): Promise<void> {
    const place = this.#place(id)
    place.running ??= await startZooKeeperServer(place.plan, { folder: place.folder })
  }
  /** As a power cut. */
  async kill(id: number): Promise<void> {
    const place = this.#place(id)
    await place.running?.kill()
    place.running = undefined
  }
  async restart(id: number): Promise<void> {
    await this.kill(id)
    await this.start(id)
  }
  pause(id: number): void {
    this.#place(id).running?.pause()
  }
  resume(id: number): void {
    this.#place(id).running?.resume()
  }

  /** What a server is: leader, follower; undefined: it does not serve. */
  async modeOf(id: number): Promise<string | undefined> {
    const server = this.servers[id - 1]!
    const text = await askServer(server, 'srvr', { deadlineMs: askMsMax }).catch(() => '')
    return /^Mode: (\w+)/m.exec(text)?.[1]
  }
  /** Number of the server that leads; undefined: none does. */
  async leader(): Promise<number | undefined> {
    for (const { id } of this.#places) if ((await this.modeOf(id)) === 'leader') return id
    return undefined
  }
  /** The same, once one leads: a busy server may not say so at the first look. */
  async untilLed(): Promise<number> {
    const until = performance.now() + quorumMsMax
    for (;;) {
      const leader = await this.leader()
      if (leader !== undefined) return leader
      if (performance.now() > until) throw new Error(`no server led in ${quorumMsMax} ms`)
      await sleep(lookMs)
    }
  }
  /** Number of a server by the name that a session says. */
  numberOf(server: string | undefined): number {
    return this.servers.indexOf(server ?? '') + 1
  }

  /** Waits until so many servers serve, one of them as the leader. */
  async untilQuorum(count: number): Promise<void> {
    const until = performance.now() + quorumMsMax
    for (;;) {
      const modes = this.#answers
        ? await Promise.all(this.#places.map(({ id }) => this.modeOf(id)))
        : await Promise.all(this.#places.map(place => modeInLog(place)))
      const serving = modes.filter(mode => mode !== undefined)
      if (serving.length >= count && serving.includes('leader')) return
      const dead = this.#places.find(({ running }) => running?.hasEnded)
      if (dead || performance.now() > until) {
        const outputs = await Promise.all(this.#places.map(place => lastLines(place)))
        const what = dead
          ? `server ${dead.id} has ended`
          : `${serving.length} of ${count} servers serve after ${quorumMsMax} ms`
        throw new Error([what, ...outputs].join('\n'))
      }
      await sleep(lookMs)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { id } of this.#places) await this.kill(id)
    await rm(this.#root, { recursive: true, force: true })
  }

  #place(id: number): Place {
    return this.#places.find(place => place.id === id)!
  }
}

const outputOf = (place: Place): Promise<string> =>
  readFile(join(place.folder, 'output.log'), 'utf8').catch(() => '')

/** A server that speaks only TLS is asked by reading what it has written. */
async function modeInLog(place: Place): Promise<string | undefined> {
  const matches = [...(await outputOf(place)).matchAll(/ - (LEADING|FOLLOWING) - LEADER ELECTION/g)]
  const last = matches.at(-1)?.[1]
  return last === undefined ? undefined : last === 'LEADING' ? 'leader' : 'follower'
}

const lastLines = async (place: Place): Promise<string> =>
  `${place.id}: ${(await outputOf(place)).split('\n').slice(-8).join('\n   ')}`
