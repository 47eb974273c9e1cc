/**
 * Reads a command line against the table. Options may stand anywhere, so it is read twice: once
 * with the options that every command takes, to find the noun and the verb, and once more with
 * those of the command that they name.
 */
import { type ParseArgsOptionsConfig, parseArgs } from 'node:util'
import { Fault } from '#shared/fault.ts'
import { parseMib, parseMs } from '#shared/units.ts'
import { type Command, type Noun, nameOf, type Option, type Positional, unitOf } from './command.ts'
import { UsageFault } from './failure.ts'
import { rangeOf, writeExactly } from './field.ts'
import { globalOptions } from './options.ts'
import { closest } from './suggest.ts'

/** What was given for the options and positionals of a command, read and checked. */
export type Given = {
  readonly text: (option: string) => string | undefined
  /** Values of an option that may be repeated. */
  readonly texts: (option: string) => readonly string[]
  readonly flag: (option: string) => boolean
  /** MiB, ms or a count, by the type of the option. */
  readonly number: (option: string) => number | undefined
  readonly pairs: (option: string) => Readonly<Record<string, string>>
  readonly positional: (name: string) => string | undefined
  readonly positionals: (name: string) => readonly string[]
}

/** What a command line asks for. */
export type Request =
  | { readonly asks: 'run'; readonly command: Command; readonly given: Given }
  | { readonly asks: 'help'; readonly noun?: Noun; readonly command?: Command }

type Value = string | number | true
type Token = {
  readonly kind: 'option' | 'positional' | 'option-terminator'
  readonly index: number
  readonly name?: string
  readonly rawName?: string
  readonly value?: string | undefined
  readonly inlineValue?: boolean | undefined
}

/** Reads the words after `remuda`; throws UsageFault when they make no sense. */
export function readArguments(
  words: readonly string[],
  table: { readonly nouns: readonly Noun[]; readonly alone: readonly Command[] }
): Request {
  const tokens = tokensOf(words, globalOptions)
  const asksHelp = tokens.some(token => token.kind === 'option' && token.name === 'help')
  const positionals = tokens.filter(token => token.kind === 'positional')
  const [first, second, third] = positionals
  if (first?.value === 'help') {
    const rest = words.filter((_, index) => index !== first.index)
    return readArguments([...rest, '--help'], table)
  }
  const stray = tokens.find(({ kind, name }) => kind === 'option' && !isGlobal(name))
  if (first === undefined) {
    if (stray?.name === 'version') return readArguments(['version'], table)
    if (stray) throw noOption('remuda', stray)
    return { asks: 'help' }
  }
  const alone = find(table.alone, first.value!)
  const noun = alone ? undefined : findNoun(table, first.value!)
  if (noun && second === undefined) {
    if (stray) throw noOption(`remuda ${noun.noun}`, stray)
    return { asks: 'help', noun }
  }
  // A verb may be two words, such as `token create`.
  const pair = noun && third && find(noun.commands, `${second!.value} ${third.value}`)
  const begins = noun?.commands.some(({ verb }) => verb.startsWith(`${second!.value} `))
  if (noun && begins && !pair && asksHelp) return { asks: 'help', noun }
  const command = alone ?? pair ?? findVerb(noun!, second!.value!)
  if (asksHelp) return { asks: 'help', command }
  const typed = pair ? [first, second!, third] : alone ? [first] : [first, second!]
  const path = typed.map(({ index }) => index)
  const rest = words.filter((_, index) => !path.includes(index))
  return { asks: 'run', command, given: readGiven(command, rest) }
}

/** Reads the options that every command takes and passes over everything else. */
export function readGlobals(words: readonly string[]): Given {
  const values = new Map<string, Value[]>()
  for (const { kind, name, value } of tokensOf(words, globalOptions)) {
    if (kind === 'option' && isGlobal(name)) {
      values.set(name!, [...(values.get(name!) ?? []), value ?? true])
    }
  }
  return makeGiven(globalOptions, values, new Map())
}

const isGlobal = (name: string | undefined): boolean =>
  globalOptions.some(option => option.name === name)

/** There is no command yet whose option it could be. */
const noOption = (line: string, token: Token): UsageFault =>
  new UsageFault(`cannot run "${line}": it has no option ${printed(token.rawName ?? '')}`, {
    next: [`${line} --help`]
  })

function tokensOf(words: readonly string[], options: readonly Option[]): readonly Token[] {
  const config: ParseArgsOptionsConfig = {}
  for (const option of options) {
    config[option.name] = {
      type: option.type === 'flag' ? 'boolean' : 'string',
      multiple: true,
      ...(option.short === undefined ? {} : { short: option.short })
    }
  }
  return parseArgs({
    args: [...words],
    options: config,
    strict: false,
    allowPositionals: true,
    tokens: true
  }).tokens as readonly Token[]
}

const find = (commands: readonly Command[], word: string): Command | undefined =>
  commands.find(command => command.verb === word || command.aliases?.includes(word))

function findNoun(
  table: { readonly nouns: readonly Noun[]; readonly alone: readonly Command[] },
  word: string
): Noun {
  const found = table.nouns.find(noun => noun.noun === word || noun.aliases?.includes(word))
  if (found) return found
  const meant = closest(word, [
    ...table.nouns.flatMap(noun => [noun.noun, ...(noun.aliases ?? [])]),
    ...table.alone.filter(command => !command.hidden).map(command => command.verb)
  ])
  throw new UsageFault(`cannot find the command "${printed(word)}"`, {
    next: [
      ...(meant === undefined ? [] : [`did you mean "remuda ${meant}"?`]),
      'remuda --help shows all commands'
    ]
  })
}

function findVerb(noun: Noun, word: string): Command {
  const found = find(noun.commands, word)
  if (found) return found
  const meant = closest(
    word,
    noun.commands.flatMap(command => [command.verb, ...(command.aliases ?? [])])
  )
  throw new UsageFault(`cannot find the command "${noun.noun} ${printed(word)}"`, {
    reasons: [`${noun.noun} has ${noun.commands.map(command => command.verb).join(', ')}`],
    next: [
      ...(meant === undefined ? [] : [`did you mean "remuda ${noun.noun} ${meant}"?`]),
      `remuda ${noun.noun} --help`
    ]
  })
}

const printed = (word: string): string => word.slice(0, 64)

/** Reads the options and positionals of one command. */
function readGiven(command: Command, words: readonly string[]): Given {
  const options = [...(command.options ?? []), ...globalOptions]
  const values = new Map<string, Value[]>()
  const plain: string[] = []
  for (const token of tokensOf(words, options)) {
    if (token.kind === 'positional') plain.push(token.value!)
    if (token.kind !== 'option') continue
    const option = options.find(candidate => candidate.name === token.name)
    if (option === undefined) throw unknownOption(command, token.rawName!, options)
    const before = values.get(option.name) ?? []
    values.set(option.name, [...before, readValue(command, option, { token, options })])
  }
  for (const option of options) {
    if (option.required && !values.has(option.name)) {
      throw wrong(command, `--${option.name} is missing`)
    }
  }
  return makeGiven(options, values, readPositionals(command, plain))
}

const wrong = (command: Command, because: string, reasons: readonly string[] = []): UsageFault =>
  new UsageFault(`cannot run "remuda ${nameOf(command)}": ${because}`, {
    reasons,
    next: [`remuda ${nameOf(command)} --help`]
  })

function unknownOption(command: Command, rawName: string, options: readonly Option[]): UsageFault {
  const meant = closest(
    rawName.replace(/^-+/, ''),
    options.map(option => option.name)
  )
  return new UsageFault(
    `cannot run "remuda ${nameOf(command)}": it has no option ${printed(rawName)}`,
    {
      next: [
        ...(meant === undefined ? [] : [`did you mean --${meant}?`]),
        `remuda ${nameOf(command)} --help`
      ]
    }
  )
}

function readValue(
  command: Command,
  option: Option,
  given: { readonly token: Token; readonly options: readonly Option[] }
): Value {
  const { value, inlineValue, rawName } = given.token
  if (option.type === 'flag') {
    if (value !== undefined) throw wrong(command, `${rawName} takes no value`)
    return true
  }
  if (value === undefined || (!inlineValue && isOption(value, given.options))) {
    throw wrong(command, `${rawName} needs a value`, [option.doc])
  }
  if (option.words && !option.words.includes(value)) {
    const meant = closest(value, option.words)
    const guess = meant === undefined ? '' : `; did you mean ${meant}?`
    throw wrong(command, `${rawName} cannot be "${printed(value)}"`, [
      `it is one of ${option.words.join(', ')}${guess}`
    ])
  }
  const read = readOrComplain(option, value, rawName!)
  checkRange(command, option, { read, rawName: rawName! })
  return read
}

function readOrComplain(option: Option, value: string, rawName: string): Value {
  try {
    return readTyped(option, value)
  } catch (error) {
    if (!(error instanceof Fault)) throw error
    throw new UsageFault(`cannot read ${rawName}: ${error.message}`, {
      reasons: error.reasons,
      next: error.next
    })
  }
}

/** The API judges the same once more; this only spares the way to it. */
function checkRange(
  command: Command,
  option: Option,
  given: { readonly read: Value; readonly rawName: string }
): void {
  const { read, rawName } = given
  const { minimum = -Infinity, maximum = Infinity } = option
  if (typeof read !== 'number' || (read >= minimum && read <= maximum)) return
  const unit = unitOf(option)
  const range = rangeOf(option, unit)
  throw wrong(command, `${rawName} must be ${range}, not ${writeExactly(read, unit)}`)
}

/** Whether a word that stands where a value is due is the next option: the value was forgotten. */
const isOption = (word: string, options: readonly Option[]): boolean =>
  /^--./.test(word) || options.some(({ short }) => short !== undefined && word === `-${short}`)

function readTyped(option: Option, value: string): Value {
  switch (option.type) {
    case 'text':
    case 'flag':
      return value
    case 'size':
      return parseMib(value)
    case 'duration':
      return parseMs(value)
    case 'count':
      if (/^\d{1,15}$/.test(value)) return Number(value)
      throw new Fault('invalid', `"${printed(value)}" is not a whole number`)
    case 'pair':
      if (/^[^=]+=/.test(value)) return value
      throw new Fault('invalid', `"${printed(value)}" is not KEY=VALUE`, {
        next: ['write for example app=web']
      })
    default:
      return option.type satisfies never
  }
}

function readPositionals(
  command: Command,
  words: readonly string[]
): ReadonlyMap<string, readonly string[]> {
  const read = new Map<string, readonly string[]>()
  let next = 0
  for (const positional of command.positionals ?? []) {
    const taken = positional.many ? words.slice(next) : words.slice(next, next + 1)
    next += taken.length
    if (taken.length === 0 && !positional.optional) {
      throw wrong(command, `${positional.name} is missing`, [positional.doc])
    }
    for (const word of taken) checkWord(command, positional, word)
    read.set(positional.name, taken)
  }
  if (next < words.length) {
    throw wrong(command, `"${printed(words[next]!)}" is one word too many`)
  }
  return read
}

function checkWord(command: Command, positional: Positional, word: string): void {
  if (word === '') throw wrong(command, `${positional.name} is empty`)
  if (!positional.words || positional.words.includes(word)) return
  throw wrong(command, `${positional.name} cannot be "${printed(word)}"`, [
    `it is one of ${positional.words.join(', ')}`
  ])
}

function makeGiven(
  options: readonly Option[],
  values: ReadonlyMap<string, readonly Value[]>,
  positionals: ReadonlyMap<string, readonly string[]>
): Given {
  const of = (name: string): readonly Value[] => {
    if (!options.some(option => option.name === name)) throw new Error(`no option ${name} in table`)
    return values.get(name) ?? []
  }
  const texts = (name: string) => of(name).map(String)
  const last = (name: string) => of(name).at(-1)
  return {
    text: name => (last(name) === undefined ? undefined : String(last(name))),
    texts,
    flag: name => last(name) === true,
    number: name => last(name) as number | undefined,
    pairs: name =>
      Object.fromEntries(
        texts(name).map(pair => [
          pair.slice(0, pair.indexOf('=')),
          pair.slice(pair.indexOf('=') + 1)
        ])
      ),
    positional: name => positionals.get(name)?.[0],
    positionals: name => positionals.get(name) ?? []
  }
}
