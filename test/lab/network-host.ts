/** A host for network tests: a namespace with the real driver, clients and an outside. */
import fs from 'node:fs/promises'
import os from 'node:os'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { silentLog } from '#shared/log.ts'
import type { OrderNetwork } from '#shared/wire/order.ts'
import { bridgeOf, interfaceOf } from '../../agent/core/network-layout.ts'
import type { NamedPort } from '../../agent/core/ports.ts'
import { FlatNetworks, removeAll } from '../../agent/io/network/flat.ts'
import { Client, Netns } from './netns.ts'

/** A host of its own namespace, with a driver and an outside. */
export class NetworkHost implements AsyncDisposable {
  readonly netns: Netns
  readonly state: string
  readonly #clients: Client[] = []
  networks: FlatNetworks

  private constructor(netns: Netns, state: string) {
    this.netns = netns
    this.state = state
    this.networks = this.#open()
  }

  static async make(): Promise<NetworkHost> {
    const state = await fs.mkdtemp(join(os.tmpdir(), 'remuda-network-'))
    return new NetworkHost(await Netns.make(), state)
  }

  #open(): FlatNetworks {
    const { name } = this.netns
    const resolvConf = join(this.state, 'resolv.conf')
    return new FlatNetworks({ state: this.state, log: silentLog, netns: name, resolvConf })
  }

  async reopen(): Promise<FlatNetworks> {
    await this.networks[Symbol.asyncDispose]()
    this.networks = this.#open()
    return this.networks
  }

  /** Applies, and fails the test unless all networks stand. */
  async stand(
    t: ExecutionContext,
    networks: readonly OrderNetwork[],
    ports: readonly NamedPort[]
  ): Promise<void> {
    const standing = await this.networks.apply(networks, ports)
    t.deepEqual(
      standing.flatMap(each => each.failure ?? []),
      []
    )
  }

  /** Plugs a client into a port's bridge under the port's name, with its hardware address. */
  async plug(port: NamedPort, mac = port.mac): Promise<Client> {
    const client = await Client.plug(this.netns, {
      name: interfaceOf(port.id),
      mac,
      bridge: bridgeOf(port.networkId)
    })
    this.#clients.push(client)
    return client
  }

  /** Takes a client out, as when an instance ends. */
  async unplug(port: NamedPort): Promise<void> {
    await this.netns.run('ip', ['link', 'delete', 'dev', interfaceOf(port.id)])
  }

  /** Plugs a client that has its port's address already. */
  async plugAddressed(port: NamedPort, network: OrderNetwork): Promise<Client> {
    const client = await this.plug(port)
    await client.configure(`${port.address}/24`, network.subnets[0]!.gateway)
    return client
  }

  /** Makes an interface of this name whose other end is a machine outside. */
  async outside(name: string): Promise<Client> {
    const client = await Client.plug(this.netns, { name })
    this.#clients.push(client)
    return client
  }

  async bridges(): Promise<readonly string[]> {
    const { stdout } = await this.netns.run('ip', ['-json', 'link', 'show', 'type', 'bridge'])
    const links = JSON.parse(stdout) as readonly { ifname?: string }[]
    return links.flatMap(link => link.ifname ?? [])
  }

  /** Everything that an application may change: links, addresses, rules with handles, processes. */
  async snapshot(): Promise<unknown> {
    const links = await this.netns.run('ip', ['-json', '-details', 'address', 'show'])
    const routes = await this.netns.run('ip', ['-json', '-4', 'route', 'show', 'table', 'all'])
    const rules = await this.netns.run('nft', ['-json', '-a', 'list', 'ruleset'])
    const { stdout } = await this.netns.run('cat', ['/proc/sys/net/ipv4/ip_forward'])
    return {
      links: JSON.parse(links.stdout, withoutUnrest),
      routes: JSON.parse(routes.stdout),
      rules: JSON.parse(rules.stdout),
      forwarding: stdout,
      servers: await this.servers()
    }
  }

  /** The processes of dnsmasq in this host, by the configuration that they read. */
  async servers(): Promise<Readonly<Record<string, number>>> {
    const { stdout } = await this.netns.run('ip', ['netns', 'pids', this.netns.name])
    const servers: Record<string, number> = {}
    for (const pid of stdout.split('\n').filter(Boolean)) {
      const line = await fs.readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')
      const conf = /^dnsmasq\0.*--conf-file=[^\0]*\/([^/\0]+\/[^/\0]+)\.conf\0/.exec(line)?.[1]
      if (conf !== undefined) servers[conf] = Number(pid)
    }
    return servers
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const client of this.#clients) await client[Symbol.asyncDispose]()
    await this.networks[Symbol.asyncDispose]()
    await removeAll({ state: this.state, log: silentLog, netns: this.netns.name })
    await this.netns[Symbol.asyncDispose]()
    await fs.rm(this.state, { recursive: true, force: true })
  }
}

/** Leaves out the timers of bridges, and IPv6, where the kernel takes a second to settle. */
const withoutUnrest = (key: string, value: unknown): unknown =>
  /timer/.test(key)
    ? undefined
    : key === 'addr_info'
      ? (value as readonly { family?: string }[]).filter(({ family }) => family === 'inet')
      : value

/** Looks again and again until there is something to see. */
export async function eventually<Value>(look: () => Promise<Value | undefined>): Promise<Value> {
  const until = performance.now() + 30_000
  for (;;) {
    const value = await look()
    if (value !== undefined) return value
    if (performance.now() > until) throw new Error('it did not come about in 30 s')
    await new Promise(resolve => setTimeout(resolve, 20))
  }
}
