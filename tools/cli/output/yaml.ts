/** The only user of the package `yaml`. */
import {
  type Document,
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  LineCounter,
  parseAllDocuments,
  stringify,
  visit
} from 'yaml'
import { Fault } from '#shared/fault.ts'

/** One document of a YAML file, and where its parts stand in it. */
export type YamlDocument = {
  readonly value: unknown
  /**
   * Line and column, such as `3:5`, where a field begins with its name, or an item of a list; where
   * there is no such thing, of the nearest one around it.
   */
  readonly positionOf: (path: readonly string[]) => string
}

/** How often one anchor may be used: more is an attack on our memory. */
const aliasesMax = 100

/** Writes a value as one YAML document. */
export const writeYaml = (value: unknown): string =>
  stringify(value, { lineWidth: 0, aliasDuplicateObjects: false })

/** Writes values as several YAML documents, with `---` between them. */
export const writeYamlDocuments = (values: readonly unknown[]): string =>
  values.map(writeYaml).join('---\n')

/** Reads all documents of a text; Fault `invalid` says line and column of every mistake. */
export function readYamlDocuments(text: string, file: string): readonly YamlDocument[] {
  const lineCounter = new LineCounter()
  const documents = parseAllDocuments(text, { lineCounter, prettyErrors: false, uniqueKeys: true })
  if (!Array.isArray(documents)) return []
  const position = (offset: number): string => {
    const { line, col } = lineCounter.linePos(offset)
    return `${line}:${col}`
  }
  const mistakes = documents.flatMap(mistakesOf)
  if (mistakes.length > 0) {
    throw new Fault('invalid', `cannot read ${file}: it is not YAML`, {
      reasons: mistakes.map(({ at, message }) => `${file}:${position(at)}: ${message}`)
    })
  }
  return documents
    .filter(document => document.contents !== null)
    .map(document => ({
      value: readValue(() => document.toJS({ maxAliasCount: aliasesMax }), file),
      positionOf: path => position(offsetOf(document, path))
    }))
}

/** A mistake, and where it stands. Unit: characters from the start. */
type Mistake = { readonly at: number; readonly message: string }

function mistakesOf(document: Document.Parsed): readonly Mistake[] {
  const mistakes = document.errors.map(({ pos, message }) => ({ at: pos[0], message }))
  if (mistakes.length > 0) return mistakes
  visit(document, {
    Alias: (_, alias) => {
      if (alias.resolve(document) !== undefined) return
      const message = `nothing before it is named &${alias.source}`
      mistakes.push({ at: alias.range?.[0] ?? 0, message })
    }
  })
  return mistakes
}

/** Goes as far along the path as there is something, and says where that begins. */
function offsetOf(document: Document.Parsed, path: readonly string[]): number {
  let node: unknown = document.contents
  let offset = document.contents?.range[0] ?? document.range[0]
  for (const step of path) {
    const here = isAlias(node) ? node.resolve(document) : node
    const pair = isMap(here) ? here.items.find(one => nameOfKey(one.key) === step) : undefined
    const found = isSeq(here) ? here.items[Number(step)] : pair?.key
    if (!isNode(found) || !found.range) return offset
    offset = found.range[0]
    node = pair === undefined ? found : pair.value
  }
  return offset
}

const nameOfKey = (key: unknown): string => String(isScalar(key) ? key.value : key)

function readValue(read: () => unknown, file: string): unknown {
  try {
    return read()
  } catch (error) {
    throw new Fault('invalid', `cannot read ${file}`, { cause: error })
  }
}
