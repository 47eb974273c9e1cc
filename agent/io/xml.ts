/**
 * XML into a small tree: what libvirt and its like say, not documents for people. Strict: what is
 * not well-formed, uses an unbound prefix or an entity that XML itself does not define, is refused.
 */
import { SaxesParser } from 'saxes'
import { Fault, sentence } from '#shared/fault.ts'

/** An element: its local name, its namespace ('' for none), and what is directly in it. */
export type XmlElement = {
  readonly name: string
  readonly namespace: string
  readonly attributes: Readonly<Record<string, string>>
  readonly children: readonly XmlElement[]
  /** All text directly in the element, unescaped. */
  readonly text: string
}

type Growing = { -readonly [Key in keyof XmlElement]: XmlElement[Key] } & { children: Growing[] }

/** Elements may be nested so deep. */
const depthMax = 256

/** Reads a whole document; `what` names it in the Fault `invalid` for one that is no XML. */
export function parseXml(text: string, what: string): XmlElement {
  const parser = new SaxesParser({ xmlns: true })
  const open: Growing[] = []
  let root: Growing | undefined
  parser.on('opentag', tag => {
    const attributes: Record<string, string> = Object.create(null)
    for (const [name, { value }] of Object.entries(tag.attributes)) attributes[name] = value
    const element = { name: tag.local, namespace: tag.uri, attributes, children: [], text: '' }
    if (open.length >= depthMax) throw new Error(`elements are nested more than ${depthMax} deep`)
    open.at(-1)?.children.push(element)
    open.push(element)
    root ??= element
  })
  const addText = (more: string): void => {
    const element = open.at(-1)
    if (element) element.text += more
  }
  parser.on('text', addText)
  parser.on('cdata', addText)
  parser.on('closetag', () => open.pop())
  parser.on('error', error => {
    throw error
  })
  try {
    parser.write(text).close()
  } catch (thrown) {
    const message = `cannot read ${what} as XML: ${sentence(thrown)}`
    throw new Fault('invalid', message, { cause: thrown })
  }
  if (root === undefined) throw new Fault('invalid', `cannot read ${what} as XML: it is empty`)
  return root
}

/** Follows names from an element down, taking the first that fits each time. */
export function childOf(element: XmlElement, ...names: readonly string[]): XmlElement | undefined {
  let found: XmlElement | undefined = element
  for (const name of names) found = found?.children.find(child => child.name === name)
  return found
}
