/** Help texts, all made from the table. */
import type { Command, Noun, Option, Positional } from './command.ts'
import { nameOf, unitOf } from './command.ts'
import { exitCodes } from './failure.ts'
import { rangeOf } from './field.ts'
import { globalOptions } from './options.ts'
import { type Section, sections } from './table.ts'
import { type Paint, plain } from './terminal.ts'

/** Help is broken at this column, whatever the terminal, so that it can be compared and quoted. */
const columns = 88

/** What `remuda --help` says. */
export function helpOnAll(paint: Paint = plain): string {
  const lines = [
    'Remuda turns racks of bare-metal Linux hosts into one self-healing private cloud.',
    '',
    `${paint('bold', 'Usage:')} remuda NOUN VERB [NAME] [--option …]`,
    '       remuda NOUN --help, remuda NOUN VERB --help',
    ...sections.flatMap(section => ['', ...sectionLines(section, paint)]),
    '',
    ...optionLines('Options of every command', globalOptions, paint),
    '',
    paint('bold', 'Exit codes'),
    ...entries(exitCodes.map(({ code, doc }) => [String(code), doc])),
    '',
    'First steps: remuda doctor, remuda status, remuda instance create --help'
  ]
  return `${lines.join('\n')}\n`
}

function sectionLines(section: Section, paint: Paint): readonly string[] {
  const commands = section.commands.filter(command => !command.hidden)
  return [
    paint('bold', section.title),
    ...entries([
      ...section.nouns.map(noun => [withShortest(noun), noun.doc] as const),
      ...commands.map(command => [command.verb, command.doc] as const)
    ])
  ]
}

/** The noun with its shortest alias, where that saves typing. */
function withShortest(noun: Noun): string {
  const shortest = (noun.aliases ?? []).find(alias => alias.length <= 3)
  return shortest === undefined ? noun.noun : `${noun.noun} (${shortest})`
}

/** What `remuda instance --help` says. */
export function helpOnNoun(noun: Noun, paint: Paint = plain): string {
  const lines = [
    `${paint('bold', noun.noun)}: ${noun.doc}`,
    '',
    `${paint('bold', 'Usage:')} remuda ${noun.noun} VERB …`,
    ...(noun.aliases ? [`       also: ${noun.aliases.join(', ')}`] : []),
    '',
    paint('bold', 'Verbs'),
    ...entries(noun.commands.map(command => [verbWithAliases(command), command.doc])),
    '',
    paint('bold', 'Examples'),
    ...noun.commands.slice(0, 3).map(command => `  ${command.examples[0]!.line}`),
    '',
    `remuda ${noun.noun} VERB --help explains one of them.`
  ]
  return `${lines.join('\n')}\n`
}

const verbWithAliases = (command: Command): string =>
  [command.verb, ...(command.aliases ?? []).filter(alias => alias.length <= 3)].join(', ')

/** What `remuda instance create --help` says. */
export function helpOnCommand(command: Command, paint: Paint = plain): string {
  const options = command.options ?? []
  const positionals = command.positionals ?? []
  const lines = [
    ...wrap(command.doc, columns),
    '',
    `${paint('bold', 'Usage:')} ${usageOf(command)}`,
    ...(command.aliases ? [`       also: ${command.aliases.join(', ')}`] : []),
    ...(command.details ?? []).flatMap(detail => ['', ...wrap(detail, columns)]),
    ...(positionals.length === 0
      ? []
      : ['', ...entries(positionals.map(one => [one.name, one.doc]))]),
    ...(options.length === 0 ? [] : ['', ...optionLines('Options', options, paint)]),
    '',
    paint('bold', 'Examples'),
    ...command.examples.flatMap(({ line, doc }) => [`  ${line}`, paint('dim', `      ${doc}`)]),
    '',
    'remuda --help lists the options of every command.'
  ]
  return `${lines.join('\n')}\n`
}

/** How a command is typed. */
export function usageOf(command: Command): string {
  const required = (command.options ?? []).filter(option => option.required)
  const hasMore = (command.options ?? []).length > required.length
  return [
    'remuda',
    nameOf(command),
    ...(command.positionals ?? []).map(writePositional),
    ...required.map(option => `--${option.name} ${option.value}`),
    ...(hasMore ? ['[--option …]'] : [])
  ].join(' ')
}

function writePositional(positional: Positional): string {
  const name = positional.many ? `${positional.name}…` : positional.name
  return positional.optional ? `[${name}]` : name
}

/** Names of an option as it is typed, such as `-o, --output FORMAT`. */
export function optionNames(option: Option): string {
  const long = `--${option.name}${option.value === undefined ? '' : ` ${option.value}`}`
  return option.short === undefined ? long : `-${option.short}, ${long}`
}

/** Everything that there is to say of an option, in one paragraph. */
export const optionDoc = (option: Option): string =>
  [
    option.doc,
    ...(option.words ? [`One of ${option.words.join(', ')}.`] : []),
    ...rangeSentence(option),
    ...(option.repeatable ? ['May be repeated.'] : []),
    ...(option.default === undefined ? [] : [`Default: ${option.default}.`]),
    ...(option.required ? ['Required.'] : [])
  ].join(' ')

function rangeSentence(option: Option): readonly string[] {
  const range = rangeOf(option, unitOf(option))
  return range === undefined ? [] : [`${range.charAt(0).toUpperCase()}${range.slice(1)}.`]
}

const optionLines = (
  title: string,
  options: readonly Option[],
  paint: Paint
): readonly string[] => [
  paint('bold', title),
  ...entries(options.map(option => [optionNames(option), optionDoc(option)]))
]

/** A long entry has its text below it. Unit: columns. */
const entryColumnsMax = 24

function entries(pairs: readonly (readonly [string, string])[]): readonly string[] {
  const lengths = pairs.map(([name]) => name.length).filter(length => length <= entryColumnsMax)
  const width = Math.max(6, ...lengths) + 2
  return pairs.flatMap(([name, doc]) => {
    const [first = '', ...rest] = wrap(doc, columns - width - 2)
    const indent = ' '.repeat(width + 2)
    const below = rest.map(line => `${indent}${line}`)
    return name.length + 2 > width
      ? [`  ${name}`, `${indent}${first}`, ...below]
      : [`  ${name.padEnd(width)}${first}`, ...below]
  })
}

/** Breaks a text between words into lines of at most so many columns. */
export function wrap(text: string, width: number): readonly string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line)
      line = word
    } else {
      line = line === '' ? word : `${line} ${word}`
    }
  }
  return [...lines, line]
}
