/** Reads what `apply` and `diff` are given: a file of documents, as wishes with their places. */
import { Fault } from '#shared/fault.ts'
import { stepsOf } from '../api/problem.ts'
import { UsageFault } from '../failure.ts'
import type { Invocation } from '../invocation.ts'
import { kindWords, type Reference, readKind, wordsOf, writeReference } from '../kinds.ts'
import { readYamlDocuments, type YamlDocument } from '../output/yaml.ts'
import { closest } from '../suggest.ts'
import { readText } from './files.ts'

/** What a file says of one resource, and where it says it. */
export type FileWish = {
  readonly reference: Reference
  readonly labels: Readonly<Record<string, string>>
  readonly spec: Readonly<Record<string, unknown>>
  /** Place of a field, such as `cloud.yaml:7:3`; the pointer is such as `/spec/memoryMib`. */
  readonly placeOf: (pointer: string) => string
}

/** Parts of a document that say what is so, not what is wished: they are left aside. */
const observed = ['id', 'status', 'conditions', 'generation', 'observedGeneration', 'createdAt']
const wished = ['kind', 'name', 'tenant', 'labels', 'spec']

type Source = {
  readonly file: string
  readonly document: YamlDocument
  /** Where in the document the resource is: in a list it is an item. */
  readonly base: readonly string[]
}

/** Reads all wishes of a file, those first that others refer to. */
export async function readWishes(invocation: Invocation): Promise<readonly FileWish[]> {
  const file = invocation.given.text('file')!
  const text = await readText(invocation, file)
  const shown = file === '-' ? '<input>' : file
  const wishes = readYamlDocuments(text, shown).flatMap(document =>
    itemsOf(document).map(({ value, base }) =>
      readWish(invocation, value, { file: shown, document, base })
    )
  )
  if (wishes.length === 0) throw new UsageFault(`cannot find a document in ${shown}`)
  const seen = new Map<string, FileWish>()
  for (const wish of wishes) {
    const key = writeReference(wish.reference)
    const before = seen.get(key)
    if (before) {
      throw new Fault('invalid', `cannot take ${key} twice from ${shown}`, {
        reasons: [`it stands at ${before.placeOf('/name')} and at ${wish.placeOf('/name')}`]
      })
    }
    seen.set(key, wish)
  }
  const order = kindWords.map(words => words.kind)
  return afterThoseBefore(
    wishes.toSorted(
      (one, other) => order.indexOf(one.reference.kind) - order.indexOf(other.reference.kind)
    )
  )
}

/** An instance is refused that comes after one that is not there: so those before it go first. */
function afterThoseBefore(wishes: readonly FileWish[]): readonly FileWish[] {
  const byName = new Map(wishes.map(wish => [writeReference(wish.reference), wish]))
  const sorted = new Set<FileWish>()
  const begun = new Set<FileWish>()
  const visit = (wish: FileWish): void => {
    // In a circle somebody has to be first; the controller says what is wrong with it.
    if (begun.has(wish)) return
    begun.add(wish)
    const { after } = wish.spec
    const names = wish.reference.kind === 'instance' && Array.isArray(after) ? after : []
    for (const name of names) {
      const before = byName.get(writeReference({ ...wish.reference, name: String(name) }))
      if (before) visit(before)
    }
    sorted.add(wish)
  }
  for (const wish of wishes) visit(wish)
  return [...sorted]
}

/** The resources of one document: itself, or the items of a list or a sequence. */
function itemsOf(
  document: YamlDocument
): readonly { readonly value: unknown; readonly base: readonly string[] }[] {
  const { value } = document
  const list = isObject(value) && value['kind'] === 'list' ? value['items'] : value
  if (!Array.isArray(list)) return [{ value, base: [] }]
  const base = list === value ? [] : ['items']
  return list.map((item, index) => ({ value: item, base: [...base, String(index)] }))
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

function readWish(invocation: Invocation, value: unknown, source: Source): FileWish {
  const { file, document, base } = source
  const placeOfPath = (...path: readonly string[]) =>
    `${file}:${document.positionOf([...base, ...path])}`
  const placeOf = (pointer: string) => placeOfPath(...stepsOf(pointer))
  const wrong = (field: string, because: string, next: readonly string[] = []) =>
    new Fault('invalid', `cannot read ${placeOfPath(field)}: ${because}`, { next })
  if (!isObject(value)) throw wrong('', 'a document is a list of fields, such as kind and name')
  for (const field of Object.keys(value)) {
    if (wished.includes(field) || observed.includes(field)) continue
    const meant = closest(field, wished)
    const next = meant === undefined ? [] : [`did you mean "${meant}"?`]
    throw wrong(field, `a document has no field "${field}"`, next)
  }
  const { kind, name, tenant, labels = {}, spec = {} } = value
  if (typeof kind !== 'string') throw wrong('kind', 'the field "kind" is missing')
  if (typeof name !== 'string') throw wrong('name', 'the field "name" is missing')
  if (!isObject(labels)) throw wrong('labels', 'labels are names with values')
  if (!isObject(spec)) throw wrong('spec', 'a spec is names with values')
  const words = readKindAt(kind, () => placeOf('/kind'))
  const wanted = tenantOf(invocation, { kind: words.kind, tenant, place: placeOf('/tenant') })
  return {
    reference: { kind: words.kind, name, ...(wanted === undefined ? {} : { tenant: wanted }) },
    labels: Object.fromEntries(
      Object.entries(labels).map(([key, label]) => [key, String(label)] as const)
    ),
    spec,
    placeOf
  }
}

function readKindAt(kind: string, place: () => string): ReturnType<typeof readKind> {
  try {
    return readKind(kind)
  } catch (error) {
    if (!(error instanceof Fault)) throw error
    throw new Fault('invalid', `cannot read ${place()}: there is no kind "${kind}"`, {
      reasons: error.reasons,
      next: error.next
    })
  }
}

function tenantOf(
  invocation: Invocation,
  said: { readonly kind: Reference['kind']; readonly tenant: unknown; readonly place: string }
): string | undefined {
  const { tenant, tenantNamed } = invocation.settings
  if (wordsOf(said.kind).scope === 'cloud') return undefined
  if (typeof said.tenant !== 'string') return tenant
  if (tenantNamed && tenant !== said.tenant) {
    throw new UsageFault(`cannot write into tenant ${tenant}: ${said.place} says ${said.tenant}`, {
      next: ['leave out --tenant, or the tenant in the file']
    })
  }
  return said.tenant
}
