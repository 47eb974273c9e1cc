/**
 * What the command line must know of every kind before it has loaded anything: loading the model
 * itself takes ten times as long as `remuda --help` may. A test holds this list against the model.
 */
import { Fault } from '#shared/fault.ts'
import type { Kind } from '#shared/model/index.ts'
import { closest } from './suggest.ts'

/** What a kind is called, and what can be done with it. */
export type KindWords = {
  readonly kind: Kind
  readonly plural: string
  readonly scope: 'tenant' | 'cloud'
  readonly creatable: boolean
  readonly aliases: readonly string[]
}

/** All kinds, those first that others refer to: the order in which `apply` writes. */
export const kindWords: readonly KindWords[] = [
  { kind: 'tenant', plural: 'tenants', scope: 'cloud', creatable: true, aliases: [] },
  { kind: 'host', plural: 'hosts', scope: 'cloud', creatable: false, aliases: [] },
  { kind: 'size', plural: 'sizes', scope: 'cloud', creatable: true, aliases: [] },
  { kind: 'pool', plural: 'pools', scope: 'cloud', creatable: true, aliases: [] },
  { kind: 'image', plural: 'images', scope: 'tenant', creatable: true, aliases: [] },
  { kind: 'network', plural: 'networks', scope: 'tenant', creatable: true, aliases: ['net'] },
  { kind: 'subnet', plural: 'subnets', scope: 'tenant', creatable: true, aliases: [] },
  { kind: 'volume', plural: 'volumes', scope: 'tenant', creatable: true, aliases: ['vol'] },
  {
    kind: 'instance',
    plural: 'instances',
    scope: 'tenant',
    creatable: true,
    aliases: ['vm', 'vms']
  },
  { kind: 'port', plural: 'ports', scope: 'tenant', creatable: false, aliases: [] },
  {
    kind: 'event',
    plural: 'notifications',
    scope: 'cloud',
    creatable: false,
    aliases: ['notification']
  },
  { kind: 'job', plural: 'jobs', scope: 'cloud', creatable: false, aliases: [] }
]

const byWord = new Map(
  kindWords.flatMap(words =>
    [words.kind, words.plural, ...words.aliases].map(word => [word, words] as const)
  )
)

/** Gives what is known of a kind. */
export const wordsOf = (kind: Kind): KindWords => byWord.get(kind)!

/** Finds a kind by its name, plural or alias; Fault `invalid` says what was perhaps meant. */
export function readKind(text: string): KindWords {
  const found = byWord.get(text.toLowerCase())
  if (found) return found
  const meant = closest(text.toLowerCase(), byWord.keys())
  throw new Fault('invalid', `cannot find the kind "${text}"`, {
    reasons: [`the kinds are ${kindWords.map(words => words.kind).join(', ')}`],
    next: meant === undefined ? [] : [`did you mean "${meant}"?`]
  })
}

/** One resource, as people write it: `instance/web`, or `instance/acme/web` with its tenant. */
export type Reference = {
  readonly kind: Kind
  readonly name: string
  readonly tenant?: string
}

/** Writes a reference as histories do: with its tenant only where that is not the usual one. */
export function writeReference({ kind, name, tenant }: Reference): string {
  const isUsual = tenant === undefined || tenant === 'default' || wordsOf(kind).scope === 'cloud'
  return isUsual ? `${kind}/${name}` : `${kind}/${tenant}/${name}`
}

/** Reads KIND/NAME or KIND/TENANT/NAME. */
export function readReference(text: string): Reference {
  const [kind = '', ...rest] = text.split('/')
  const name = rest.at(-1)
  if (!name || rest.length > 2 || rest.some(part => part === '')) {
    throw new Fault('invalid', `cannot read the resource "${text}"`, {
      reasons: ['a resource is written KIND/NAME, or KIND/TENANT/NAME'],
      next: ['write for example instance/web']
    })
  }
  const tenant = rest.length === 2 ? rest[0] : undefined
  return { kind: readKind(kind).kind, name, ...(tenant === undefined ? {} : { tenant }) }
}
