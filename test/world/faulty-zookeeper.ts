import { lostRequest } from '#shared/zookeeper/faults.ts'
import type { Operation, Outcome, ZooKeeperSession } from '#shared/zookeeper/session.ts'

/**
 * A session whose next transaction can be made to fail: lost on its way, or its reply. After that
 * no server answers until `heal`. It stands before a fake session or a real one.
 */
export class FaultySession implements ZooKeeperSession {
  readonly #session: ZooKeeperSession
  #fate: 'refused' | 'unknown' | undefined
  #isCut = false

  constructor(session: ZooKeeperSession) {
    this.#session = session
  }

  failNext(fate: 'refused' | 'unknown'): void {
    this.#fate = fate
  }
  heal(): void {
    this.#fate = undefined
    this.#isCut = false
  }

  async transact(operations: readonly Operation[]): Promise<readonly Outcome[]> {
    this.#assertWhole()
    const fate = this.#fate
    this.#fate = undefined
    if (fate !== undefined) this.#isCut = true
    if (fate !== 'refused') {
      const outcomes = await this.#session.transact(operations)
      if (fate === undefined) return outcomes
    }
    throw lostRequest(true, 'cannot tell what became of a request: the connection was reset')
  }

  read(path: string) {
    return this.#asking(() => this.#session.read(path))
  }
  children(path: string) {
    return this.#asking(() => this.#session.children(path))
  }
  sync(path: string) {
    return this.#asking(() => this.#session.sync(path))
  }
  watch(...args: Parameters<ZooKeeperSession['watch']>) {
    return this.#session.watch(...args)
  }
  keepLease(proof: Parameters<ZooKeeperSession['keepLease']>[0]): void {
    this.#session.keepLease(proof)
  }
  leaseUntil() {
    return this.#session.leaseUntil()
  }
  server(): string | undefined {
    return this.#isCut ? undefined : this.#session.server()
  }
  get id(): string {
    return this.#session.id
  }
  get timeoutMs() {
    return this.#session.timeoutMs
  }
  get ended(): AbortSignal {
    return this.#session.ended
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#session[Symbol.asyncDispose]()
  }

  async #asking<Result>(ask: () => Promise<Result>): Promise<Result> {
    this.#assertWhole()
    return await ask()
  }

  #assertWhole(): void {
    if (this.#isCut) throw lostRequest(false, 'cannot ask: no server is connected')
  }
}
