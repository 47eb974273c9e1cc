import { domainOf, keepsRule } from '../groups.ts'
import { listed } from '../refusal.ts'
import type { AskedGroup } from './asked-groups.ts'
import type { Filter } from './pipeline.ts'

/** Keeps the hosts on which the hard rules of its groups hold. */
export const filterGroups: Filter = ({ host }, { groups }) => {
  if (groups === undefined) return undefined
  for (const asked of groups) {
    if (!asked.rule.hard) continue
    const domain = domainOf(host, asked.rule.level)
    const reason = reasonOf(asked, domain)
    if (reason !== undefined) return reason
  }
  return undefined
}

/** Why a member may not come into a domain; undefined: it may. */
function reasonOf({ name, rule, spread }: AskedGroup, domain: string | undefined) {
  const { level, max } = rule
  if (domain === undefined) {
    return `it has no label ${level}, by which group ${name} is kept ${wordOf(rule.rule)}`
  }
  const { counts, anchors } = spread()
  if (keepsRule(rule, domain, { counts, anchors })) return undefined
  const where = level === 'host' ? 'it' : `${level} ${domain}`
  if (rule.rule === 'apart') {
    const has = `${where} has ${counts.get(domain) ?? 0}`
    return `group ${name} is kept apart, at most ${max} on one ${level}: ${has}`
  }
  const others = listed([...anchors].sort(), 3)
  const here = level === 'host' ? '' : `, this is ${where}`
  return `group ${name} is kept together on one ${level}: the others are on ${others}${here}`
}

const wordOf = (rule: 'apart' | 'with'): string => (rule === 'apart' ? 'apart' : 'together')
