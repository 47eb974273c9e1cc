/** What we use of node-zookeeper-client, which comes without types: its codec. */
declare module 'node-zookeeper-client/lib/jute/index.js' {
  class Record {
    byteLength(): number
    serialize(buffer: Buffer, offset: number): number
    deserialize(buffer: Buffer, offset: number): number
  }
  type Stat = {
    readonly czxid: Buffer
    readonly mzxid: Buffer
    readonly version: number
    readonly cversion: number
    readonly ephemeralOwner: Buffer
    readonly dataLength: number
    readonly numChildren: number
  }
  type Result = {
    readonly type: number
    readonly err?: number
    readonly path?: string
    readonly stat?: Stat
  }
  export class TransactionRequest extends Record {
    constructor(operations: readonly object[])
  }
  export class TransactionResponse {
    readonly results: readonly Result[]
    deserialize(buffer: Buffer, offset: number): number
  }
  export const OP_CODES: {
    readonly CREATE: number
    readonly DELETE: number
    readonly GET_DATA: number
    readonly SET_DATA: number
    readonly SYNC: number
    readonly PING: number
    readonly GET_CHILDREN2: number
    readonly CHECK: number
    readonly MULTI: number
    readonly AUTH: number
    readonly CLOSE_SESSION: number
    readonly ERROR: number
  }
  export const protocol: {
    readonly ConnectRequest: new (
      protocolVersion: number,
      lastZxidSeen: Buffer,
      timeOut: number,
      sessionId: Buffer,
      passwd: Buffer
    ) => Record
    readonly ConnectResponse: new () => Record & {
      readonly timeOut: number
      readonly sessionId: Buffer
      readonly passwd: Buffer
    }
    readonly AuthPacket: new (type: number, scheme: string, auth: Buffer) => Record
    readonly GetDataRequest: new (path: string, watch: boolean) => Record
    readonly GetDataResponse: new () => Record & {
      readonly data: Buffer | undefined
      readonly stat: Stat
    }
    readonly GetChildren2Request: new (path: string, watch: boolean) => Record
    readonly GetChildren2Response: new () => Record & { readonly children: readonly string[] }
    readonly WatcherEvent: new () => Record & { readonly type: number; readonly path: string }
  }
  const records: {
    readonly ACL: new (permissions: number, id: Record) => Record
    readonly Id: new (scheme: string, id: string) => Record
  }

  export { records as data }
}

/** The package's own client, which measurements compare ours with. */
declare module 'node-zookeeper-client' {
  type Transaction = {
    check(path: string, version: number): Transaction
    setData(path: string, bytes: Buffer, version: number): Transaction
    create(path: string, bytes: Buffer): Transaction
    commit(done: (error: Error | null) => void): void
  }
  export function createClient(
    servers: string,
    options: { readonly sessionTimeout: number }
  ): {
    once(event: 'connected', listener: () => void): void
    connect(): void
    close(): void
    transaction(): Transaction
  }
}
