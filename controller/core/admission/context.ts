import type { Kind, Resource, ResourceOf } from '#shared/model/index.ts'
import { kinds } from '#shared/model/index.ts'
import type { Because, Change, Commit } from '../commit.ts'
import type { Placement } from '../placement/pipeline.ts'
import { listed, type Refusal, refuse } from '../refusal.ts'
import { defaultTenant, subjectOf } from '../subject.ts'
import type { Moment, View } from '../view.ts'

/** What an admission is given besides the view: who asks, when, and where ids come from. */
export type Context = {
  readonly by: string
  readonly now: Moment
  readonly newId: (prefix: string) => string
}

/** What admission would record, and what comes of it. No change: it is so already. */
export type Admitted = {
  readonly commit: Commit
  readonly resource: Resource
  readonly placement?: Placement
}

/** Told apart by `isRefusal`; neither has changed anything yet. */
export type Verdict = Admitted | Refusal

/** The wall clock's moment as records carry it: RFC 3339, UTC, with milliseconds. */
export const isoOf = (context: Context): string => new Date(context.now.wall).toISOString()

/** One decision about these subjects. */
export const decision = (
  context: Context,
  verb: string,
  because: string,
  ...subjects: readonly string[]
): Because => ({ at: isoOf(context), by: context.by, verb, because, subjects })

/** A commit of some changes under one decision about the first resource. */
export function admitted(
  context: Context,
  resource: Resource,
  options: {
    readonly verb: string
    readonly because: string
    readonly more?: readonly Change[]
    readonly placement?: Placement
  }
): Admitted {
  const changes: Change[] = [{ op: 'put', resource }, ...(options.more ?? [])]
  return {
    commit: {
      changes,
      decisions: [decision(context, options.verb, options.because, subjectOf(resource))]
    },
    resource,
    ...(options.placement && { placement: options.placement })
  }
}

/** Nothing to do: the wish is already what it should become. */
export const unchanged = (resource: Resource): Admitted => ({
  commit: { changes: [], decisions: [] },
  resource
})

/** The words that begin every resource of a kind. */
export function born<K extends Kind>(
  context: Context,
  kind: K,
  wish: {
    readonly name: string
    readonly tenant?: string
    readonly labels?: Readonly<Record<string, string>>
  }
) {
  return {
    kind,
    id: context.newId(kinds[kind].prefix),
    name: wish.name,
    ...(kinds[kind].scope === 'tenant' && { tenant: wish.tenant ?? defaultTenant }),
    labels: wish.labels ?? {},
    generation: 1,
    createdAt: isoOf(context)
  }
}

/** Finds what a field names: in the tenant, then among what other tenants share. */
export function reference<K extends Kind>(
  view: View,
  kind: K,
  wanted: { readonly name: string; readonly tenant?: string; readonly pointer: string }
): { readonly found: ResourceOf[K] } | Refusal {
  const tenant = kinds[kind].scope === 'tenant' ? (wanted.tenant ?? defaultTenant) : undefined
  const own = view.named(kind, wanted.name, tenant)
  if (own) return { found: own }
  const known: string[] = []
  let found: ResourceOf[K] | undefined
  for (const other of view.all(kind).values()) {
    const shared = 'shared' in other.spec && other.spec.shared === true
    if (other.tenant !== tenant && !(shared && kind !== 'pool')) continue
    if (other.name !== wanted.name) known.push(other.name)
    else if (!found || isBefore(other, found)) found = other
  }
  if (found) return { found }
  return refuse('not-found', `there is no ${kind} "${wanted.name}"`, {
    pointer: wanted.pointer,
    reasons: [`${kinds[kind].plural} that can be used: ${listed(known.sort())}`],
    next: [`remuda ${kind} list`, ...nextFor(kind, wanted.name)]
  })
}

/** Where several tenants share a name: the default tenant's is meant, else the eldest. */
const isBefore = (a: Resource, b: Resource): boolean =>
  a.tenant === defaultTenant || (b.tenant !== defaultTenant && a.id < b.id)

const nextFor = (kind: Kind, name: string): readonly string[] =>
  kind === 'image' ? [`remuda image import ${name} --file PATH`] : []

/** Refuses a name that is taken. */
export function nameClash(
  view: View,
  kind: Kind,
  wish: { readonly name: string; readonly tenant?: string }
): Refusal | undefined {
  const tenant = kinds[kind].scope === 'tenant' ? (wish.tenant ?? defaultTenant) : undefined
  const other = view.named(kind, wish.name, tenant)
  if (!other) return undefined
  const going = 'deletedAt' in other.decided && other.decided.deletedAt !== undefined
  return refuse('conflict', `cannot create ${kind} ${wish.name}: the name is taken`, {
    pointer: '/name',
    reasons: [
      going
        ? `${other.id} has it, and is being deleted`
        : `${other.id} has it since ${other.createdAt}`
    ],
    next: going
      ? [`remuda wait ${subjectOf(other)} --for deleted, and try again`]
      : [`remuda ${kind} show ${wish.name}`, 'choose another name']
  })
}
