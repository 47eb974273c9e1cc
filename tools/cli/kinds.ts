/** How kinds are called on the command line, and how a resource is written there. */
import { Fault } from '#shared/fault.ts'
import type { Kind } from '#shared/model/index.ts'
import { fieldsOf } from './field.ts'
import { closest } from './suggest.ts'

/** What a kind is called, and what can be done with it. */
export type KindWords = {
  readonly kind: Kind
  readonly plural: string
  readonly scope: 'tenant' | 'cloud'
  readonly creatable: boolean
  readonly aliases: readonly string[]
}

const aliases: { readonly [Each in Kind]?: readonly string[] } = {
  network: ['net'],
  volume: ['vol'],
  instance: ['vm', 'vms'],
  event: ['notification']
}

const inOrder = [
  ...(['tenant', 'host', 'size', 'pool', 'image', 'network', 'subnet', 'volume'] as const),
  ...(['instance', 'port', 'event', 'job'] as const)
]

/** All kinds, those first that others refer to: the order in which `apply` writes. */
export const kindWords: readonly KindWords[] = inOrder.map(kind => {
  const { plural, scope, creatable } = fieldsOf(kind)
  return { kind, plural, scope, creatable, aliases: aliases[kind] ?? [] }
})

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
