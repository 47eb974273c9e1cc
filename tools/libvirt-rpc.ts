/**
 * Writes `agent/io/libvirt/procedures.ts` from the facts in `libvirt-rpc.json`: procedure numbers
 * and structures with the order of their fields, as libvirt 9.0 speaks them. To use one more
 * procedure, add it and its structures to the facts and run `node tools/libvirt-rpc.ts`.
 */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import facts from './libvirt-rpc.json' with { type: 'json' }

type Field = readonly [name: string, type: string]
type Struct = { readonly name: string; readonly fields: readonly Field[] }
type Procedure = {
  readonly number: number
  readonly args: string | null
  readonly ret: string | null
}

/** Where the generated table belongs, from the root of the project. */
export const proceduresPath = 'agent/io/libvirt/procedures.ts'

const columns = 100

const primitives: Readonly<Record<string, string>> = {
  int: 'int',
  uint: 'uint',
  hyper: 'hyper',
  uhyper: 'uhyper',
  string: 'string',
  'opaque<>': 'opaque',
  TypedParamValue: 'typedValue'
}

/** Gives the text of the table, formatted as the rest of the code is. */
export function generateProcedures(): string {
  const procedures = Object.entries(facts.procedures) as [string, Procedure][]
  const events = procedures.filter(([, { args }]) => args?.endsWith('Msg'))
  const calls = procedures.filter(([, { args }]) => !args?.endsWith('Msg'))
  const structs = sortByUse(
    Object.entries(facts.structs).map(([name, { fields }]) => ({
      name,
      fields: fields as unknown as readonly Field[]
    }))
  )
  const text = structs.map(writeStruct).join('\n')
  return [
    '/**',
    " * The part of libvirt's remote protocol that we speak, under the protocol's own names.",
    ' * Written by tools/libvirt-rpc.ts from tools/libvirt-rpc.json: change those.',
    ' */',
    writeImports(text),
    '',
    "/** libvirt's main program, which all these procedures belong to. */",
    `export const remoteProgram = { number: 0x${facts.programs.remote.number.toString(16)}, ` +
      `version: ${facts.programs.remote.version} } as const`,
    '',
    text,
    '',
    '/** A domain as the protocol names it: by name, UUID and, while it runs, a number. */',
    'export type RemoteDomain = ValueOf<typeof domain>',
    '',
    '/** One call: its number and what goes there and back. */',
    'export type Procedure<Args, Ret> = {',
    '  readonly number: number',
    '  readonly args: Codec<Args>',
    '  readonly ret: Codec<Ret>',
    '}',
    '',
    '/** All calls that we may make. */',
    'export const procedures = {',
    lastWithoutComma(calls.map(writeCall)),
    '} as const',
    '',
    '/** All messages that libvirtd may send unasked, by number. */',
    'export const events = {',
    lastWithoutComma(events.map(writeEvent)),
    '} as const',
    ''
  ].join('\n')
}

function sortByUse(structs: readonly Struct[]): readonly Struct[] {
  const byName = new Map(structs.map(struct => [struct.name, struct]))
  const sorted = new Set<Struct>()
  const visit = (struct: Struct): void => {
    for (const [, type] of struct.fields) {
      const used = byName.get(elementOf(type))
      if (used) visit(used)
    }
    sorted.add(struct)
  }
  for (const struct of structs) visit(struct)
  return [...sorted]
}

const elementOf = (type: string): string => /(\w+)>?$/.exec(type)?.[1] ?? type

function writeImports(text: string): string {
  const codecs = new Set(['nothing'])
  for (const [, word] of text.matchAll(/\b([a-zA-Z]+)\b/g)) {
    if (codecNames.includes(word!)) codecs.add(word!)
  }
  const names = ['type Codec', 'type ValueOf', ...codecs]
  const sorted = names.toSorted((a, b) => compare(a.replace('type ', ''), b.replace('type ', '')))
  return ['import {', sorted.map(name => `  ${name}`).join(',\n'), "} from './xdr.ts'"].join('\n')
}

const compare = (a: string, b: string): number => a.localeCompare(b, 'en')

const codecNames = [
  ...Object.values(primitives),
  ...['array', 'fixedArray', 'fixedOpaque', 'optional', 'struct']
]

function writeStruct({ name, fields }: Struct): string {
  const visible = name === 'remote_error'
  const doc = visible ? "/** libvirt's account of why it refused a call. */\n" : ''
  const head = `${visible ? 'export ' : ''}const ${camel(name)} = struct(`
  return (
    doc +
    wrap(
      head,
      fields.map(([field, type]) => `${camel(field)}: ${codecOf(type)}`),
      ')'
    )
  )
}

/** One line when it fits, else one member a line. */
function wrap(head: string, members: readonly string[], tail: string): string {
  const line = `${head}{ ${members.join(', ')} }${tail}`
  if (line.length <= columns) return line
  const indent = /^ */.exec(head)![0]
  const lines = members.map(member => `${indent}  ${member}`).join(',\n')
  return `${head}{\n${lines}\n${indent}}${tail}`
}

function codecOf(type: string): string {
  const primitive = primitives[type]
  if (primitive !== undefined) return primitive
  const [, form = '', length = '', element = ''] =
    /^(optional |array|fixed|opaque)?(?:\[(\d+)\])?<?(\w*)>?$/.exec(type) ?? []
  if (form === 'optional ') return `optional(${codecOf(element)})`
  if (form === 'array') return `array(${codecOf(element)})`
  if (form === 'fixed') return `fixedArray(${length}, ${codecOf(element)})`
  if (form === 'opaque') return `fixedOpaque(${length})`
  assert(element in facts.structs, `the facts do not say what ${type} is`)
  return camel(element)
}

const writeCall = ([name, { number, args, ret }]: [string, Procedure]): string =>
  wrap(
    `  ${camel(name)}: `,
    [
      `number: ${number}`,
      `args: ${args === null ? 'nothing' : camel(args)}`,
      `ret: ${ret === null ? 'nothing' : camel(ret)}`
    ],
    ','
  )

const writeEvent = ([name, { number, args }]: [string, Procedure]): string =>
  wrap(`  ${number}: `, [`name: '${camel(name)}'`, `body: ${camel(args!)}`], ',')

const lastWithoutComma = (lines: readonly string[]): string => lines.join('\n').slice(0, -1)

/** NrVirtCPU, nr_virt_cpu and NR_VIRT_CPU all become nrVirtCpu. */
function camel(name: string): string {
  const words = name.match(/[A-Z]+(?![a-z])[0-9]*|[A-Z]?[a-z]+[0-9]*|[0-9]+/g) ?? []
  const capital = (word: string): string => word[0]!.toUpperCase() + word.slice(1).toLowerCase()
  return words.map((word, at) => (at === 0 ? word.toLowerCase() : capital(word))).join('')
}

if (import.meta.main) {
  writeFileSync(new URL(`../${proceduresPath}`, import.meta.url), generateProcedures())
}
