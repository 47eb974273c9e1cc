import fs from 'node:fs'
import path from 'node:path'
import { Fault } from '#shared/fault.ts'
import { labServers } from '../../lab/servers.ts'
import { UsageFault } from '../failure.ts'
import type { Settings } from '../settings.ts'

/** Where the API is, and what opens it. */
export type Address =
  | { readonly via: 'socket'; readonly path: string }
  | { readonly via: 'url'; readonly url: URL; readonly token: string | undefined }

/** Where a controller listens on its own machine unless it is told otherwise. */
const localUrl = 'http://127.0.0.1:7410'

/**
 * Chooses the ways to the API: the servers that were named; else the administrator's socket of this
 * machine, else the readers' one, else the local port. The administrator's token is only ever sent
 * to this machine unless its file is named.
 */
export function chooseAddresses(settings: Settings): readonly Address[] {
  const { state } = settings
  const isLab = settings.isLab && settings.servers.length === 0
  const servers = isLab ? labServers(settings.lab) : settings.servers
  if (servers.length > 0) return servers.map(server => readServer(server, settings))
  for (const name of ['admin.sock', 'read.sock']) {
    const candidate = path.join(state, 'run', name)
    if (mayUse(candidate)) return [{ via: 'socket', path: candidate }]
  }
  return [readServer(localUrl, settings)]
}

/** Writes an address as messages show it. */
export const writeAddress = (address: Address): string =>
  address.via === 'socket' ? address.path : address.url.origin

function mayUse(file: string): boolean {
  try {
    fs.accessSync(file, fs.constants.R_OK | fs.constants.W_OK)
    return true
  } catch {
    return false
  }
}

function readServer(server: string, settings: Settings): Address {
  if (server.startsWith('unix:')) {
    const file = server.slice('unix:'.length)
    if (path.isAbsolute(file)) return { via: 'socket', path: path.normalize(file) }
  }
  const url = URL.parse(server)
  if (!url || !['http:', 'https:'].includes(url.protocol)) {
    throw new UsageFault(`cannot read the server "${server}"`, {
      reasons: ['a server is http://HOST:PORT, https://HOST:PORT or unix:/path/to/socket'],
      next: [`write for example --server ${localUrl}`]
    })
  }
  return { via: 'url', url, token: readToken(url, settings) }
}

function readToken(url: URL, settings: Settings): string | undefined {
  const named = settings.tokenFile
  const isLocal = ['127.0.0.1', 'localhost', '[::1]'].includes(url.hostname)
  if (named === undefined && !isLocal) return undefined
  const file = named ?? path.join(settings.state, 'admin.token')
  try {
    return fs.readFileSync(file, 'utf8').trim()
  } catch (error) {
    if (named === undefined) return undefined
    throw new Fault('forbidden', `cannot read the token file ${file}`, {
      cause: error,
      next: ['name a file that you may read with --token-file or REMUDA_TOKEN_FILE']
    })
  }
}
