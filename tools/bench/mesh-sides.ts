/** The two that are measured against each other: our end of the mesh, and a bare socket. */
import { setImmediate } from 'node:timers/promises'
import { realClock } from '#shared/clock.ts'
import type { HostId } from '#shared/ids.ts'
import { silentLog } from '#shared/log.ts'
import { makeKeys } from '#shared/wire/keys.ts'
import type { Order } from '#shared/wire/order.ts'
import type { Peer } from '../../controller/core/ports.ts'
import { ControllerMesh } from '../../controller/io/mesh.ts'
import { BareRouter, packBare } from '../../test/world/bare-mesh.ts'
import { Fleet } from './agents/fleet-handle.ts'

/** Longest that anything may take. Unit: ms. */
const patienceMs = 120_000

/**
 * One end of a mesh with agents at the other, and what can be measured of it. `bare` packs and
 * unpacks messages, `raw` sends the same bytes to all and leaves what comes in as it is.
 */
export type Side = {
  readonly kind: 'ours' | 'bare' | 'raw'
  readonly fleet: Fleet
  /** To be called before each measurement: two sides may share their agents. */
  readonly begin: () => Promise<unknown>
  readonly agents: number
  /** From the first dial until all have shaken hands. Unit: ms. */
  readonly connectMs: number
  /** What each connection has added to this process. Unit: bytes. */
  readonly bytesPerPeer: number
  /** Messages that have come in so far. */
  readonly received: () => number
  /** Sends one message to each agent; resolves once all are handed over. */
  readonly toAll: (round: number) => Promise<void>
  /** Sends something to one agent that it answers. */
  readonly ask: (agent: number, number: number) => Promise<void> | void
  /** Told of each answer by its number. */
  onAnswer: (number: number) => void
}

/** Waits until something holds, looking every few milliseconds. */
export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  const end = performance.now() + patienceMs
  while (!(await holds())) {
    if (performance.now() > end) throw new Error('what is measured does not come about')
    await realClock.sleep(5)
  }
}

/** An order of one instance, as a controller sends it. */
export const anOrder = (host: HostId, generation: number, epoch = 1): Order => ({
  type: 'order',
  cloud: 'c-1',
  epoch,
  generation,
  host,
  images: [],
  pools: [],
  volumes: [],
  networks: [],
  instances: [
    {
      id: 'i-1',
      name: 'web',
      tenant: 'default',
      type: 'vm',
      generation: 1,
      vcpus: 1,
      memoryMib: 128,
      volumes: ['v-1'],
      ports: [],
      sshKeys: [],
      cpuBaseline: 'portable',
      desiredPower: 'running',
      restart: { policy: 'always', delayMsMin: 100, delayMsMax: 60_000, resetMs: 60_000 },
      restarts: 0,
      stopGraceMs: 10_000
    }
  ],
  noticesKept: 0
})

/** A controller's mesh, and who reads it. */
export class OurEnd implements AsyncDisposable {
  readonly mesh: ControllerMesh
  readonly #closing = new AbortController()
  readonly #reading: Promise<void>
  readonly connected = new Set<HostId>()
  readonly heard = new Set<HostId>()
  onAnswer: (number: number) => void = () => {}

  constructor(keys: ReturnType<typeof makeKeys>, epoch = 1) {
    const sender = { bootId: 'bench', run: `run-${epoch}` }
    const parts = { keys, sender, epoch: () => epoch, clock: realClock, log: silentLog }
    this.mesh = ControllerMesh.open(parts)
    this.#reading = this.#read(epoch)
  }

  async #read(epoch: number): Promise<void> {
    const hello = { type: 'heartbeat', number: 1, loopLagMs: 0, epoch, generation: 0 } as const
    for await (const said of this.mesh.messages(this.#closing.signal)) {
      if (said.type === 'connected') {
        this.connected.add(said.host)
        this.mesh.send(said.host, hello)
      } else if (said.type === 'disconnected') this.connected.delete(said.host)
      else if (said.message.type === 'answer') this.onAnswer(said.message.number)
      else if (said.message.type === 'report') this.heard.add(said.host)
    }
  }

  count(name: string): number {
    return this.mesh.counters()[name] ?? 0
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort()
    await this.mesh[Symbol.asyncDispose]()
    await this.#reading
  }
}

/** Sides that have agents of their own; disposing of them ends all. */
export type Sides = AsyncDisposable & { readonly sides: readonly Side[] }

/** Our own mesh with so many agents. */
export async function openOurs(count: number): Promise<Sides> {
  const keys = makeKeys()
  const wish = { kind: 'ours', count, admitted: [keys.publicKey] } as const
  await using stack = new AsyncDisposableStack()
  const { fleet, peers } = await Fleet.open(wish)
  stack.use(fleet)
  const before = memory()
  const startedAt = performance.now()
  const end = stack.use(new OurEnd(keys))
  end.mesh.setPeers(peers)
  await until(() => end.connected.size === count)
  const connectMs = performance.now() - startedAt
  await until(() => end.heard.size === count)
  const bytesPerPeer = (memory() - before) / count
  const all = stack.move()
  const side: Side = {
    kind: 'ours',
    fleet,
    begin: async () => {},
    agents: count,
    connectMs,
    bytesPerPeer,
    received: () => end.count('received'),
    toAll: round => orderAll(end, peers, round),
    ask: (agent, number) => {
      const question = { type: 'question', number, ask: 'instance-stats', subject } as const
      end.mesh.send(peers[agent]!.host, question)
    },
    set onAnswer(tell: (number: number) => void) {
      end.onAnswer = tell
    }
  }
  return { sides: [side], [Symbol.asyncDispose]: () => all.disposeAsync() }
}

const subject = 'x'.repeat(200)

async function orderAll(end: OurEnd, peers: readonly Peer[], round: number): Promise<void> {
  const before = end.count('sent')
  for (const { host } of peers) end.mesh.send(host, anOrder(host, round))
  const giveUpAt = performance.now() + patienceMs
  while (end.count('sent') - before < peers.length) {
    if (performance.now() > giveUpAt) throw new Error('not all orders have left: lines are down')
    await setImmediate()
  }
}

/** A bare ROUTER with so many bare agents: as `bare` and as `raw`. */
export async function openBare(count: number): Promise<Sides> {
  const wish = { kind: 'bare', count, admitted: [] } as const
  await using stack = new AsyncDisposableStack()
  const { fleet, peers } = await Fleet.open(wish)
  stack.use(fleet)
  const before = memory()
  const heard = { messages: 0, tell: (_: number) => {} }
  const startedAt = performance.now()
  const router = new BareRouter(makeKeys(), value => {
    heard.messages += 1
    const number = (value as { readonly number?: number } | undefined)?.number
    if (number !== undefined) heard.tell(number)
  })
  stack.defer(() => router.close())
  router.dial(peers)
  await until(() => router.connected === count)
  const connectMs = performance.now() - startedAt
  const bytesPerPeer = (memory() - before) / count
  const all = stack.move()
  const sideAs = (kind: 'bare' | 'raw'): Side => ({
    kind,
    fleet,
    begin: () => {
      router.taking = kind === 'raw' ? 'raw' : 'unpacked'
      return fleet.tell({ do: 'take', as: router.taking })
    },
    agents: count,
    connectMs,
    bytesPerPeer,
    received: () => heard.messages,
    toAll: round => sendAll(router, kind, { peers, round }),
    ask: async (agent, number) => {
      await router.send(`line-${agent}`, packBare({ type: 'question', number, subject }))
    },
    set onAnswer(tell: (number: number) => void) {
      heard.tell = tell
    }
  })
  return {
    sides: [sideAs('bare'), sideAs('raw')],
    [Symbol.asyncDispose]: () => all.disposeAsync()
  }
}

async function sendAll(
  router: BareRouter,
  kind: 'bare' | 'raw',
  { peers, round }: { readonly peers: readonly Peer[]; readonly round: number }
): Promise<void> {
  const same = packBare(anOrder('host-0' as HostId, round))
  for (const [line, { host }] of peers.entries()) {
    const bytes = kind === 'raw' ? same : packBare(anOrder(host, round))
    while (!(await router.send(`line-${line}`, bytes))) await setImmediate()
  }
}

function memory(): number {
  globalThis.gc?.()
  return process.memoryUsage().rss
}
