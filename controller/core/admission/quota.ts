/** Where admission asks the quota of a tenant: for all that gives it more than it has. */
import type { Change } from '../commit.ts'
import { noUse, type QuotaName, quotaNames, type Use, useBy, useOf } from '../quota.ts'
import { isRefusal, type Refusal, refuse } from '../refusal.ts'
import { defaultTenant } from '../subject.ts'
import type { View } from '../view.ts'
import type { Intent } from './admit.ts'
import type { Verdict } from './context.ts'

/**
 * Refuses what was admitted if its tenant would have more than its quota by it. What it has beyond
 * a quota that was lowered stays: only more of it is refused.
 */
export function keepQuota(
  view: View,
  { intent, verdict }: { readonly intent: Intent; readonly verdict: Verdict }
): Verdict {
  const asks = ['create', 'change', 'power', 'restart'].includes(intent.verb)
  if (isRefusal(verdict) || !asks || verdict.resource.tenant === undefined) return verdict
  const tenant = view.named('tenant', verdict.resource.tenant)
  const quota = tenant?.spec.quota
  if (!tenant || !quota) return verdict
  const more = moreOf(view, verdict.commit.changes, tenant.name)
  const has = useBy(view, tenant)
  const beyond = quotaNames.filter(
    name => quota[name] !== undefined && more[name] > 0 && has[name] + more[name] > quota[name]
  )
  if (beyond.length === 0) return verdict
  const { kind, name } = verdict.resource
  return refuseBeyond(`cannot ${verbOf(intent)} ${kind} ${name}`, {
    tenant: tenant.name,
    beyond: beyond.map(name => ({ name, has: has[name], more: more[name], most: quota[name]! }))
  })
}

const verbOf = (intent: Intent): string =>
  intent.verb === 'create' ? 'create' : intent.verb === 'change' ? 'change' : 'start'

/** How much more of each the tenant would have; less is negative. */
function moreOf(view: View, changes: readonly Change[], tenant: string): Use {
  const sum: Record<QuotaName, number> = { ...noUse }
  for (const change of changes) {
    if (change.op !== 'put' && change.op !== 'remove') continue
    const before =
      change.op === 'put'
        ? view.get(change.resource.kind, change.resource.id)
        : view.get(change.kind, change.id)
    const after = change.op === 'put' ? change.resource : undefined
    if (((after ?? before)?.tenant ?? defaultTenant) !== tenant) continue
    const [was, will] = [before ? useOf(before) : noUse, after ? useOf(after) : noUse]
    for (const name of quotaNames) sum[name] += will[name] - was[name]
  }
  return sum
}

type Beyond = {
  readonly name: QuotaName
  readonly has: number
  readonly more: number
  readonly most: number
}

function refuseBeyond(
  cannot: string,
  { tenant, beyond }: { readonly tenant: string; readonly beyond: readonly Beyond[] }
): Refusal {
  const least = beyond.map(
    ({ name, has, more }) =>
      `--${words[name]} ${name.endsWith('Mib') ? `${has + more}MiB` : has + more}`
  )
  return refuse('capacity', `${cannot}: tenant ${tenant} would have more than its quota`, {
    reasons: beyond.map(({ name, has, more, most }) => {
      const [all, extra, limit] = [has, more, most].map(value => amountOf(name, value))
      return `${words[name]}: it has ${all}, ${extra} more are asked for, ${limit} are its quota`
    }),
    next: [
      `remuda tenant show ${tenant}`,
      beyond.some(({ name }) => name === 'diskMib')
        ? 'delete what is not needed'
        : 'stop or delete what is not needed',
      `an admin can allow it: remuda tenant set ${tenant} ${least.join(' ')}`
    ]
  })
}

const words: Readonly<Record<QuotaName, string>> = {
  instances: 'instances',
  memoryMib: 'memory',
  vcpus: 'vcpus',
  diskMib: 'disk'
}

const amountOf = (name: QuotaName, value: number): string =>
  name.endsWith('Mib') ? `${value} MiB` : String(value)
