/**
 * Flat networks: a bridge each, with DHCP and DNS on it and a packet filter around all of them.
 *
 * Everything is named so that it is known to be ours: bridges `rb…`, ports `rp…`, filter tables
 * `remuda`. What stands is read from the kernel each time, compared with what should stand, and
 * only the difference is carried out; so an agent that starts anew touches nothing that runs. Files
 * live below /run, since nothing of all this outlives the host's boot.
 */
import { createHash } from 'node:crypto'
import fs from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { type Clock, realClock } from '#shared/clock.ts'
import { Fault, sentence } from '#shared/fault.ts'
import { exists } from '#shared/files.ts'
import type { Log } from '#shared/log.ts'
import type { OrderNetwork } from '#shared/wire/order.ts'
import { bootServerOf } from '../../core/boot-server.ts'
import { diffBridge, type Link, removeBridges } from '../../core/diff-links.ts'
import { dnsServers } from '../../core/dnsmasq-conf.ts'
import {
  bridgeOf,
  interfaceOf,
  isBridgeName,
  type Layout,
  layNetworks
} from '../../core/network-layout.ts'
import { nftRuleset } from '../../core/nft-ruleset.ts'
import type { AnnouncedPort, NamedPort, NetworkDriver, StandingNetwork } from '../../core/ports.ts'
import { Lanes } from '../lanes.ts'
import { Announcer } from './announcer.ts'
import { applyFilter, removeFilter } from './filter.ts'
import { enableForwarding, restoreForwarding } from './forwarding.ts'
import { changeLinks, readLinks } from './links.ts'
import { NameServers } from './name-servers.ts'
import { type Place, placeIn } from './place.ts'

/** Where the driver acts; only the lab and tests set more than the first two. */
export type FlatNetworksOptions = {
  /** The agent's state folder; it tells the agents of one machine apart. */
  readonly state: string
  readonly log: Log
  readonly clock?: Clock
  /** A namespace of `ip netns` to act in instead of the host's own. */
  readonly netns?: string
  /** Names the servers that the host asks about the outside. */
  readonly resolvConf?: string
}

/** How often the servers are looked after. */
const watchMs = 1_000

type Wish = { readonly networks: readonly OrderNetwork[]; readonly ports: readonly NamedPort[] }

/** The network driver of hosts; made without touching anything: `apply` and its watch do. */
export class FlatNetworks implements NetworkDriver {
  readonly #options: FlatNetworksOptions
  readonly #place: Place
  readonly #folder: string
  readonly #lanes = new Lanes()
  readonly #servers = new Map<string, NameServers>()
  readonly #announcer: Announcer
  readonly #end = new AbortController()
  #watch: Promise<void> | undefined

  constructor(options: FlatNetworksOptions) {
    this.#options = options
    this.#place = placeIn(options.netns)
    this.#folder = runFolder(options.state)
    const { clock = realClock, log } = options
    this.#announcer = new Announcer({ place: this.#place, clock, log })
  }

  announce(ports: readonly AnnouncedPort[]): void {
    this.#announcer.announce(ports)
  }

  bridgeOf(networkId: string): string {
    return bridgeOf(networkId)
  }

  interfaceOf(portId: string): string {
    return interfaceOf(portId)
  }

  apply(
    networks: readonly OrderNetwork[],
    ports: readonly NamedPort[]
  ): Promise<readonly StandingNetwork[]> {
    return this.#lanes.run('apply', async () => {
      try {
        const failures = await this.#apply({ networks, ports })
        this.#watch ??= this.#keepWatch()
        return networks.map(({ id }) => ({
          id,
          bridge: bridgeOf(id),
          failure: failures.get(id)
        }))
      } catch (cause) {
        if (cause instanceof Fault && cause.code === 'network') throw cause
        throw new Fault('network', 'cannot bring the networks about', { cause })
      }
    })
  }

  /** Gives the sentences of those networks that cannot stand. */
  async #apply({ networks, ports }: Wish): Promise<ReadonlyMap<string, string>> {
    await fs.mkdir(this.#folder, { recursive: true, mode: 0o755 })
    const laid = layNetworks(networks)
    const failures = new Map(laid.failures)
    const links = await readLinks(this.#place)
    await this.#removeOthers(new Set(networks.map(({ id }) => bridgeOf(id))), links)
    const plugs = ports.map(port => ({
      interface: interfaceOf(port.id),
      bridge: bridgeOf(port.networkId)
    }))
    const plans = new Map<Layout, readonly string[]>()
    for (const layout of laid.layouts) {
      const plan = diffBridge(layout, links, plugs)
      if ('failure' in plan) failures.set(layout.id, `cannot use ${layout.name}: ${plan.failure}`)
      else plans.set(layout, plan.lines)
    }
    await applyFilter(this.#place, {
      ruleset: nftRuleset(
        laid.layouts.map(layout => (plans.has(layout) ? layout : { ...layout, uplink: undefined })),
        ports,
        bootServerOf(await fs.readFile('/proc/cmdline', 'utf8').catch(() => ''))
      ),
      recordFile: join(this.#folder, 'filter'),
      log: this.#options.log
    })
    if ([...plans.keys()].some(layout => layout.kind === 'nat')) await this.#forward()
    const upstream = await this.#readUpstream(laid.layouts)
    for (const [layout, lines] of plans) {
      try {
        await fs.mkdir(join(this.#folder, layout.bridge), { recursive: true, mode: 0o755 })
        await changeLinks(this.#place, lines)
        const own = ports.filter(port => port.networkId === layout.id)
        await this.#serversOf(layout).serve({ layout, ports: own, upstream })
      } catch (thrown) {
        failures.set(layout.id, sentence(thrown))
      }
    }
    const uplinks = [...plans.keys()].flatMap(({ id, uplink }) =>
      uplink === undefined || failures.has(id) ? [] : [[id, uplink] as const]
    )
    const present = new Set(ports.map(({ id }) => id))
    this.#announcer.know({ uplinks: new Map(uplinks), ports: present })
    return failures
  }

  /** Takes away the bridges that should not be, with their servers, before their filter goes. */
  async #removeOthers(
    wanted: ReadonlySet<string>,
    links: ReadonlyMap<string, Link>
  ): Promise<void> {
    const others = (await madeIn(this.#folder)).filter(bridge => !wanted.has(bridge))
    await changeLinks(this.#place, removeBridges(links, others))
    for (const bridge of others) {
      await this.#serversAt(bridge, bridge).remove()
      this.#servers.delete(bridge)
    }
  }

  #forward(): Promise<void> {
    const recordFile = join(this.#folder, 'forwarding')
    return enableForwarding(this.#place, { recordFile, log: this.#options.log })
  }

  async #readUpstream(layouts: readonly Layout[]): Promise<string> {
    const path = this.#options.resolvConf ?? '/etc/resolv.conf'
    return dnsServers(await fs.readFile(path, 'utf8').catch(() => ''), layouts)
  }

  #serversOf(layout: Layout): NameServers {
    return this.#serversAt(layout.bridge, layout.name)
  }

  #serversAt(bridge: string, network: string): NameServers {
    const known = this.#servers.get(bridge)
    if (known) return known
    const { log } = this.#options
    const servers = new NameServers({
      bridge,
      network,
      folder: this.#folder,
      place: this.#place,
      log
    })
    this.#servers.set(bridge, servers)
    return servers
  }

  /** Looks after the servers until the end. */
  async #keepWatch(): Promise<void> {
    const { clock = realClock } = this.#options
    const { signal } = this.#end
    while (!signal.aborted) {
      await clock.sleep(watchMs, signal).catch(() => {})
      if (signal.aborted) return
      await this.#lanes.run('apply', async () => {
        for (const servers of this.#servers.values()) await servers.revive()
      })
    }
  }

  /** Lets go. What stands goes on standing, for the next run. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#end.abort()
    await this.#announcer[Symbol.asyncDispose]()
    await this.#watch
    await this.#lanes.run('apply', async () => {})
  }
}

/**
 * Removes everything that the driver has made: servers, bridges, filter tables, and gives the
 * forwarding setting its old value back. Safe to repeat. Instances must be gone: their interfaces
 * lose their bridge.
 */
export async function removeAll(options: {
  readonly state: string
  readonly log: Log
  readonly netns?: string
}): Promise<void> {
  const place = placeIn(options.netns)
  const folder = runFolder(options.state)
  // Where this state has made nothing, what stands is another cloud's.
  if (!(await exists(folder))) return
  const made = await madeIn(folder)
  await changeLinks(place, removeBridges(await readLinks(place), made))
  const { log } = options
  for (const bridge of made) {
    await new NameServers({ bridge, network: bridge, folder, place, log }).remove()
  }
  await removeFilter(place)
  await restoreForwarding(place, join(folder, 'forwarding'))
  await fs.rm(folder, { recursive: true, force: true })
}

/**
 * Bridges that this state has made: each has a folder, from before it is made until it is gone.
 * Another cloud on this machine has bridges of the same kind of name.
 */
const madeIn = async (folder: string): Promise<readonly string[]> =>
  (await fs.readdir(folder)).filter(isBridgeName)

/** Where an agent's network files are: readable by dnsmasq, and gone with the boot. */
const runFolder = (state: string): string =>
  `/run/remuda-network-${createHash('sha256').update(resolve(state)).digest('hex').slice(0, 12)}`
