/** The controller's line to one agent, and whether it can be dialled. */
import { isIPv4 } from 'node:net'
import type { Ms } from '#shared/units.ts'
import { Arrivals } from '#shared/wire/arrivals.ts'
import { Outbox } from '#shared/wire/queues.ts'
import { addressOf, type LineAddress } from '#shared/wire/socket.ts'
import { isKey } from '#shared/wire/z85.ts'
import type { Peer } from '../core/ports.ts'

/** A line to one agent. */
export type Line = {
  readonly peer: Peer
  readonly outbox: Outbox
  readonly arrivals: Arrivals
  /** `unused`: it could not be dialled as it is; see the drawing in mesh.ts for the others. */
  state: 'unused' | 'dialling' | 'connected' | 'waiting'
  /** Name of the line at the socket; another one at each dial. */
  name: string
  address: LineAddress
  failures: number
  dialAt: Ms
  /** When anything came in on it last, or since when it is connected. */
  heardAt: Ms
  /** What was last told of why it is not connected. */
  told: string
}

/** A line that has not been dialled yet. */
export const newLine = (peer: Peer): Line => ({
  peer,
  outbox: new Outbox(),
  arrivals: new Arrivals(),
  state: 'unused',
  name: '',
  address: addressOf(''),
  failures: 0,
  dialAt: 0,
  heardAt: 0,
  told: ''
})

/** An address, no name: the library would look it up, and then tell of it by its address. */
const endpointPattern = /^tcp:\/\/([\d.]+):([1-9]\d{0,4})$/

/** Says why a peer cannot be dialled, or undefined when it can. */
export function objectionTo({ endpoint, publicKey }: Peer): string | undefined {
  const [, address, port] = endpointPattern.exec(endpoint) ?? []
  if (address === undefined || !isIPv4(address) || Number(port) > 65_535) {
    return `cannot dial ${endpoint}: an endpoint is such as tcp://10.0.0.7:7411`
  }
  return isKey(publicKey) ? undefined : `cannot dial ${endpoint}: its key is no CURVE key`
}
