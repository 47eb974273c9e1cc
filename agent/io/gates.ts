/**
 * Looks at the gates of instances from outside: calls their TCP ports, and takes their calls when
 * they phone home. What is found is handed to the loop, which decides what it means.
 */
import { connect } from 'node:net'
import type { Clock } from '#shared/clock.ts'
import { isFault, sentence } from '#shared/fault.ts'
import type { Log } from '#shared/log.ts'
import { run } from '#shared/process.ts'
import type { Ms } from '#shared/units.ts'
import type { Order } from '#shared/wire/order.ts'
import { callsOf, type GateCall, type Homes, homesOf } from '../core/gates.ts'
import type { GateNews, ReadinessMemory } from '../core/readiness.ts'

/** How often gates that are shut are looked at. Unit: ms. */
const lookEveryMs: Ms = 500
/** Who has not taken a call by then does not take it. Unit: ms. */
export const callMsMax: Ms = 1_000
/** So many calls are under way at once. */
const callsAtOnceMax = 32

/** Calls a TCP port; gives why it takes no call, or undefined when it does. */
export type Call = (to: Pick<GateCall, 'address' | 'port'>) => Promise<string | undefined>

/** Takes calls of instances. */
export type PhoneHome = {
  /** Listens at exactly these addresses; what cannot be listened at is tried again each time. */
  readonly listen: (addresses: ReadonlySet<string>) => Promise<void>
}

/** What the gates are looked at with. */
export type GatesOptions = {
  readonly order: () => Order | undefined
  readonly readiness: () => ReadinessMemory
  readonly found: (news: GateNews) => void
  readonly call: Call
  /** Makes what takes calls; `called` says whether such a call was expected. */
  readonly phoneHome: (called: (at: string, from: string) => boolean) => PhoneHome
  readonly clock: Clock
  readonly log: Log
}

/** Looks while it runs, and keeps nothing but who may call. */
export class Gates {
  readonly #options: GatesOptions
  readonly #phone: PhoneHome
  #homes: Homes = new Map()
  #complaint = ''

  constructor(options: GatesOptions) {
    this.#options = options
    this.#phone = options.phoneHome((at, from) => this.#called(at, from))
  }

  /** Looks at what is shut until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, order, readiness } = this.#options
    while (!signal.aborted) {
      const wish = order()
      if (wish) {
        await this.#listen(wish)
        await this.#callAll(callsOf(wish, readiness()))
      }
      await clock.sleep(lookEveryMs, signal).catch(() => {})
    }
    await this.#phone.listen(new Set())
  }

  async #callAll(calls: readonly GateCall[]): Promise<void> {
    const waiting = [...calls]
    const worker = async (): Promise<void> => {
      for (let next = waiting.shift(); next; next = waiting.shift()) {
        const because = await this.#options.call(next)
        const { instance, run } = next
        this.#options.found({ instance, run, gate: 'tcp', because })
      }
    }
    await Promise.all(Array.from({ length: Math.min(calls.length, callsAtOnceMax) }, worker))
  }

  /** A bridge that is not there yet has no address to listen at. */
  async #listen(order: Order): Promise<void> {
    this.#homes = homesOf(order)
    try {
      await this.#phone.listen(new Set(this.#homes.keys()))
      this.#complaint = ''
    } catch (thrown) {
      if (!isFault(thrown)) throw thrown
      const because = sentence(thrown)
      if (because !== this.#complaint) this.#options.log.warn('nobody can phone home', { because })
      this.#complaint = because
    }
  }

  /** An instance may call before its run was seen: then it is to call again. */
  #called(at: string, from: string): boolean {
    const instance = this.#homes.get(at)?.get(from)
    const run = instance && this.#options.readiness().get(instance)?.run
    if (!instance || !run) return false
    this.#options.found({ instance, run, gate: 'phone-home' })
    return true
  }
}

/** Calls a port over the machine's own network. */
export const callTcp: Call = ({ address: host, port }) => {
  const { promise, resolve } = Promise.withResolvers<string | undefined>()
  const socket = connect({ host, port, timeout: callMsMax })
  socket.once('connect', () => resolve(undefined))
  socket.once('timeout', () => resolve(`no answer within ${callMsMax} ms`))
  socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
  return promise.finally(() => socket.destroy())
}

/** Its arguments are an address and a port; nothing of them is read as a command. */
const callScript = 'exec 3<>"/dev/tcp/$0/$1"'

/** Calls a port over the network of a namespace of `ip netns`, in which this program is not. */
export const callTcpIn =
  (netns: string): Call =>
  async ({ address, port }) => {
    const shell = ['bash', '--norc', '-c', callScript, address, String(port)]
    const args = [`--net=/run/netns/${netns}`, '--', ...shell]
    try {
      await run('nsenter', args, { deadlineMs: callMsMax })
      return undefined
    } catch (thrown) {
      if (isFault(thrown, 'deadline')) return `no answer within ${callMsMax} ms`
      const because = sentence(thrown)
      return /Connection refused/.test(because) ? 'ECONNREFUSED' : because
    }
  }
