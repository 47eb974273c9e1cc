import { readFile } from 'node:fs/promises'
import { Fault } from '../fault.ts'
import type { Tls } from './connection.ts'

/** Files in PEM: who has signed the servers' certificates; ours, where they ask for one. */
export type TlsFiles = {
  readonly ca: string
  readonly certificate?: string
  readonly key?: string
}

/** Reads them; Fault `invalid` for one that cannot be read. */
export async function readTls({ ca, certificate, key }: TlsFiles): Promise<Tls> {
  return {
    ca: await read(ca),
    ...(certificate === undefined ? {} : { certificate: await read(certificate) }),
    ...(key === undefined ? {} : { key: await read(key) })
  }
}

const read = (path: string): Promise<string> =>
  readFile(path, 'utf8').catch(cause => {
    throw new Fault('invalid', `cannot read ${path} for TLS to ZooKeeper`, { cause })
  })
