import { networkInterfaces } from 'node:os'

/**
 * Where others reach a socket: its own address, or the first of this machine where it listens on
 * all of them.
 */
export function reachableEndpoint(endpoint: string): string {
  const wildcard = /^tcp:\/\/(0\.0\.0\.0|\*|\[::\]):(\d+)$/.exec(endpoint)
  if (wildcard === null) return endpoint
  const addresses = Object.values(networkInterfaces()).flat()
  const found = addresses.find(each => each?.family === 'IPv4' && !each.internal)
  return `tcp://${found?.address ?? '127.0.0.1'}:${wildcard[2]}`
}
