/**
 * What does not pass, as text for nft(8). Between groups of hosts frames are dropped on the switch,
 * as by a pulled cable. A service is cut at the hosts that use it, in their own namespaces, so that
 * not even what runs on the same host is reached, while all other traffic goes on.
 */
import { serverPorts } from '../../zookeeper/server.ts'
import type { Cut, Service } from '../protocol.ts'
import { ports } from './daemons.ts'

type ServiceCut = Extract<Cut, { readonly from: Service }>
type GroupCut = Exclude<Cut, ServiceCut>

/** Says which of the two kinds a cut is. */
export const isServiceCut = (cut: Cut): cut is ServiceCut => 'from' in cut

/** TCP ports on which a service is reached. */
const portsOfService: Readonly<Record<Service, readonly number[]>> = {
  zookeeper: [serverPorts.client],
  ensemble: [serverPorts.quorum, serverPorts.election],
  agents: [ports.agent],
  api: [ports.api]
}

/** The ruleset of the switch; it replaces the one before. */
export function switchRules(
  cuts: readonly Cut[],
  portsOf: (host: string) => readonly string[]
): string {
  const rules = cuts
    .filter(cut => !isServiceCut(cut))
    .flatMap(cut => groupRules(cut as GroupCut, portsOf))
  return ruleset('bridge', [chain('forward', 'filter', rules.length === 0 ? [] : rules)])
}

function groupRules(
  { groups, oneWay }: GroupCut,
  portsOf: (host: string) => readonly string[]
): readonly string[] {
  const sets = groups.map(group => setOf(group.flatMap(portsOf).map(port => `"${port}"`)))
  const pairs = sets.flatMap((from, index) => sets.slice(index + 1).map(to => [from, to] as const))
  return pairs.flatMap(([from, to]) => [
    `iifname ${from} oifname ${to} drop`,
    ...(oneWay ? [] : [`iifname ${to} oifname ${from} drop`])
  ])
}

/** The ruleset of one host, for the cuts that name it. One way: requests go nowhere. */
export function hostRules(cuts: readonly ServiceCut[]): string {
  const sets = cuts.map(({ from }) => setOf(portsOfService[from].map(String)))
  const back = cuts.flatMap(({ oneWay }, index) => (oneWay ? [] : [sets[index]!]))
  return ruleset('inet', [
    chain(
      'output',
      'filter',
      sets.map(set => `tcp dport ${set} drop`)
    ),
    chain(
      'input',
      'filter',
      back.map(set => `tcp sport ${set} drop`)
    )
  ])
}

const setOf = (elements: readonly string[]): string => `{ ${elements.join(', ')} }`

const table = 'lab_cuts'

const ruleset = (family: string, chains: readonly string[]): string =>
  `table ${family} ${table}
delete table ${family} ${table}
table ${family} ${table} {
${chains.join('\n')}
}
`

const chain = (hook: string, priority: string, rules: readonly string[]): string =>
  `  chain ${hook} {
    type filter hook ${hook} priority ${priority}; policy accept;
${rules.map(rule => `    ${rule}\n`).join('')}  }`
