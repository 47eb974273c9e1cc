import { Fault } from '#shared/fault.ts'

/** An element with its attributes and what is in it. */
export type XmlElement = {
  readonly name: string
  readonly attributes: Readonly<Record<string, string | number>>
  readonly children: readonly (XmlElement | string)[]
}

/** Makes an element; children that are undefined are left out. */
export const element = (
  name: string,
  attributes: XmlElement['attributes'] = {},
  ...children: readonly (XmlElement | string | undefined)[]
): XmlElement => ({ name, attributes, children: children.filter(child => child !== undefined) })

/** Writes an element, two spaces deeper for each level; text stays on the line of its element. */
export function writeXml(root: XmlElement, indent = ''): string {
  const attributes = Object.entries(root.attributes)
    .map(([name, value]) => ` ${name}='${escapeXml(String(value), inAttribute)}'`)
    .join('')
  if (root.children.length === 0) return `${indent}<${root.name}${attributes}/>\n`
  const open = `${indent}<${root.name}${attributes}>`
  const close = `</${root.name}>\n`
  if (root.children.every(child => typeof child === 'string')) {
    return `${open}${root.children.map(text => escapeXml(text, inText)).join('')}${close}`
  }
  const children = root.children.map(child =>
    typeof child === 'string'
      ? `${indent}  ${escapeXml(child, inText)}\n`
      : writeXml(child, `${indent}  `)
  )
  return `${open}\n${children.join('')}${indent}${close}`
}

// A reader would turn the three kinds of white space in an attribute into spaces.
const inAttribute = /[&<>'"\t\n\r]/g
const inText = /[&<>]/g

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  "'": '&apos;',
  '"': '&quot;',
  '\t': '&#9;',
  '\n': '&#10;',
  '\r': '&#13;'
}

function escapeXml(text: string, special: RegExp): string {
  if (!text.isWellFormed() || [...text].some(isForbidden)) {
    throw new Fault('invalid', `cannot write ${JSON.stringify(text)} into XML`, {
      reasons: ['it has a character that XML 1.0 forbids']
    })
  }
  return text.replace(special, character => entities[character]!)
}

function isForbidden(character: string): boolean {
  const code = character.codePointAt(0)!
  return code < 0x20 ? !'\t\n\r'.includes(character) : code === 0xfffe || code === 0xffff
}
