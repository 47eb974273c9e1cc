import { type ChildProcess, fork } from 'node:child_process'
import { join } from 'node:path'
import type { Peer } from '../../../controller/core/ports.ts'
import type { Taking } from '../../../test/world/bare-mesh.ts'

/** Agents in one process: each has some seven open files, and a process may have 20,000. */
export const agentsPerProcess = 1_250
/** Longest that a fleet may take to answer. Unit: ms. */
const answerMsMax = 180_000

/** What a fleet is told. */
export type FleetRequest =
  | {
      readonly do: 'open'
      readonly kind: 'ours' | 'bare'
      readonly first: number
      readonly count: number
      /** Public keys of controllers. */
      readonly admitted: readonly string[]
    }
  /** Every agent sends as fast as it can, or no longer. */
  | { readonly do: 'flood'; readonly on: boolean }
  | { readonly do: 'echo'; readonly on: boolean }
  /** What bare agents make of what comes in from now on. */
  | { readonly do: 'take'; readonly as: Taking }
  | { readonly do: 'count' }
  | { readonly do: 'close' }

/** What it answers. */
export type FleetAnswer = {
  readonly peers?: readonly Peer[]
  /** Orders, or bare messages, that have come in. */
  readonly received?: number
  /** The lowest generation that any agent has taken on. */
  readonly lowest?: number
}

/** Processes full of agents. Disposing of it ends them. */
export class Fleet implements AsyncDisposable {
  readonly #processes: readonly ChildProcess[]
  #numbered = 0

  private constructor(processes: readonly ChildProcess[]) {
    this.#processes = processes
  }

  /** Starts the processes, and the agents in them; gives how each is dialled. */
  static async open(
    wish: Pick<Extract<FleetRequest, { do: 'open' }>, 'kind' | 'count' | 'admitted'>
  ): Promise<{ readonly fleet: Fleet; readonly peers: readonly Peer[] }> {
    const parts = Math.max(2, Math.ceil(wish.count / agentsPerProcess))
    const program = join(import.meta.dirname, 'fleet.ts')
    const fleet = new Fleet(Array.from({ length: parts }, () => fork(program, { execArgv: [] })))
    const share = Math.ceil(wish.count / parts)
    const answers = await fleet.#ask((_, part) => {
      const first = part * share
      const count = Math.min(share, wish.count - first)
      return { ...wish, do: 'open', first, count }
    })
    return { fleet, peers: answers.flatMap(({ peers = [] }) => peers) }
  }

  /** Tells all of them the same; gives the sum of what they count. */
  async tell(
    request: Exclude<FleetRequest, { do: 'open' }>
  ): Promise<{ readonly received: number; readonly lowest: number }> {
    const answers = await this.#ask(() => request)
    return {
      received: answers.reduce((sum, { received = 0 }) => sum + received, 0),
      lowest: Math.min(...answers.map(({ lowest = 0 }) => lowest))
    }
  }

  #ask(
    requestFor: (process: ChildProcess, part: number) => FleetRequest
  ): Promise<readonly FleetAnswer[]> {
    const asked = this.#processes.map((child, part) => {
      this.#numbered += 1
      return askOne(child, { ...requestFor(child, part), number: this.#numbered })
    })
    return Promise.all(asked)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#processes) {
      if (child.exitCode !== null || child.signalCode !== null) continue
      const ended = new Promise(resolve => child.once('exit', resolve))
      child.kill('SIGKILL')
      await ended
    }
  }
}

function askOne(
  child: ChildProcess,
  request: FleetRequest & { readonly number: number }
): Promise<FleetAnswer> {
  const { promise, resolve, reject } = Promise.withResolvers<FleetAnswer>()
  const timer = setTimeout(
    () => reject(new Error(`a fleet has not answered ${request.do}`)),
    answerMsMax
  )
  const hear = (said: FleetAnswer & { readonly number: number }): void => {
    if (said.number === request.number) resolve(said)
  }
  const gone = (): void => reject(new Error(`a fleet has ended while it was to ${request.do}`))
  child.on('message', hear)
  child.once('exit', gone)
  child.send(request)
  return promise.finally(() => {
    clearTimeout(timer)
    child.off('message', hear)
    child.off('exit', gone)
  })
}
