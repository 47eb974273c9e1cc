import { createClient } from 'node-zookeeper-client'
import type { Operation } from '#shared/zookeeper/session.ts'

/** The client of the npm package as it is, to measure ours by. */
export class PackageClient implements Disposable {
  readonly #client

  constructor(servers: readonly string[]) {
    this.#client = createClient(servers.join(','), { sessionTimeout: 30_000 })
  }

  async connect(): Promise<void> {
    await new Promise<void>(resolve => {
      this.#client.once('connected', resolve)
      this.#client.connect()
    })
  }

  /** Parts that check, set or create; its versions of 0 mean any. */
  transact(operations: readonly Operation[]): Promise<void> {
    const transaction = this.#client.transaction()
    for (const operation of operations) {
      const { op, path } = operation
      if (op === 'check') transaction.check(path, operation.version as number)
      if (op === 'create') transaction.create(path, operation.bytes as Buffer)
      if (op === 'set') {
        transaction.setData(path, operation.bytes as Buffer, operation.version as number)
      }
    }
    return new Promise((resolve, reject) => {
      transaction.commit(error => (error ? reject(error) : resolve()))
    })
  }

  [Symbol.dispose](): void {
    this.#client.close()
  }
}
