/**
 * Clients that write through the candidates of a lab without a pause, and remember what was
 * acknowledged: tenants that they create, and a counter in a label that they raise. Whoever refuses
 * or falls silent is left for the next candidate, which is asked the same under the same key.
 */
import { randomUUID } from 'node:crypto'
import { request } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { Api } from '../cli/api/client.ts'
import { listResources, readResource } from '../cli/api/resources.ts'
import type { Lab } from '../lab/lab.ts'

/** A candidate that does not answer for so long is left for the next one. Unit: ms. */
const answerMsMax = 3_000
/** A candidate knows after so long what another one has acknowledged. Unit: ms. */
const catchUpMsMax = 30_000
/** After a round of refusals. Unit: ms. */
const pauseMs = 20

/** One write that was acknowledged. */
export type Acknowledged = {
  /** By `performance.now()`. Unit: ms. */
  readonly at: number
  /** Of the controller that did it. */
  readonly epoch: number
  readonly position: number
  /** When that was asked for which was acknowledged; by `performance.now()`. Unit: ms. */
  readonly begunAt: number
}

type Wish = { readonly method: 'POST' | 'PATCH'; readonly path: string; readonly body: object }
type Said = { readonly status: number; readonly position: string; readonly text: string }

/** Disposing of them stops them. */
export class Writers implements AsyncDisposable {
  readonly #sockets: readonly string[]
  readonly #instance: string
  readonly #running: Promise<void>
  readonly #run = randomUUID().slice(0, 6)
  readonly #tenants: string[] = []
  readonly #labels = new Map<string, number>()
  readonly #waiting = new Set<() => void>()
  readonly #restMs: number
  #isStopped = false
  #last: Acknowledged | undefined
  #count = 0
  #failure: unknown
  /** All that was acknowledged, in that order. */
  readonly told: Acknowledged[] = []
  /** What was refused last, in words. */
  refusal = ''

  /** `instance`: the name of one whose labels are raised. `restMs`: each rests between writes. */
  constructor(
    lab: Lab,
    given: { readonly writers: number; readonly instance: string; readonly restMs?: number }
  ) {
    const { writers, instance, restMs = 0 } = given
    this.#instance = instance
    this.#restMs = restMs
    const candidates = lab.plan.hosts.filter(({ isCandidate }) => isCandidate)
    this.#sockets = candidates.map(({ name }) => lab.adminSocket(name))
    const all = Array.from({ length: writers }, (_, index) => this.#write(index))
    this.#running = Promise.all(all).then(
      () => {},
      thrown => {
        this.#failure = thrown
        this.#wake()
      }
    )
  }

  /** Writes that were acknowledged. */
  get count(): number {
    return this.#count
  }

  /** Resolves with the first write from now on that satisfies a condition. Throws after a while. */
  async acknowledged(
    isWanted: (one: Acknowledged) => boolean,
    msMax = 120_000
  ): Promise<Acknowledged> {
    const late = performance.now() + msMax
    for (;;) {
      const next = Promise.withResolvers<void>()
      this.#waiting.add(next.resolve)
      await Promise.race([next.promise, sleep(1_000)])
      this.#waiting.delete(next.resolve)
      if (this.#failure) throw this.#failure
      if (this.#last && isWanted(this.#last)) return this.#last
      if (performance.now() > late) throw new Error(`no write in ${msMax} ms: ${this.refusal}`)
    }
  }

  /** What was acknowledged and is not there, by the state of every candidate; empty: all is. */
  async missing(): Promise<readonly string[]> {
    const tenants = [...this.#tenants]
    const labels = [...this.#labels]
    // Who writes through a candidate that is behind is answered last, and not of the last entry.
    const position = this.told.reduce((most, one) => Math.max(most, one.position), 0)
    const missing: string[] = []
    for (const socket of this.#sockets) {
      await using api = new Api({ via: 'socket', path: socket })
      await this.#caughtUp(socket, position)
      const { items } = await listResources(api, 'tenant')
      const names = new Set(items.map(({ name }) => name))
      const instance = await readResource(api, { kind: 'instance', name: this.#instance })
      const behind = labels.filter(([label, value]) => Number(instance.labels[label] ?? 0) < value)
      missing.push(...tenants.filter(name => !names.has(name)).map(name => `${name} at ${socket}`))
      missing.push(...behind.map(([label, value]) => `${label}=${value} at ${socket}`))
    }
    return missing
  }

  /** A candidate that follows may be some entries behind: its state is looked at after that. */
  async #caughtUp(socket: string, position: number): Promise<void> {
    const late = performance.now() + catchUpMsMax
    for (;;) {
      const said = await say(socket, { method: 'GET', path: '/v1/cluster' })
      const at = Number(said?.position.split('.')[1] ?? 0)
      if (at >= position) return
      if (performance.now() > late)
        throw new Error(`${socket} is at ${at}, written was ${position}`)
      await sleep(pauseMs)
    }
  }

  async #write(index: number): Promise<void> {
    const label = `writer-${this.#run}-${index}`
    for (let number = 1; !this.#isStopped; number += 1) {
      if (this.#restMs > 0) await sleep(this.#restMs)
      if (number % 2 === 0) {
        const path = `/v1/instances/${this.#instance}`
        const body = { labels: { [label]: String(number) } }
        if (await this.#insist({ method: 'PATCH', path, body }, index)) {
          this.#labels.set(label, number)
        }
        continue
      }
      const name = `w-${this.#run}-${index}-${number}`
      const wish = { method: 'POST', path: '/v1/tenants', body: { name, spec: {} } } as const
      if (await this.#insist(wish, index)) this.#tenants.push(name)
    }
  }

  /** Says it until it is acknowledged; false: it was stopped before. */
  async #insist(wish: Wish, first: number): Promise<boolean> {
    const key = randomUUID()
    for (let at = first; !this.#isStopped; at += 1) {
      const begunAt = performance.now()
      const said = await say(this.#sockets[at % this.#sockets.length]!, { ...wish, key })
      const isRepeated = at > first && said?.status === 409
      if (said && (said.status < 300 || isRepeated)) {
        const [epoch = 0, position = 0] = said.position.split('.').map(Number)
        this.#last = { at: performance.now(), epoch, position, begunAt }
        this.told.push(this.#last)
        this.#count += 1
        this.#wake()
        return true
      }
      if (said && said.status !== 503 && said.status !== 504) {
        throw new Error(`${wish.method} ${wish.path}: ${said.status} ${said.text}`)
      }
      if (said) this.refusal = said.text
      await sleep(pauseMs)
    }
    return false
  }

  #wake(): void {
    for (const resolve of this.#waiting) resolve()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isStopped = true
    await this.#running
  }
}

/** Asks once; undefined: the connection failed or nothing came. */
export async function say(
  socketPath: string,
  wish: {
    readonly method: string
    readonly path: string
    readonly body?: object
    readonly key?: string
  }
): Promise<Said | undefined> {
  const { promise, resolve } = Promise.withResolvers<Said | undefined>()
  const sent = request({
    ...{ socketPath, method: wish.method, path: wish.path, agent: false },
    headers: {
      ...(wish.body && { 'content-type': 'application/json' }),
      ...(wish.method === 'PATCH' && { 'if-match': '*' }),
      ...(wish.key !== undefined && { 'idempotency-key': wish.key })
    },
    signal: AbortSignal.timeout(answerMsMax)
  })
  sent.on('error', () => resolve(undefined))
  sent.on('response', answer => {
    const chunks: Buffer[] = []
    answer.on('error', () => resolve(undefined))
    answer.on('data', chunk => chunks.push(chunk))
    answer.on('end', () => {
      const position = String(answer.headers['remuda-position'] ?? '')
      const text = Buffer.concat(chunks).toString()
      resolve({ status: answer.statusCode ?? 0, position, text })
    })
  })
  sent.end(wish.body && JSON.stringify(wish.body))
  return await promise
}
