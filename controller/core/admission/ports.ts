import { formatIpv4, parseIpv4 } from '#shared/cidr.ts'
import type { InstanceSpec } from '#shared/model/instance.ts'
import type { Network, Port, Subnet } from '#shared/model/network.ts'
import { freeAddress, rangeOf, sizeOf } from '../addresses.ts'
import { fitName } from '../fit-name.ts'
import { isRefusal, type Refusal, refuse } from '../refusal.ts'
import { subjectOf } from '../subject.ts'
import type { View } from '../view.ts'
import { born, type Context, nameClash, reference } from './context.ts'

type Owner = {
  readonly name: string
  readonly tenant: string
  readonly id: string
  readonly spec: InstanceSpec
}

/** Makes the ports of an instance, each with a free address and a hardware address. */
export function portsFor(view: View, wish: Owner, context: Context): readonly Port[] | Refusal {
  const ports: Port[] = []
  for (const [index, plug] of wish.spec.ports.entries()) {
    const pointer = `/spec/ports/${index}`
    const network = reference(view, 'network', {
      name: plug.network,
      tenant: wish.tenant,
      pointer: `${pointer}/network`
    })
    if (isRefusal(network)) return network
    const given = addressIn(view, network.found, { address: plug.address, ports, pointer })
    if (isRefusal(given)) return given
    const name = fitName(`${wish.name}-${index}`)
    const clash = nameClash(view, 'port', { name, tenant: wish.tenant })
    if (clash) return clash
    const start = born(context, 'port', { name, tenant: wish.tenant })
    ports.push({
      ...start,
      kind: 'port',
      spec: {
        network: plug.network,
        instance: wish.name,
        ...(plug.address !== undefined && { address: plug.address })
      },
      decided: {
        mac: macOf(view, ports, start.id),
        address: given.address,
        networkId: network.found.id,
        subnetId: given.subnet.id,
        ownerId: wish.id
      }
    })
  }
  return ports
}

/** QEMU's own prefix, and the random end of the id; the next free one if that is taken. */
function macOf(view: View, ports: readonly Port[], id: string): string {
  let tail = Number.parseInt(id.slice(-6), 16)
  for (;;) {
    const hex = tail.toString(16).padStart(6, '0')
    const mac = `52:54:00:${hex.slice(0, 2)}:${hex.slice(2, 4)}:${hex.slice(4)}`
    const taken = ports.some(port => port.decided.mac === mac)
    if (!taken && view.indexes.of('port-mac', mac).size === 0) return mac
    tail = (tail + 1) % 0x1000000
  }
}

function addressIn(
  view: View,
  network: Network,
  wanted: {
    readonly address: string | undefined
    readonly ports: readonly Port[]
    readonly pointer: string
  }
): { readonly address: string; readonly subnet: Subnet } | Refusal {
  const { address, ports, pointer } = wanted
  const subnets = [...view.indexes.of('network-subnets', subjectOf(network))]
    .map(id => view.get('subnet', id)!)
    .filter(subnet => !subnet.decided.deletedAt)
  const full: string[] = []
  for (const subnet of subnets) {
    const range = rangeOf(subnet.spec)
    if ('fault' in range) continue
    const taken = (text: string): boolean =>
      view.indexes.of('port-address', `${subnet.id}/${text}`).size > 0 ||
      ports.some(port => port.decided.subnetId === subnet.id && port.decided.address === text)
    if (address !== undefined) {
      const number = parseIpv4(address) ?? -1
      if (number <= range.cidr.first || number >= range.cidr.last) continue
      // As addresses are written everywhere else: 10.66.0.07 is 10.66.0.7.
      const plain = formatIpv4(number)
      if (number === range.gateway || taken(plain)) {
        return refuse('conflict', `address ${address} is taken`, {
          pointer: `${pointer}/address`,
          reasons: [
            number === range.gateway
              ? `it is the gateway of subnet ${subnet.name}`
              : `${holderOf(view, subnet, plain)} has it`
          ],
          next: ['leave the address out to be given a free one']
        })
      }
      return { address: plain, subnet }
    }
    const used = view.indexes.crowds.of('subnet-ports', subnet.id)
    const free = freeAddress(range, { taken, from: range.first + used })
    if (free !== undefined) return { address: free, subnet }
    full.push(
      `subnet ${subnet.name} (${subnet.spec.cidr}): ${sizeOf(range)} of ${sizeOf(range)} used`
    )
  }
  return noAddress(network, { address, pointer, full, subnets })
}

function noAddress(
  network: Network,
  wanted: {
    readonly address: string | undefined
    readonly pointer: string
    readonly full: readonly string[]
    readonly subnets: readonly Subnet[]
  }
): Refusal {
  const { address, pointer, full, subnets } = wanted
  if (subnets.length === 0) {
    return refuse('conflict', `network ${network.name} has no subnet to give an address from`, {
      pointer: `${pointer}/network`,
      next: [`remuda subnet create NAME --network ${network.name} --cidr 10.67.0.0/24`]
    })
  }
  if (address !== undefined) {
    return refuse('invalid', `address ${address} is in no subnet of network ${network.name}`, {
      pointer: `${pointer}/address`,
      reasons: subnets.map(subnet => `subnet ${subnet.name} is ${subnet.spec.cidr}`),
      next: ['leave the address out to be given a free one']
    })
  }
  return refuse('capacity', `network ${network.name} has no free address`, {
    pointer: `${pointer}/network`,
    reasons: full,
    next: [`remuda subnet create NAME --network ${network.name} --cidr 10.67.0.0/24`]
  })
}

function holderOf(view: View, subnet: Subnet, address: string): string {
  const [id] = view.indexes.of('port-address', `${subnet.id}/${address}`)
  const port = id === undefined ? undefined : view.get('port', id)
  return port?.spec.instance === undefined ? 'another port' : `instance ${port.spec.instance}`
}
