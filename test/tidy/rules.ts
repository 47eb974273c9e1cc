/**
 * The house rules that a program can check, each a function from files to sentences: where, and
 * what is wrong. An empty list is a tidy house.
 */
import path from 'node:path'
import { blank, type Import, importsOf, lineOf } from './code.ts'

/** A source file with what the rules ask of it. */
export type SourceFile = {
  /** From the root of the project. */
  readonly path: string
  readonly text: string
  /** The text without comments, strings and patterns. */
  readonly code: string
  readonly imports: readonly Import[]
}

/** Reads a text as a source file. */
export function sourceFile(path: string, text: string): SourceFile {
  const code = blank(text)
  return { path, text, code, imports: importsOf(text, code) }
}

/** Finds what breaks it, a sentence each; finding nothing, it gives nothing. */
export type Rule = (files: readonly SourceFile[]) => readonly string[]

const parts = ['controller', 'agent', 'bootd']
const partOf = (file: string): string => file.split('/')[0]!

/** Where an import leads, from the root of the project; undefined: to a package or to Node. */
function placeOf(file: SourceFile, name: string): string | undefined {
  if (name.startsWith('#shared/')) return name.slice(1)
  return name.startsWith('.') ? path.join(path.dirname(file.path), name) : undefined
}

/** `shared ← controller, agent, bootd`; those three never import each other. */
export const layers: Rule = files =>
  files.flatMap(file => {
    const part = partOf(file.path)
    if (part !== 'shared' && !parts.includes(part)) return []
    const allowed = part === 'shared' ? ['shared'] : ['shared', part]
    return file.imports.flatMap(({ name, line }) => {
      const place = placeOf(file, name)
      if (place === undefined || allowed.includes(partOf(place))) return []
      return [`${file.path}:${line} ${part} may not import ${place}`]
    })
  })

const isCore = (file: SourceFile): boolean => /^[^/]+\/core\//.test(file.path)

/** `core/` imports only itself, `#shared/…` and `node:assert`; types may come from Node. */
export const coreImports: Rule = files =>
  files.filter(isCore).flatMap(file =>
    file.imports.flatMap(({ name, line, typeOnly }) => {
      const place = placeOf(file, name)
      const inside = place?.startsWith(`${partOf(file.path)}/core/`) || place?.startsWith('shared/')
      const asserts = name === 'node:assert' || name === 'node:assert/strict'
      if (inside || asserts || (typeOnly && name.startsWith('node:'))) return []
      return [`${file.path}:${line} core may not import ${place ?? name}`]
    })
  )

const impure: readonly (readonly [RegExp, string])[] = [
  [/\bDate\.now\b|\bnew Date\(\s*\)|\bperformance\b/g, 'a clock: take `now` as an argument'],
  [/\bMath\.random\b|\bcrypto\s*\.|\brandomUUID\w*\b/g, 'chance: take a generator as an argument'],
  [/\bconsole\s*\./g, 'logging: return a decision or a reason'],
  [/\bprocess\s*\./g, 'the process: take what it says as an argument'],
  [
    /\b(setTimeout|setInterval|setImmediate|queueMicrotask)\b/g,
    'a timer: return when to look again'
  ],
  [/\b(await|async)\b/g, 'waiting: io does that'],
  [/\b(fetch\s*\(|globalThis\b)/g, 'the outside: take it as an argument']
]

/** `core/` has no clock, chance, logging, waiting or outside. */
export const purity: Rule = files =>
  files.filter(isCore).flatMap(file =>
    impure.flatMap(([pattern, what]) =>
      [...file.code.matchAll(pattern)]
        // A field or method of that name is none of these.
        .filter(match => !/[.#]$/.test(file.code.slice(0, match.index)))
        .filter(match => !/^\s*\??:/.test(file.code.slice(match.index + match[0].length)))
        .map(match => `${file.path}:${lineOf(file.code, match.index)} ${match[0]} is ${what}`)
    )
  )

const linesMax = 400
const columnsMax = 100

/** A file has at most 400 lines of at most 100 columns. */
export const page: Rule = files =>
  files.flatMap(file => {
    const lines = file.text.replace(/\n$/, '').split('\n')
    const wide = lines.flatMap((line, index) =>
      [...line].length > columnsMax
        ? [`${file.path}:${index + 1} has ${[...line].length} columns, ${columnsMax} are allowed`]
        : []
    )
    return lines.length > linesMax
      ? [`${file.path} has ${lines.length} lines, ${linesMax} are allowed: split it`, ...wide]
      : wide
  })

/** Files and folders are named in kebab-case. */
export const fileNames: Rule = files =>
  files
    .filter(
      file => !/^([a-z0-9]+(-[a-z0-9]+)*\/)*[a-z0-9]+(-[a-z0-9]+)*(\.[a-z]+)+$/.test(file.path)
    )
    .map(file => `${file.path} is not kebab-case`)

const empty = /^(infos?|data|managers?|utils?|helpers?|handlers?)$/i
const declared = /\b(?:const|let|function\*?|class|type|interface)\s+([A-Za-z_$][\w$]*)/g
const wordsOf = (name: string): readonly string[] =>
  name.split(/[^A-Za-z]+|(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])/)

/** Words of others, which would be harder to know again under a better name. */
const borrowed: readonly (readonly [RegExp, RegExp])[] = [
  // libvirt's own names of its procedures.
  [/^agent\/io\/libvirt\/procedures\.ts$/, /./],
  // cloud-init's.
  [/./, /user[-]?data|vendor[-]?data/i],
  // What the message that carries it is called on the wire.
  [/^shared\/wire\/messages\.ts$/, /^ChannelData$/]
]

/** Names say what a thing is; these words say nothing. */
export const words: Rule = files =>
  files.flatMap(file => {
    const names = [
      { at: file.path, name: file.path },
      ...[...file.code.matchAll(declared)].map(match => ({
        at: `${file.path}:${lineOf(file.code, match.index)} ${match[1]}`,
        name: match[1]!
      }))
    ]
    return names.flatMap(({ at, name }) => {
      const own = borrowed.some(([where, what]) => where.test(file.path) && what.test(name))
      const word = own ? undefined : wordsOf(name).find(each => empty.test(each))
      return word === undefined ? [] : [`${at}: "${word}" says nothing`]
    })
  })

const finds =
  (pattern: RegExp, what: string, where: 'text' | 'code'): Rule =>
  files =>
    files.flatMap(file =>
      [...file[where].matchAll(pattern)].map(
        match => `${file.path}:${lineOf(file[where], match.index)} ${match[0].trim()}: ${what}`
      )
    )

/** Types can be erased: nothing that would have to be compiled. */
export const erasable: Rule = finds(
  /^[ \t]*(export\s+)?(declare\s+)?(const\s+)?(enum\s+\w+|namespace\s+\w+|module\s+\w+)\s*\{/gm,
  'Node runs the files as they are; use a union or a module',
  'code'
)

// Put together here, so that this file does not find itself.
const marks = ['TO' + 'DO', 'FIX' + 'ME', 'XX' + 'X', 'HA' + 'CK']

/** Nothing is left for later in a comment. */
export const unfinished: Rule = finds(
  new RegExp(`\\b(${marks.join('|')})\\b`, 'g'),
  'finish it, or open an issue',
  'text'
)

/** Types are named or unknown, never switched off. */
export const typed: Rule = finds(
  /(?::|\bas|<|\||&|=>)\s*any\b(?!\s*[:(.])|<[^<>()\n]*\bany\s*[,>]|\bany\[\]/g,
  'say what it is, or unknown',
  'code'
)

/** Packages whose words are the language of a whole part of the house. */
const languages: Readonly<Record<string, RegExp>> = {
  // Schemas are types: the model, the messages, and whatever else crosses a border are written so.
  typebox: /^(shared\/(model|wire)|(controller|agent|bootd)\/io)\//,
  // A console has two ends: the API's and the command line's.
  ws: /^(controller\/io\/api\/console|tools\/cli\/websocket)\.ts$/
}

/** Each package is imported in one file of ours, which speaks our words. */
export const dependencies: Rule = files => {
  const users = new Map<string, Set<string>>()
  for (const file of files.filter(({ path }) => partOf(path) !== 'test')) {
    for (const { name } of file.imports) {
      if (/^[.#]|^node:/.test(name)) continue
      const parts = name.split('/')
      const dependency = name.startsWith('@') ? parts.slice(0, 2).join('/') : parts[0]!
      if (languages[dependency]?.test(file.path)) continue
      users.set(dependency, (users.get(dependency) ?? new Set()).add(file.path))
    }
  }
  return [...users].flatMap(([dependency, paths]) => {
    const most = dependency in languages ? 0 : 1
    if (paths.size <= most) return []
    return [`${dependency} is imported by ${[...paths].join(', ')}: at most ${most} may`]
  })
}

const exported =
  /^export\s+(?:abstract\s+)?(?:async\s+)?(?:const|function\*?|class|type|interface)\s+([\w$]+)/gm

/**
 * Each export has a sentence right above it; a type that shares the name of a documented value
 * needs none.
 */
export const documented: Rule = files =>
  files
    .filter(({ path }) => partOf(path) !== 'test')
    .flatMap(file => {
      const seen = new Set<string>()
      return [...file.code.matchAll(exported)].flatMap(match => {
        const name = match[1]!
        if (seen.has(name)) return []
        seen.add(name)
        const before = file.text.slice(0, match.index).replace(/(\/\/ biome-ignore .*\n)+$/, '')
        return before.endsWith('*/\n') ? [] : [`${file.path} ${name} has no sentence`]
      })
    })
