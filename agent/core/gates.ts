/** Which gates of instances are to be looked at from outside, worked out of the order. */
import { contains, parseCidr, parseIpv4 } from '#shared/cidr.ts'
import type { Order, OrderInstance } from '#shared/wire/order.ts'
import type { ReadinessMemory } from './readiness.ts'

/** A TCP port that is to be called: it has not been seen open in this run. */
export type GateCall = {
  readonly instance: string
  readonly run: string
  readonly address: string
  readonly port: number
}

/** Who may phone home at an address of this host: instances, by their own address. */
export type Homes = ReadonlyMap<string, ReadonlyMap<string, string>>

/** The TCP ports that are to be called now. */
export const callsOf = (order: Order, readiness: ReadinessMemory): readonly GateCall[] =>
  order.instances.flatMap(({ id: instance, ports, readiness: wish }) => {
    const known = readiness.get(instance)
    const address = ports[0]?.address
    if (wish?.tcp === undefined || !known || address === undefined) return []
    return known.open.has('tcp') ? [] : [{ instance, run: known.run, address, port: wish.tcp }]
  })

/** Where instances phone home on this host: the gateways that it is itself. */
export function homesOf(order: Order): Homes {
  const homes = new Map<string, Map<string, string>>()
  for (const instance of order.instances) {
    const home = homeOf(order, instance)
    const address = instance.ports[0]?.address
    if (home === undefined || address === undefined) continue
    homes.set(home, (homes.get(home) ?? new Map<string, string>()).set(address, instance.id))
  }
  return homes
}

/** Where an instance phones home; undefined: it need not, or its host is not its gateway. */
export function homeOf(
  { networks }: Pick<Order, 'networks'>,
  { ports, readiness }: Pick<OrderInstance, 'ports' | 'readiness'>
): string | undefined {
  const [port] = ports
  if (readiness?.phoneHome !== true || port === undefined) return undefined
  const network = networks.find(({ id }) => id === port.networkId)
  // On the site's own network the site's router is the gateway, and takes no such call.
  if (!network || (network.uplink !== undefined && !network.nat)) return undefined
  const address = parseIpv4(port.address)
  return network.subnets.find(({ cidr }) => {
    const range = parseCidr(cidr)
    return range && address !== undefined && contains(range, address)
  })?.gateway
}
