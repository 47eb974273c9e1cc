import fs from 'node:fs/promises'
import { join } from 'node:path'
import type { Log } from '#shared/log.ts'
import {
  dhcpConf,
  dhcpHosts,
  dnsConf,
  dnsHosts,
  type NamedAddress,
  onlyAdds
} from '../../core/dnsmasq-conf.ts'
import type { Layout } from '../../core/network-layout.ts'
import type { Place } from './place.ts'
import { Server } from './server.ts'

/** Which bridge is served, and from which namespace the servers see it. */
export type NameServersOptions = {
  readonly bridge: string
  /** Name of the network, for messages. */
  readonly network: string
  /** Where the files of all networks are, each network's in a folder of its bridge's name. */
  readonly folder: string
  readonly place: Place
  readonly log: Log
}

/** What a network serves. */
export type Service = {
  readonly layout: Layout
  readonly ports: readonly NamedAddress[]
  /** Lines of dnsmasq that name the servers to ask about the outside. */
  readonly upstream: string
}

/** DHCP and DNS of one network. */
export class NameServers {
  readonly #folder: string
  readonly #dhcp: Server
  readonly #dns: Server

  constructor({ bridge, network, folder, place, log }: NameServersOptions) {
    this.#folder = join(folder, bridge)
    const both = { folder: this.#folder, prefix: place.prefix, log }
    this.#dhcp = new Server({
      ...both,
      role: 'dhcp',
      name: `DHCP of network ${network}`,
      reloads: onlyAdds
    })
    this.#dns = new Server({
      ...both,
      role: 'dns',
      name: `DNS of network ${network}`,
      reloads: () => true
    })
  }

  /** Has both run and know this, or neither when there is nothing to serve. */
  async serve({ layout, ports, upstream }: Service): Promise<void> {
    if (layout.subnets.length === 0) return this.#rest()
    await fs.mkdir(this.#folder, { recursive: true, mode: 0o755 })
    const path = (name: string) => join(this.#folder, name)
    await this.#dhcp.serve({
      conf: dhcpConf(layout, { hostsFile: path('dhcp.hosts'), readyFile: path('dhcp.ready') }),
      tables: { hosts: dhcpHosts(ports) }
    })
    if (layout.kind === 'site') return this.#dns.stop()
    await this.#dns.serve({
      conf: dnsConf(layout, {
        hostsFile: path('dns.hosts'),
        serversFile: path('dns.servers'),
        readyFile: path('dns.ready')
      }),
      tables: { hosts: dnsHosts(layout, ports), servers: upstream }
    })
  }

  /** Starts again what has ended by itself. */
  async revive(): Promise<void> {
    await this.#dhcp.revive()
    await this.#dns.revive()
  }

  /** Ends both and removes their files. */
  async remove(): Promise<void> {
    await this.#rest()
    await fs.rm(this.#folder, { recursive: true, force: true })
  }

  async #rest(): Promise<void> {
    await this.#dhcp.stop()
    await this.#dns.stop()
  }
}
