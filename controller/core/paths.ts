import { type Kind, kinds, type Resource } from '#shared/model/index.ts'
import { type Refusal, refuse } from './refusal.ts'
import { defaultTenant } from './subject.ts'
import type { View } from './view.ts'

/** Finds what a path names: a name in the tenant, or an id. */
export function find(
  view: View,
  kind: Kind,
  wanted: { readonly name: string; readonly tenant?: string }
): { readonly resource: Resource } | Refusal {
  const tenant = kinds[kind].scope === 'tenant' ? (wanted.tenant ?? defaultTenant) : undefined
  const byName = view.named(kind, wanted.name, tenant)
  if (byName) return { resource: byName }
  const byId = view.get(kind, wanted.name)
  if (byId) return { resource: byId }
  const where = tenant === undefined ? '' : ` in tenant ${tenant}`
  const history = view.history(historySubject(kind, wanted.name, tenant)).at(-1)
  return refuse('not-found', `there is no ${kind} "${wanted.name}"${where}`, {
    reasons: history ? [`last heard of at ${history.at}: ${history.verb}, ${history.because}`] : [],
    next: [`remuda ${kind} list`]
  })
}

/** The subject under which a kind's history stands. */
export const historySubject = (kind: Kind, name: string, tenant: string | undefined): string =>
  tenant === undefined || tenant === defaultTenant ? `${kind}/${name}` : `${kind}/${tenant}/${name}`
