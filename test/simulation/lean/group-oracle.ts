/**
 * What must hold of groups: nobody is sent to where a hard rule of its group forbids it. Judged in
 * the moment in which it is recorded, when an instance gets a host or sets out for one, by who is
 * where by then. Labels stay as they are here, so what was allowed once is allowed.
 */
import type { Host } from '#shared/model/host.ts'
import type { Instance } from '#shared/model/instance.ts'
import type { Affinity } from '#shared/model/placing.ts'
import type { LeanCloud } from './cloud.ts'

/** All as it was before, but for who is told of. */
type Known = {
  readonly hosts: ReadonlyMap<string, Host>
  readonly instances: ReadonlyMap<string, Instance>
}

const hostsOf = ({ decided: { host, moving } }: Instance): readonly string[] =>
  [host, moving?.to].filter(name => name !== undefined)

/** Something of an instance is recorded. */
export function groupsHold(cloud: LeanCloud, instance: Instance, known: Known): void {
  const { affinity } = instance.spec
  if (!affinity) return
  const before = known.instances.get(instance.id)
  const old = before ? hostsOf(before) : []
  for (const to of hostsOf(instance)) {
    if (old.includes(to)) continue
    for (const rule of affinity) if (rule.hard) judge(cloud, { instance, rule, to, old }, known)
  }
}

type Arrival = {
  readonly instance: Instance
  readonly rule: Affinity
  readonly to: string
  /** Where it was before. */
  readonly old: readonly string[]
}

function judge(cloud: LeanCloud, { instance, rule, to, old }: Arrival, known: Known): void {
  const { group, level, max } = rule
  const domainOf = (host: string): string | undefined =>
    level === 'host' ? host : known.hosts.get(host)?.labels[level]
  const others = [...known.instances.values()].filter(
    other => other.id !== instance.id && other.spec.affinity?.some(one => one.group === group)
  )
  const places = others.flatMap(other => hostsOf(other).map(host => ({ name: other.name, host })))
  cloud.count(`came by a rule of a group: ${rule.rule} on one ${level}`)
  if (rule.rule === 'apart') {
    const there = places.filter(({ host }) => domainOf(host) === domainOf(to))
    if (there.length < max) return
    const names = there.map(({ name }) => name).join()
    cloud.problem(`${instance.name} comes to ${to}, though ${group} keeps it apart from ${names}`)
    return
  }
  const isLeft = (host: string): boolean => {
    const decided = known.hosts.get(host)?.decided
    return decided?.recovery !== undefined || decided?.duty !== undefined
  }
  if (old.some(host => known.hosts.get(host)?.decided.duty)) cloud.count('drained with its group')
  const torn = places.find(({ host }) => !isLeft(host) && domainOf(host) !== domainOf(to))
  if (!torn) return
  const where = `${group} keeps it with ${torn.name} on ${torn.host}`
  cloud.problem(`${instance.name} comes to ${to}, though ${where}`)
}
