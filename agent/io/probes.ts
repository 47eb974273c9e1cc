/**
 * Peers look for each other, so that a silence can be judged: when the controller does not hear a
 * host and its peers do not reach it either, it is not the controller's own fault.
 *
 * To look for a peer is to dial it and shake hands under CURVE: it has to prove its key, and its
 * event loop has to answer who may come in. Not a word is said after that, so there is nothing to
 * be read, replayed or forged; and the socket for it is apart from that of the controllers, whose
 * keys are not let in here, nor the peers' there.
 *
 * A look counts only if we were awake: one whose end came much later than it should, since this
 * host was starved or stopped meanwhile, says nothing of the peer.
 */
import { connect } from 'node:net'
import type { Clock } from '#shared/clock.ts'
import { isFault, sentence } from '#shared/fault.ts'
import type { Log } from '#shared/log.ts'
import type { Ms } from '#shared/units.ts'
import type { CurveKeys } from '#shared/wire/keys.ts'
import type { Peers } from '#shared/wire/messages.ts'
import type { PeerSeen } from '#shared/wire/order.ts'
import { Counters } from '#shared/wire/queues.ts'
import { WireSocket } from '#shared/wire/socket.ts'
import { Domain } from '#shared/wire/zap.ts'

/** Where agents let themselves be looked for. */
export const probePort = 7413
/** How often each peer is looked for. Unit: ms. */
export const probeEveryMs: Ms = 1_000
/** Who has not answered by then is not reached. Unit: ms. */
export const probeMsMax: Ms = 1_000
/** Of who has not answered after so long the machine is called besides, for so long. Unit: ms. */
const callAfterMs: Ms = 300
const callMsMax: Ms = 600
/** A look that ends so much later than it should was slept through: it says nothing. Unit: ms. */
const oversleptMs: Ms = 500
/** Nothing is said on these sockets; what is said all the same is dropped. Unit: bytes. */
const bytesMax = 1_024

/** Where to listen, and as whom. */
export type ProbeOptions = {
  /** Such as tcp://10.0.0.7:7413; port 0 chooses a free one. */
  readonly endpoint: string
  readonly keys: CurveKeys
  readonly clock: Clock
  readonly log: Log
  /** Told when a peer is reached that was not, or no longer. */
  readonly onChanged: () => void
}

/** Looks that are further apart are not in a row: who stood still has not seen what was between. */
const apartMsMax: Ms = 2 * (probeEveryMs + probeMsMax)

type Seen = {
  readonly reached: boolean
  readonly sign?: PeerSeen['sign']
  readonly at: Ms
  /** When the first look was over that did not reach it any more, of those in a row since. */
  readonly missedSince?: Ms
}

/** Lets itself be looked for, and looks for others. Made by `open`; `run` does the looking. */
export class Probes implements AsyncDisposable {
  readonly #options: ProbeOptions
  readonly #counters = new Counters()
  readonly #seen = new Map<string, Seen>()
  readonly #waiting = new Map<string, (reached: boolean) => void>()
  #domain!: Domain
  #listening!: WireSocket
  #dialling!: WireSocket
  #loops: Promise<unknown> = Promise.resolve()
  #peers: Pick<Peers, 'print' | 'probe' | 'admit'> = { print: '', probe: [], admit: [] }
  #dials = 0

  private constructor(options: ProbeOptions) {
    this.#options = options
  }

  /** Listens; Fault `network` when it cannot. */
  static async open(options: ProbeOptions): Promise<Probes> {
    const probes = new Probes(options)
    const { keys } = options
    probes.#domain = await Domain.open('probe', ({ publicKey }) => probes.#admits(publicKey))
    try {
      await probes.#listen()
    } catch (thrown) {
      await probes.#domain[Symbol.asyncDispose]()
      throw thrown
    }
    probes.#dialling = WireSocket.dialling(keys, { bytesMax })
    probes.#loops = Promise.all([
      probes.#drop(probes.#listening),
      probes.#drop(probes.#dialling),
      probes.#watch(probes.#listening),
      probes.#watch(probes.#dialling)
    ])
    return probes
  }

  /** Where another program has the port, any other one does: the controller is told which. */
  async #listen(): Promise<void> {
    const { endpoint, keys, log } = this.#options
    const how = { keys, domain: this.#domain.name, bytesMax }
    try {
      this.#listening = await WireSocket.listening(endpoint, how)
    } catch (thrown) {
      if (!isFault(thrown, 'locked')) throw thrown
      this.#listening = await WireSocket.listening(endpoint.replace(/\d+$/, '0'), how)
      const because = sentence(thrown)
      log.warn('peers find this host elsewhere', { because, endpoint: this.endpoint })
    }
  }

  /** Where it listens, with the port that was chosen. */
  get endpoint(): string {
    return this.#listening.endpoint
  }

  /** Stands for the peers that it goes by. */
  get print(): string {
    return this.#peers.print
  }

  counters(): Readonly<Record<string, number>> {
    return this.#counters.all()
  }

  /** Takes other peers; what was found of those that stay is kept. */
  setPeers(peers: Pick<Peers, 'print' | 'probe' | 'admit'>): void {
    this.#peers = peers
    const hosts = new Set(peers.probe.map(({ host }) => host))
    for (const host of this.#seen.keys()) if (!hosts.has(host)) this.#seen.delete(host)
    this.#options.onChanged()
  }

  /** What was found of each peer when it was last looked for. */
  results(): readonly PeerSeen[] {
    const now = this.#options.clock.monotonic()
    return [...this.#seen].map(([host, { reached, sign, at, missedSince }]) => ({
      host,
      reached,
      ...(sign && { sign }),
      ageMs: Math.max(0, Math.round(now - at)),
      ...(missedSince !== undefined && { missedMs: Math.max(0, Math.round(now - missedSince)) })
    }))
  }

  /** Looks for all peers again and again until the signal aborts; none waits for another one. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options
    const looking = new Map<string, Promise<void>>()
    while (!signal.aborted) {
      for (const peer of this.#peers.probe) {
        if (looking.has(peer.endpoint)) continue
        const look = this.#probe(peer, signal).finally(() => looking.delete(peer.endpoint))
        looking.set(peer.endpoint, look)
      }
      await clock.sleep(probeEveryMs, signal).catch(() => {})
    }
    await Promise.all(looking.values())
  }

  async #probe(peer: Peers['probe'][number], signal: AbortSignal): Promise<void> {
    const { clock, onChanged } = this.#options
    const { host, endpoint, publicKey } = peer
    if (this.#waiting.has(endpoint)) return
    const begunAt = clock.monotonic()
    const answer = Promise.withResolvers<boolean>()
    const late = new AbortController()
    let isReached = false
    this.#waiting.set(endpoint, answer.resolve)
    this.#dialling.dial({ endpoint, publicKey, line: `probe-${++this.#dials}` })
    const deadline = clock.sleep(probeMsMax, AbortSignal.any([signal, late.signal])).then(
      () => answer.resolve(false),
      () => answer.resolve(false)
    )
    // Most answer at once, and need not be called besides.
    const calling = clock
      .sleep(callAfterMs, late.signal)
      .catch(() => {})
      .then(() => (signal.aborted || isReached ? undefined : callTo(endpoint, callMsMax)))
    const reached = await answer.promise
    // The answer may lie here since long, if it was us who stood still.
    const isSlept = !reached && clock.monotonic() - begunAt > probeMsMax + oversleptMs
    isReached = reached
    late.abort()
    await deadline
    const sign = await calling
    this.#waiting.delete(endpoint)
    this.#dialling.hangUp(endpoint)
    this.#counters.add(reached ? 'reached' : isSlept ? 'overslept' : 'notReached')
    if (isSlept) return
    if (signal.aborted || !this.#peers.probe.includes(peer)) return
    const before = this.#seen.get(host)
    const at = clock.monotonic()
    const inARow = before && at - before.at <= apartMsMax ? before : undefined
    const missedSince = reached ? undefined : inARow?.reached ? at : inARow?.missedSince
    const missed = missedSince === undefined ? {} : { missedSince }
    this.#seen.set(host, { reached, ...(sign && { sign }), at, ...missed })
    if (before?.reached !== reached || before.sign !== sign) onChanged()
  }

  #admits(publicKey: string): boolean {
    const admitted = this.#peers.admit.includes(publicKey)
    this.#counters.add(admitted ? 'letIn' : 'refused')
    return admitted
  }

  /** The handshake says all; where it fails at once, there is no need to wait. */
  async #watch(socket: WireSocket): Promise<void> {
    for await (const { type, endpoint } of socket.events()) {
      if (socket === this.#listening) continue
      if (type === 'reached' || type === 'disconnected') continue
      this.#waiting.get(endpoint)?.(type === 'connected')
    }
  }

  async #drop(socket: WireSocket): Promise<void> {
    for await (const _ of socket.messages()) this.#counters.add('dropped')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listening.close()
    this.#dialling.close()
    await this.#loops
    await this.#domain[Symbol.asyncDispose]()
  }
}

/** Calls a machine without a word: a kernel answers also where no agent does. */
async function callTo(endpoint: string, msMax: Ms): Promise<NonNullable<PeerSeen['sign']>> {
  const [, host = '', port = ''] = /^tcp:\/\/(.+):(\d+)$/.exec(endpoint) ?? []
  const { promise, resolve } = Promise.withResolvers<NonNullable<PeerSeen['sign']>>()
  const socket = connect({ host, port: Number(port) })
  socket.setTimeout(msMax, () => resolve('silent'))
  socket.on('connect', () => resolve('accepts'))
  socket.on('error', thrown => {
    resolve('code' in thrown && thrown.code === 'ECONNREFUSED' ? 'refuses' : 'silent')
  })
  const sign = await promise
  socket.destroy()
  return sign
}
