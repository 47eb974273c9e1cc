/** The only user of the package `yaml`. */
import { isNode, LineCounter, parseAllDocuments, stringify } from 'yaml'
import { Fault } from '#shared/fault.ts'

/** One document of a YAML file, and where its parts stand in it. */
export type YamlDocument = {
  readonly value: unknown
  /** Line and column of a field, or of the nearest one around it that is there: `3:5`. */
  readonly positionOf: (path: readonly (string | number)[]) => string
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
  const mistakes = documents.flatMap(document => document.errors)
  if (mistakes.length > 0) {
    throw new Fault('invalid', `cannot read ${file}: it is not YAML`, {
      reasons: mistakes.map(mistake => `${file}:${position(mistake.pos[0])}: ${mistake.message}`)
    })
  }
  return documents
    .filter(document => document.contents !== null)
    .map(document => ({
      value: readValue(() => document.toJS({ maxAliasCount: aliasesMax }), file),
      positionOf: path => {
        for (let length = path.length; length >= 0; length--) {
          const node =
            length === 0 ? document.contents : document.getIn(path.slice(0, length), true)
          if (isNode(node) && node.range) return position(node.range[0])
        }
        return position(document.range[0])
      }
    }))
}

function readValue(read: () => unknown, file: string): unknown {
  try {
    return read()
  } catch (error) {
    throw new Fault('invalid', `cannot read ${file}`, { cause: error })
  }
}
