/**
 * A mesh without a network: controllers and agents that hand each other messages in memory, at once
 * and in order. Tests and simulations cut, hold and thin out what passes between a controller and a
 * host; nothing happens by itself, and nothing waits for time.
 *
 * Messages are encoded and validated as on the real wire, so what the fake carries, that does too.
 */
import { Fault } from '#shared/fault.ts'
import type { HostId } from '#shared/ids.ts'
import { encodeBody, makeBodyReader } from '#shared/wire/frame.ts'
import { type ToAgent, type ToController, toAgent, toController } from '#shared/wire/messages.ts'
import { Counters, Inbox, Outbox, stateTypes } from '#shared/wire/queues.ts'
import type { AgentMesh } from '../../agent/core/ports.ts'
import type { Mesh, MeshMessage, Peer } from '../../controller/core/ports.ts'
import type { MeshRig, Seat } from '../contracts/mesh.ts'

const readToAgent = makeBodyReader<ToAgent>(toAgent)
const readToController = makeBodyReader<ToController>(toController)

/** What lies between the controllers and one host. */
type Way = {
  cut: boolean
  /** How many of the next messages are lost. */
  toLose: number
  /** Messages that wait to be let through; undefined: they pass at once. */
  held: (() => void)[] | undefined
}

/** One controller's line to one host. */
type Line = {
  readonly mesh: FakeControllerMesh
  readonly peer: Peer
  readonly outbox: Outbox
  /** The agent at the other end; undefined: not connected. */
  agent: FakeAgentMesh | undefined
}

/** The world between controllers and agents, with its controls. */
export class FakeNet implements MeshRig {
  readonly #ways = new Map<HostId, Way>()
  readonly #seats = new Map<string, FakeAgentMesh>()
  readonly #controllers = new Set<FakeControllerMesh>()

  controller = (epoch: () => number, mayAct = () => true): FakeControllerMesh => {
    const mesh = new FakeControllerMesh(this, { epoch, mayAct })
    this.#controllers.add(mesh)
    return mesh
  }

  agent = async (host: HostId): Promise<Seat & { readonly mesh: FakeAgentMesh }> => {
    const mesh = new FakeAgentMesh(this, host)
    const peer: Peer = { host, endpoint: `fake://${host}`, publicKey: `key of ${host}` }
    this.#seats.set(peer.endpoint, mesh)
    this.settle()
    return { mesh, peer }
  }

  /** Cuts a host off: lines break, messages are lost, nobody connects. */
  cut(host: HostId): void {
    this.way(host).cut = true
    this.way(host).held &&= []
    for (const line of this.lines(host)) line.mesh.lost(line, 'the connection was lost')
  }

  /** Undoes a cut; controllers connect again. */
  mend(host: HostId): void {
    this.way(host).cut = false
    this.settle()
  }

  /** Makes messages to and from a host wait until they are released. */
  hold(host: HostId): void {
    this.way(host).held ??= []
  }

  /** Lets the oldest waiting messages through, so many or all; says how many went. */
  release(host: HostId, count: number = Number.POSITIVE_INFINITY): number {
    const released = this.way(host).held?.splice(0, count) ?? []
    for (const pass of released) pass()
    return released.length
  }

  /** Ends a hold and lets all through. */
  unhold(host: HostId): void {
    this.release(host)
    this.way(host).held = undefined
  }

  /** Loses the next messages to and from a host, so many. */
  lose(host: HostId, count: number): void {
    this.way(host).toLose += count
  }

  way(host: HostId): Way {
    const way = this.#ways.get(host) ?? { cut: false, toLose: 0, held: undefined }
    this.#ways.set(host, way)
    return way
  }

  /** Passes a message on, or not, as the way to the host is. */
  pass(host: HostId, deliver: () => void): void {
    const way = this.way(host)
    if (way.cut) return
    if (way.toLose > 0) way.toLose--
    else if (way.held === undefined) deliver()
    else way.held.push(deliver)
  }

  /** Connects all lines that can be. */
  settle(): void {
    for (const mesh of this.#controllers) mesh.settle()
  }

  /** Who listens where a peer should be; undefined: nobody that can be reached. */
  seatOf(peer: Peer): FakeAgentMesh | undefined {
    return this.way(peer.host).cut ? undefined : this.#seats.get(peer.endpoint)
  }

  *lines(host: HostId): Generator<Line> {
    for (const mesh of this.#controllers) {
      const line = mesh.line(host)
      if (line !== undefined) yield line
    }
  }

  leave(mesh: FakeControllerMesh | FakeAgentMesh): void {
    if (mesh instanceof FakeControllerMesh) {
      this.#controllers.delete(mesh)
      return
    }
    const endpoint = `fake://${mesh.host}`
    if (this.#seats.get(endpoint) !== mesh) return
    this.#seats.delete(endpoint)
    for (const controller of this.#controllers) controller.left(mesh)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const mesh of [...this.#controllers, ...this.#seats.values()]) {
      await mesh[Symbol.asyncDispose]()
    }
  }
}

const keyOf = (type: string): { readonly key?: string } =>
  stateTypes.includes(type) ? { key: type } : {}

/** A controller's end. */
export class FakeControllerMesh implements Mesh {
  readonly #net: FakeNet
  readonly #lines = new Map<HostId, Line>()
  readonly #inbox = new Inbox<MeshMessage>()
  readonly #counters = new Counters()
  readonly epoch: () => number
  readonly #mayAct: () => boolean
  #isCutOff = false

  constructor(
    net: FakeNet,
    given: { readonly epoch: () => number; readonly mayAct: () => boolean }
  ) {
    this.#net = net
    this.epoch = given.epoch
    this.#mayAct = given.mayAct
  }

  setPeers(peers: readonly Peer[]): void {
    const wanted = new Map(peers.map(peer => [peer.host, peer]))
    for (const line of [...this.#lines.values()]) {
      const peer = wanted.get(line.peer.host)
      const same = peer?.endpoint === line.peer.endpoint && peer.publicKey === line.peer.publicKey
      if (same) continue
      this.lost(line, 'it is no longer a peer')
      this.#lines.delete(line.peer.host)
    }
    for (const peer of wanted.values()) {
      if (this.#lines.has(peer.host)) continue
      this.#lines.set(peer.host, { mesh: this, peer, outbox: new Outbox(), agent: undefined })
      const other = this.#sharing(peer)
      if (other === undefined) continue
      const because = `cannot dial ${peer.endpoint}: host ${other} listens there`
      this.#put({ type: 'disconnected', host: peer.host, because }, 'disconnected')
    }
    this.settle()
  }

  /** An earlier peer at the same place. */
  #sharing(peer: Peer): HostId | undefined {
    for (const { peer: other } of this.#lines.values()) {
      if (other.host === peer.host) return undefined
      if (other.endpoint === peer.endpoint) return other.host
    }
    return undefined
  }

  line(host: HostId): Line | undefined {
    return this.#lines.get(host)
  }

  /** Cuts this controller off from all hosts, which others reach. */
  cutOff(): void {
    this.#isCutOff = true
    for (const line of this.#lines.values()) this.lost(line, 'the connection was lost')
  }

  /** Undoes that. */
  rejoin(): void {
    this.#isCutOff = false
    this.settle()
  }

  settle(): void {
    if (this.#isCutOff) return
    for (const line of this.#lines.values()) {
      const agent = this.#net.seatOf(line.peer)
      if (line.agent !== undefined || agent === undefined || this.#sharing(line.peer)) continue
      line.agent = agent
      this.#put({ type: 'connected', host: line.peer.host }, 'connected')
      this.#flush(line)
    }
  }

  #flush(line: Line): void {
    for (let next = line.outbox.first(); next !== undefined; next = line.outbox.first()) {
      const { bytes } = next
      line.outbox.remove(next)
      if (!this.#mayAct()) {
        this.#counters.add('leaderNoMore')
        continue
      }
      const epoch = this.epoch()
      this.#net.pass(line.peer.host, () => line.agent?.take(line, epoch, bytes))
    }
  }

  /** Breaks a line that is connected, and tells why. */
  lost(line: Line, because: string): void {
    if (line.agent === undefined) return
    line.agent.forget(line)
    line.agent = undefined
    line.outbox.clear([])
    this.#put({ type: 'disconnected', host: line.peer.host, because }, 'disconnected')
  }

  /** An agent has gone. */
  left(agent: FakeAgentMesh): void {
    for (const line of this.#lines.values()) {
      if (line.agent === agent) this.lost(line, 'the connection was lost')
    }
  }

  send(host: HostId, message: ToAgent): void {
    const line = this.#lines.get(host)
    if (line === undefined) throw cannotSend(host, message, 'it is not a peer')
    const bytes = encodeBody(message)
    if (line.agent === undefined) {
      this.#counters.add('dropped')
      if (message.type !== 'order' && stateTypes.includes(message.type)) return
      throw cannotSend(host, message, 'it is not connected')
    }
    line.outbox.put({ type: message.type, bytes })
    if (line.agent !== undefined) this.#flush(line)
  }

  /** Takes what an agent says. */
  take(line: Line, body: Uint8Array): void {
    const { host } = line.peer
    if (this.#lines.get(host) !== line || this.#isCutOff) return
    const message = readToController(body, 0)
    this.#counters.add('received')
    this.#put({ type: 'message', host, message }, keyOf(message.type).key, body.length)
  }

  #put(message: MeshMessage, key: string | undefined, bytes = 0): void {
    this.#inbox.put(message, { from: message.host, bytes, ...(key !== undefined && { key }) })
  }

  messages(signal: AbortSignal): AsyncIterable<MeshMessage> {
    return this.#inbox.read(signal)
  }

  counters(): Readonly<Record<string, number>> {
    return this.#counters.all()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#net.leave(this)
    this.setPeers([])
    this.#inbox.close()
  }
}

/** An agent's end. */
export class FakeAgentMesh implements AgentMesh {
  readonly host: HostId
  readonly #net: FakeNet
  readonly #outbox = new Outbox()
  readonly #inbox = new Inbox<ToAgent>()
  readonly #counters = new Counters()
  #epochSeen = 0
  #speaker: Line | undefined

  constructor(net: FakeNet, host: HostId) {
    this.#net = net
    this.host = host
  }

  send(message: ToController): void {
    const bytes = encodeBody(message)
    if (this.#speaker === undefined && message.type !== 'report') {
      this.#counters.add('dropped')
      if (stateTypes.includes(message.type)) return
      throw new Fault(
        'unavailable',
        `cannot send ${message.type} to the controller: no controller is connected`
      )
    }
    this.#outbox.put({ type: message.type, bytes })
    this.#flush()
  }

  #flush(): void {
    const line = this.#speaker
    if (line === undefined) return
    for (let next = this.#outbox.first(); next !== undefined; next = this.#outbox.first()) {
      const { bytes } = next
      this.#outbox.remove(next)
      this.#net.pass(this.host, () => line.mesh.take(line, bytes))
    }
  }

  /** Takes what a controller says. */
  take(line: Line, epoch: number, body: Uint8Array): void {
    if (epoch < this.#epochSeen) {
      this.#counters.add('deposed')
      const because = `cannot listen to epoch ${epoch}: epoch ${this.#epochSeen} has been seen`
      const refusal = { type: 'refusal', epoch: this.#epochSeen, generation: 0, because } as const
      this.#net.pass(this.host, () => line.mesh.take(line, encodeBody(refusal)))
      return
    }
    const message = readToAgent(body, 0)
    this.#counters.add('received')
    this.#epochSeen = epoch
    if (this.#speaker !== line) this.#outbox.clear(['report'])
    this.#speaker = line
    this.#inbox.put(message, { from: 'controller', bytes: body.length, ...keyOf(message.type) })
    this.#flush()
  }

  /** A line has broken. */
  forget(line: Line): void {
    if (this.#speaker === line) this.#speaker = undefined
  }

  messages(signal: AbortSignal): AsyncIterable<ToAgent> {
    return this.#inbox.read(signal)
  }

  counters(): Readonly<Record<string, number>> {
    return this.#counters.all()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#net.leave(this)
    this.#inbox.close()
  }
}

const cannotSend = (host: HostId, message: ToAgent, because: string): Fault =>
  new Fault('unavailable', `cannot send ${message.type} to host ${host}: ${because}`)
