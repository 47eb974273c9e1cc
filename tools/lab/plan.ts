/**
 * What a lab is, worked out from a wish before anything of it is made: hosts, names, addresses. The
 * same wish gives the same plan, so whoever finds a lab's folder knows what may be left of it.
 *
 * The hosts stand in two networks. In the first they and the operator's machine talk to each
 * other. The second is one segment over all hosts and carries the instances' networks, so that an
 * instance keeps its address wherever it runs. A switch joins the ports of each, and routes between
 * them and the machine. Baseboard controllers, in a lab that has them, are in a third, to which the
 * switch routes as well: they are reached also from a host that is cut off from all others.
 */
import { createHash } from 'node:crypto'
import { type Cidr, contains, formatIpv4, overlaps, parseCidr } from '#shared/cidr.ts'
import { Fault } from '#shared/fault.ts'
import { formatMs } from '#shared/units.ts'
import { watchdogMsMax, watchdogMsMin } from '../../agent/io/watchdog.ts'
import { labDefault } from './folder.ts'

/** More hosts than this would not fit into one address range of a switch, nor onto one machine. */
export const hostsMax = 32

/** Candidates of a lab that has as many hosts. */
const candidatesMax = 3

/** What is wanted of a lab. */
export type LabWish = {
  /** Folder of the lab, as an absolute path. */
  readonly folder: string
  /** Unit: count. */
  readonly hosts: number
  /** Range of the hosts' own addresses, a /24. */
  readonly subnet?: string | undefined
  /** Range of the instances' addresses, /8 to /24. */
  readonly instances?: string | undefined
  /** One controller with the embedded journal, and no ensemble. */
  readonly solo?: boolean
  /** Whether the machine gets a link into the lab; true when left out. */
  readonly outside?: boolean
  /** Whether hosts see the machine's /dev/kvm. */
  readonly kvm?: boolean
  /** Whether wall clocks of hosts can be moved. */
  readonly clocks?: boolean
  /** Whether volumes of pool `shared` are locked by a virtlockd on each host. */
  readonly locks?: boolean
  /** Length of the sessions with the ensemble. Unit: ms. */
  readonly sessionMs?: number
  /** By what hosts are fenced; with any but `lab` each has a baseboard controller as well. */
  readonly bmc?: LabFencing | undefined
  /** Range of the baseboard controllers' addresses, a /24. */
  readonly management?: string | undefined
  /** Each host has a watchdog that resets it after so long, in full seconds. Unit: ms. */
  readonly watchdogMs?: number | undefined
  /** Machines that boot over the network, from the first host. Unit: count. */
  readonly machines?: number
  /** Whether these have a TPM each, which keeps what it was given over their boots. */
  readonly tpm?: boolean | undefined
  /** Folder of host images that these boot, with `image.key`; one is built when left out. */
  readonly hostImages?: string | undefined
  /** Each host and machine gets the time of so many processes where processors are short: 1. */
  readonly share?: number | undefined
  /** Folder of an unpacked QEMU that hosts have in the place of the machine's own. */
  readonly qemu?: string | undefined
}

/** The lab's own switch, baseboard controllers by IPMI or by Redfish, or all three by turns. */
export const labFencings = ['lab', 'ipmi', 'redfish', 'mixed'] as const
/** One of them. */
export type LabFencing = (typeof labFencings)[number]

/** One host of a lab. */
export type HostPlan = {
  readonly name: string
  readonly address: string
  readonly uuid: string
  /** Runs a controller, or one that may become it. */
  readonly isCandidate: boolean
  /** Number of its ZooKeeper server; undefined: it runs none. */
  readonly server?: number
  /** Address of its baseboard controller; undefined: it has none. */
  readonly bmc?: string
}

/** A machine of a lab: bare, emulated, with a baseboard controller and no disk. */
export type MachinePlan = {
  readonly name: string
  readonly uuid: string
  /** Of its two interfaces: to the hosts, and to the instances. */
  readonly macs: readonly [hosts: string, instances: string]
  readonly firmware: 'bios' | 'uefi'
  readonly tpm: boolean
  /** Address of its baseboard controller. */
  readonly bmc: string
}

/** A lab as it is to be. */
export type LabPlan = {
  /** Tells this lab's names on the machine from those of others; at most 10 characters. */
  readonly tag: string
  readonly folder: string
  readonly subnet: { readonly cidr: string; readonly router: string; readonly outside: string }
  readonly instances: { readonly cidr: string; readonly router: string }
  /** Of the baseboard controllers; undefined: there are none. */
  readonly management?: { readonly cidr: string; readonly router: string }
  readonly fencing: LabFencing
  readonly hosts: readonly HostPlan[]
  /** Machines that boot over the network; left out: none. */
  readonly machines?: readonly MachinePlan[]
  readonly hostImages?: string
  readonly outside: boolean
  readonly kvm: boolean
  readonly clocks: boolean
  readonly locks: boolean
  /** Time of each host's watchdog; undefined: they have none. */
  readonly watchdogMs?: number
  readonly sessionMs: number
  readonly share?: number
  /** Folder of the QEMU that its hosts have; undefined: the machine's own. */
  readonly qemu?: string
  /** Java classes of ZooKeeper, where the lab has an ensemble. */
  readonly classPath?: readonly string[]
}

/** Addresses of the ensemble's servers, by their numbers; none: the lab has no ensemble. */
export const membersOf = ({ hosts }: LabPlan) =>
  hosts.flatMap(({ server, address }) => (server === undefined ? [] : [{ id: server, address }]))

/** Baseboard controllers of a lab, by their hosts. */
export const bmcsOf = ({ hosts, machines = [] }: LabPlan) =>
  [...hosts, ...machines].flatMap(({ name: host, bmc: address }) =>
    address === undefined ? [] : [{ host, address }]
  )

/** By what a host of a lab is fenced. */
export function fencedBy(plan: LabPlan, host: string): Exclude<LabFencing, 'mixed'> {
  const { fencing, hosts, machines = [] } = plan
  const number = machines.findIndex(({ name }) => name === host)
  if (number >= 0) return number % 2 === 0 ? 'ipmi' : 'redfish'
  if (fencing !== 'mixed') return fencing
  const turns = ['lab', 'ipmi', 'redfish'] as const
  return turns[hosts.findIndex(({ name }) => name === host) % turns.length]!
}

/** Works a lab out. Fault `invalid` says what of the wish cannot be. */
export function planLab(wish: LabWish): LabPlan {
  const { folder, hosts: count, solo = false, sessionMs = 4_000, bmc: fencing = 'lab' } = wish
  if (!Number.isInteger(count) || count < 1 || count > hostsMax) {
    throw new Fault('invalid', `cannot make a lab of ${count} hosts: it takes 1 to ${hostsMax}`)
  }
  const subnet = readRange(wish.subnet ?? '10.77.0.0/24', { least: 24, most: 24 })
  const instances = readRange(wish.instances ?? '10.78.0.0/16', { least: 8, most: 24 })
  const management = readRange(wish.management ?? '10.79.0.0/24', { least: 24, most: 24 })
  const machines = planMachines(wish, management)
  const isManaged = fencing !== 'lab' || machines.length > 0
  refuseShared([subnet, instances, ...(isManaged ? [management] : [])])
  const candidates = solo || count < candidatesMax ? 1 : candidatesMax
  return {
    tag: tagOf(folder),
    folder,
    subnet: {
      cidr: writeRange(subnet),
      router: formatIpv4(subnet.last - 1),
      outside: formatIpv4(subnet.last - 2)
    },
    instances: { cidr: writeRange(instances), router: formatIpv4(instances.last - 1) },
    ...(isManaged && {
      management: { cidr: writeRange(management), router: formatIpv4(management.last - 1) }
    }),
    fencing,
    hosts: Array.from({ length: count }, (_, index) => ({
      name: `h${index + 1}`,
      address: formatIpv4(subnet.first + index + 1),
      uuid: uuidOf(`h${index + 1}`),
      isCandidate: index < candidates,
      ...(candidates > 1 && index < candidates && { server: index + 1 }),
      ...(fencing !== 'lab' && { bmc: formatIpv4(management.first + index + 1) })
    })),
    ...(machines.length > 0 && { machines }),
    ...(wish.hostImages !== undefined && { hostImages: wish.hostImages }),
    outside: wish.outside ?? true,
    kvm: wish.kvm ?? false,
    clocks: wish.clocks ?? false,
    locks: wish.locks ?? false,
    ...(wish.watchdogMs !== undefined && { watchdogMs: checkedWatchdog(wish.watchdogMs) }),
    sessionMs,
    ...(wish.share !== undefined && { share: wish.share }),
    ...(wish.qemu !== undefined && { qemu: wish.qemu })
  }
}

/** More of them would take an hour to boot by emulation. */
const machinesMax = 8
/** Their baseboard controllers have addresses behind those of hosts. */
const machinesFirst = 100

/** By turns with a BIOS and with UEFI. */
function planMachines(wish: LabWish, management: Cidr): readonly MachinePlan[] {
  const { machines: count = 0, tpm = false } = wish
  if (!Number.isInteger(count) || count < 0 || count > machinesMax) {
    const most = `at most ${machinesMax} are of use`
    throw new Fault('invalid', `cannot make a lab of ${count} machines: ${most}`)
  }
  return Array.from({ length: count }, (_, index) => {
    const octet = (index + 1).toString(16).padStart(2, '0')
    return {
      name: `n${index + 1}`,
      uuid: uuidOf(`n${index + 1}`),
      macs: [`52:54:00:77:00:${octet}`, `52:54:00:78:00:${octet}`],
      firmware: index % 2 === 0 ? 'bios' : 'uefi',
      tpm,
      bmc: formatIpv4(management.first + machinesFirst + index)
    }
  })
}

/** Addresses that the first host gives to machines that boot, behind those of hosts. */
export const machineRange = ({ subnet }: LabPlan): readonly [first: string, last: string] => {
  const { first } = parseCidr(subnet.cidr)!
  return [formatIpv4(first + 128), formatIpv4(first + 199)]
}

/** As agents use them; see their watchdog.ts. */
function checkedWatchdog(ms: number): number {
  const isOfUse = ms >= watchdogMsMin && ms <= watchdogMsMax && ms % 1_000 === 0
  if (isOfUse) return ms
  throw new Fault('invalid', `cannot make a lab whose watchdogs reset a host after ${ms} ms`, {
    reasons: [
      `full seconds from ${formatMs(watchdogMsMin)} to ${formatMs(watchdogMsMax)} are of use`
    ],
    next: ['write for example --watchdog 5s']
  })
}

function refuseShared(ranges: readonly Cidr[]): void {
  for (const [index, one] of ranges.entries()) {
    const other = ranges.slice(0, index).find(before => overlaps(before, one))
    if (other === undefined) continue
    throw new Fault('invalid', 'cannot make a lab whose hosts and instances share addresses', {
      reasons: [`${writeRange(other)} and ${writeRange(one)} overlap`],
      next: ['name other ranges with --subnet, --instances and --management']
    })
  }
}

/** Says whether two labs are made alike, apart from where they are. */
export function isAlike(a: LabPlan, b: LabPlan): boolean {
  const [one, other] = [a, b].map(({ classPath: _, ...plan }) => JSON.stringify(plan))
  return one === other
}

/** The instances' range without what the switch itself has in it. */
export const lastOfInstances = ({ instances }: LabPlan): string =>
  formatIpv4(parseCidr(instances.cidr)!.last - 2)

/** Says whether an address belongs to the lab's instances. */
export function isInstances({ instances }: LabPlan, address: number): boolean {
  return contains(parseCidr(instances.cidr)!, address)
}

/** How a lab's folder is known by its names on the machine. */
const tagOf = (folder: string): string =>
  folder === labDefault
    ? 'lab0'
    : `lab-${createHash('sha256').update(folder).digest('hex').slice(0, 6)}`

/** A UUID of version 4 that a host of this name has in every lab. */
function uuidOf(name: string): string {
  const digest = createHash('sha256').update(`remuda lab ${name}`).digest('hex')
  const text = `${digest.slice(0, 12)}4${digest.slice(13, 16)}a${digest.slice(17, 32)}`
  return [0, 8, 12, 16, 20].map((from, at) => text.slice(from, [8, 12, 16, 20, 32][at])).join('-')
}

function readRange(text: string, { least, most }: { least: number; most: number }): Cidr {
  const range = parseCidr(text)
  if (range && range.prefix >= least && range.prefix <= most) return range
  const kinds = least === most ? `a /${least}` : `a /${least} to /${most}`
  throw new Fault('invalid', `cannot use ${text} as a range of addresses of the lab`, {
    reasons: [`it is no ${kinds.slice(2)} whose bits after the prefix are 0`],
    next: ['write for example 10.77.0.0/24']
  })
}

const writeRange = ({ first, prefix }: Cidr): string => `${formatIpv4(first)}/${prefix}`
