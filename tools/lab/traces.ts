/**
 * What instances leave on a host of a lab: emulators, domains, taps and bridge ports, rules, files,
 * locks, ports that are listened on. Two looks at the same host, before something came and after it
 * has gone again, must show the same; so it is compared, and no list is kept of what could be left.
 */
import { readdir, readFile, readlink } from 'node:fs/promises'
import { Cgroup, hierarchies } from './keeper/cgroups.ts'
import type { Lab } from './lab.ts'

/** One line each, sorted, such as `link rpc4e19524ddef`. */
export type Traces = readonly string[]

/** Where QEMU takes memory in. */
const migrationPorts = { first: 49_152, last: 49_215 } as const

/** Files of domains, and those that an agent has because of an instance. */
const folders = [
  '/run/libvirt/qemu',
  '/run/libvirt/lxc',
  '/var/lib/libvirt/qemu',
  '/var/lib/remuda/agent/console',
  '/var/lib/remuda/agent/seeds',
  '/var/lib/remuda/agent/trees',
  '/var/lib/remuda/agent/pools/local/volumes'
]

/** Programs that run as long as something of an instance or its network is there. */
const programs = ['qemu-system', 'libvirt_lxc', 'dnsmasq', 'swtpm', 'passt', 'slirp']

/**
 * Each line of what is written begins with what it is. The numbers of domains are left out: each
 * start has another one. So are the cuts of the lab itself.
 */
const script = `
for driver in qemu lxc; do
  virsh -q -c $driver:///system list --all --name | grep . | sed "s/^/domain of $driver /"
done
ip -o link | sed -E 's/^[0-9]+: ([^:@]+).*/link \\1/'
bridge link | sed -E 's/^[0-9]+: ([^:@ ]+).* master ([^ ]+) .*/bridge port \\1 of \\2/'
nft -s list ruleset | awk '/^table inet lab_cuts /{ cut = 1 } !cut && NF; /^}/{ cut = 0 }' |
  sed -E 's/^[ \t]*/nft /'
find ${folders.join(' ')} 2>/dev/null | sed -E 's/^/file /; s/domain-[0-9]+-/domain-N-/'
ss -Htln | awk '{ print $4 }' | sed -E 's/.*:([0-9]+)$/\\1/' | sort -u |
  awk '$1 >= ${migrationPorts.first} && $1 <= ${migrationPorts.last} { print "listens on " $1 }'
ps -e -o comm= | grep -E '^(${programs.join('|')})' | sed 's/^/runs /'
find /sys/fs/cgroup -type d -name 'machine*' | sed 's/^/group /'
:
`

/** Looks at one host, which must have power and a libvirt that answers. */
export async function tracesOn(lab: Lab, host: string): Promise<Traces> {
  const line = ['bash', '--norc', '-c', `set -o pipefail; ${script}`]
  const { code, stdout, stderr } = await lab.run(host, line)
  if (code !== 0 || stderr.includes('error:')) {
    throw new Error(`cannot look at what is on ${host}: ${stderr.trim() || `exit ${code}`}`)
  }
  const locks = await locksOf(lab, host)
  return [...stdout.split('\n').filter(Boolean), ...locks].sort()
}

/** What is there now and was not before, and the other way round; empty: all is as it was. */
export function changesIn(before: Traces, now: Traces): readonly string[] {
  const minus = (some: Traces, others: Traces): readonly string[] => {
    const left = [...others]
    return some.filter(line => {
      const at = left.indexOf(line)
      if (at >= 0) left.splice(at, 1)
      return at < 0
    })
  }
  return [
    ...minus(now, before).map(line => `left behind: ${line}`),
    ...minus(before, now).map(line => `missing: ${line}`)
  ]
}

/** Whether nothing of any instance or its network is there. */
export const isBare = (traces: Traces): boolean =>
  !traces.some(trace => /^(link r[bp]|nft|runs|domain|lock)/.test(trace))

/** Locks on files of the shared pool that processes of a host hold, by what the kernel says. */
async function locksOf(lab: Lab, host: string): Promise<readonly string[]> {
  const all = await hierarchies()
  const one = all.includes('freezer') ? ['freezer'] : all.slice(0, 1)
  const pids = await new Cgroup(`remuda-${lab.plan.tag}-${host}`, one).members()
  const found = await Promise.all([...pids].map(pid => locksOfProcess(pid, lab.folder)))
  return [...new Set(found.flat())]
}

async function locksOfProcess(pid: number, folder: string): Promise<readonly string[]> {
  const numbers = await readdir(`/proc/${pid}/fd`).catch(() => [])
  const found: string[] = []
  for (const number of numbers) {
    const path = await readlink(`/proc/${pid}/fd/${number}`).catch(() => '')
    if (!path.startsWith(`${folder}/shared/`) && !path.startsWith(`${folder}/locks/`)) continue
    const said = await readFile(`/proc/${pid}/fdinfo/${number}`, 'utf8').catch(() => '')
    if (/^lock:/m.test(said)) found.push(`lock on ${path}`)
  }
  return found
}
