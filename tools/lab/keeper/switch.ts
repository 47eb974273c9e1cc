/**
 * The switch of a lab: a network namespace with one bridge for the hosts and one for the instances,
 * which also routes between the two and to the machine. It lives as long as the process that holds
 * its namespace; with that go all links and rules, so there is nothing else to clear away.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readlink } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Cidr, overlaps, parseCidr } from '#shared/cidr.ts'
import { Fault } from '#shared/fault.ts'
import { exists } from '#shared/files.ts'
import { run } from '#shared/process.ts'
import { bmcsOf, type HostPlan, type LabPlan } from '../plan.ts'
import type { Cut, Slowness } from '../protocol.ts'
import { hostRules, isServiceCut, switchRules } from './cuts.ts'
import { hostLinks } from './links.ts'
import { linksOf, SlowLines } from './slow-line.ts'

const deadlineMs = 20_000

/** Bridges of the switch: of the hosts, of the instances, and of baseboard controllers. */
const bridges = { hosts: 'lab0', instances: 'net0', management: 'bmc0' } as const

/** They would change with their ports, and hosts miss their router, if they were not said. */
const macs = { hosts: '02:fe:00:00:00:01', instances: '02:fe:00:00:00:02' } as const

/** All names under which frames of a host come to the switch, its slow lines included. */
export const frontsOf = (host: string): readonly string[] =>
  portsOf(host).flatMap(port => [port, linksOf(port).far])

/** Names of a host's two ports on the switch. */
export const portsOf = (host: string): readonly [hosts: string, instances: string] => [
  host,
  `${host}-net`
]

/** A switch that is there until it is disposed of. */
export class Switch implements AsyncDisposable {
  readonly #plan: LabPlan
  readonly #holder: ChildProcess
  readonly #slow = new Map<string, SlowLines>()

  private constructor(plan: LabPlan, holder: ChildProcess) {
    this.#plan = plan
    this.#holder = holder
  }

  /** Makes the switch, and the machine's link to it. */
  static async open(plan: LabPlan): Promise<Switch> {
    if (plan.outside) await refuseOverlap(plan)
    const holder = spawn('unshare', ['--net', '--', 'cat'], { stdio: ['pipe', 'ignore', 'ignore'] })
    holder.stdin!.on('error', () => {})
    await once(holder, 'spawn')
    const made = new Switch(plan, holder)
    try {
      await made.#entered()
      await made.#build()
      return made
    } catch (thrown) {
      await made[Symbol.asyncDispose]()
      throw thrown
    }
  }

  /** Process whose network namespace is the switch. */
  get pid(): number {
    return this.#holder.pid!
  }

  /** Gives a host its links; those of an earlier power-on are cut off first. */
  async plug(host: HostPlan, pid: number): Promise<void> {
    const [own, instances] = portsOf(host.name)
    const [ownBridge, instancesBridge] = this.#mastersOf(host.name)
    const [peer, instancesPeer] = [0, 1].map(port => macOf(host, port))
    for (const port of [own, instances]) {
      await this.run(['ip', 'link', 'delete', port], undefined, [0, 1])
    }
    await this.#ip([
      `link add name ${own} type veth peer name ${hostLinks.hosts} address ${peer} netns ${pid}`,
      `link set dev ${own} master ${ownBridge}`,
      `link set dev ${own} up`,
      `link add name ${instances} type veth peer name ${hostLinks.instances}` +
        ` address ${instancesPeer} netns ${pid}`,
      `link set dev ${instances} master ${instancesBridge}`,
      `link set dev ${instances} up`
    ])
    const prefix = parseCidr(this.#plan.subnet.cidr)!.prefix
    await runIn(
      pid,
      ['ip', '-batch', '-'],
      lines([
        `address add ${host.address}/${prefix} dev ${hostLinks.hosts}`,
        `link set dev ${hostLinks.hosts} up`,
        `route add default via ${this.#plan.subnet.router}`
      ])
    )
  }

  /** Gives a machine two taps, as its emulator finds them in this namespace. */
  async plugMachine(name: string): Promise<void> {
    for (const [port, bridge] of [
      [portsOf(name)[0], bridges.hosts],
      [portsOf(name)[1], bridges.instances]
    ] as const) {
      await this.run(['ip', 'link', 'delete', port], undefined, [0, 1])
      await this.#ip([
        `tuntap add dev ${port} mode tap`,
        `link set dev ${port} master ${bridge}`,
        `link set dev ${port} up`
      ])
    }
  }

  /** Lets nothing pass that these cuts forbid, and everything else. */
  async apply(
    cuts: readonly Cut[],
    hosts: readonly { readonly name: string; readonly pid: number | undefined }[]
  ): Promise<void> {
    await this.run(['nft', '-f', '-'], switchRules(cuts, frontsOf))
    for (const { name, pid } of hosts) {
      const own = cuts.filter(isServiceCut).filter(cut => cut.hosts.includes(name))
      if (pid === undefined) continue
      await runIn(pid, ['nft', '-f', '-'], hostRules(own)).catch(async thrown => {
        // Its power went meanwhile, as when it is fenced: there is nothing left to be told.
        if (await exists(`/proc/${pid}/ns/net`)) throw thrown
      })
    }
  }

  /** How slow a host's lines are; undefined: as fast as the machine. */
  slownessOf(host: string): Slowness | undefined {
    return this.#slow.get(host)?.slowness
  }

  /** Makes a host's lines slow, or fast again. */
  async slow(host: string, slowness: Slowness | undefined): Promise<void> {
    await this.#slow.get(host)?.[Symbol.asyncDispose]()
    this.#slow.delete(host)
    if (slowness === undefined) return
    const [own, instances] = portsOf(host)
    const lines = [
      { port: own, bridge: bridges.hosts },
      { port: instances, bridge: bridges.instances }
    ]
    const number = this.#plan.hosts.findIndex(({ name }) => name === host)
    const run: Switch['run'] = (line, input, exitCodes) => this.run(line, input, exitCodes)
    this.#slow.set(
      host,
      await SlowLines.open(lines, { slowness, number, switchPid: this.pid, run })
    )
  }

  /** The bridges of a host's two ports: those of its slow lines where it has such. */
  #mastersOf(host: string): readonly string[] {
    if (this.#slow.has(host)) return portsOf(host).map(port => linksOf(port).inner)
    return [bridges.hosts, bridges.instances]
  }

  /** Runs a program in the switch's namespace. */
  run(line: readonly string[], input?: string, exitCodes?: readonly number[]) {
    return runIn(this.pid, line, input, exitCodes)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#plan.outside) {
      const { tag } = this.#plan
      await run('ip', ['link', 'delete', tag], { deadlineMs, exitCodes: [0, 1] })
    }
    for (const lines of this.#slow.values()) await lines[Symbol.asyncDispose]()
    if (this.#holder.exitCode !== null || this.#holder.signalCode !== null) return
    const exit = once(this.#holder, 'exit')
    this.#holder.kill('SIGKILL')
    await exit
  }

  /** Waits until the holder has left our namespace. */
  async #entered(): Promise<void> {
    const ours = await readlink('/proc/self/ns/net')
    const until = performance.now() + deadlineMs
    while ((await readlink(`/proc/${this.pid}/ns/net`)) === ours) {
      if (performance.now() > until)
        throw new Fault('deadline', 'cannot make the switch of the lab')
      await sleep(5)
    }
  }

  async #build(): Promise<void> {
    const { subnet, instances, tag, outside, folder } = this.#plan
    const [hosts, guests] = [parseCidr(subnet.cidr)!, parseCidr(instances.cidr)!]
    await this.#ip([
      'link set dev lo up',
      `link add name ${bridges.hosts} address ${macs.hosts} type bridge forward_delay 0`,
      `link add name ${bridges.instances} address ${macs.instances} type bridge forward_delay 0`,
      `address add ${subnet.router}/${hosts.prefix} dev ${bridges.hosts}`,
      `address add ${instances.router}/${guests.prefix} dev ${bridges.instances}`,
      `link set dev ${bridges.hosts} up`,
      `link set dev ${bridges.instances} up`
    ])
    await this.#addManagement()
    await this.run(['tee', '/proc/sys/net/ipv4/ip_forward'], '1\n')
    // The bridges of slow lines have no address, and must not answer for one of another bridge.
    await this.run(['tee', '/proc/sys/net/ipv4/conf/all/arp_ignore'], '1\n')
    await this.run(['nft', '-f', '-'], routerRules(subnet.cidr))
    if (!outside) return
    const alias = `remuda lab ${folder}`.slice(0, 255)
    await run('ip', ['-batch', '-'], {
      deadlineMs,
      input: lines([
        `link add name ${tag} type veth peer name outside netns ${this.pid}`,
        `link set dev ${tag} alias "${alias}"`,
        `address add ${subnet.outside}/${hosts.prefix} dev ${tag}`,
        `link set dev ${tag} up`,
        `route add ${instances.cidr} via ${subnet.router} dev ${tag}`
      ])
    })
    await this.#ip([`link set dev outside master ${bridges.hosts}`, 'link set dev outside up'])
  }

  /** Baseboard controllers stand at the switch itself: no cut between hosts cuts them off. */
  async #addManagement(): Promise<void> {
    const { management } = this.#plan
    if (management === undefined) return
    const { prefix } = parseCidr(management.cidr)!
    const addresses = [management.router, ...bmcsOf(this.#plan).map(({ address }) => address)]
    const dev = bridges.management
    await this.#ip([
      `link add name ${dev} type bridge forward_delay 0`,
      ...addresses.map(address => `address add ${address}/${prefix} dev ${dev}`),
      `link set dev ${dev} up`
    ])
  }

  #ip(batch: readonly string[]) {
    return this.run(['ip', '-batch', '-'], lines(batch))
  }
}

/** A host keeps its hardware addresses over power cuts, or others would miss it for long. */
function macOf({ address }: HostPlan, port: number): string {
  const octets = address.split('.').map(octet => Number(octet).toString(16).padStart(2, '0'))
  return ['02', `0${port}`, ...octets].join(':')
}

/** Runs a program in the network namespace of a process. */
export function runIn(
  pid: number,
  line: readonly string[],
  input?: string,
  exitCodes: readonly number[] = [0]
) {
  return run('nsenter', [`--net=/proc/${pid}/ns/net`, '--', ...line], {
    deadlineMs,
    exitCodes,
    ...(input !== undefined && { input })
  })
}

const lines = (batch: readonly string[]): string => batch.map(line => `${line}\n`).join('')

/** Instances answer to their own segment only, so what is routed to them comes from there. */
const routerRules = (subnet: string): string => `table ip lab {
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr ${subnet} oifname "${bridges.instances}" masquerade
  }
}
`

type ShownAddress = {
  readonly ifname: string
  readonly ifalias?: string
  readonly addr_info?: readonly { readonly local?: string; readonly prefixlen?: number }[]
}

/** The machine itself must not have these addresses: the lab's would be out of its reach. */
async function refuseOverlap(plan: LabPlan): Promise<void> {
  const { stdout } = await run('ip', ['-json', '-4', 'address', 'show'], { deadlineMs })
  const ranges = [plan.subnet.cidr, plan.instances.cidr].map(cidr => parseCidr(cidr)!)
  for (const { ifname, ifalias, addr_info = [] } of JSON.parse(stdout) as ShownAddress[]) {
    for (const { local = '', prefixlen = 32 } of addr_info) {
      const range = rangeAround(local, prefixlen)
      if (range === undefined || !ranges.some(own => overlaps(own, range))) continue
      const whose = /^remuda lab (.*)$/.exec(ifalias ?? '')?.[1]
      throw new Fault('conflict', `cannot use ${plan.subnet.cidr} and ${plan.instances.cidr}`, {
        reasons: [
          `${ifname} of this machine has ${local}/${prefixlen}`,
          ...(whose === undefined ? [] : [`it belongs to the lab in ${whose}`])
        ],
        next: [
          ...(whose === undefined ? [] : [`remuda lab down --state ${whose}`]),
          'or choose others: remuda lab up --subnet 10.87.0.0/24 --instances 10.88.0.0/16'
        ]
      })
    }
  }
}

function rangeAround(address: string, prefix: number): Cidr | undefined {
  const single = parseCidr(`${address}/32`)
  if (single === undefined) return undefined
  const size = 2 ** (32 - prefix)
  const first = Math.floor(single.first / size) * size
  return { first, last: first + size - 1, prefix }
}
