/**
 * Writes docs/cli.md from the table of commands: `node tools/docs/cli.ts` after each change of it.
 * A test fails while the two differ.
 */
import fs from 'node:fs'
import path from 'node:path'
import { type Command, type Noun, nameOf, type Option } from '../cli/command.ts'
import { exitCodes } from '../cli/failure.ts'
import { optionDoc, optionNames, usageOf } from '../cli/help.ts'
import { globalOptions } from '../cli/options.ts'
import { sections } from '../cli/table.ts'

/** Where the text is kept. */
export const cliDocFile = path.join(import.meta.dirname, '..', '..', 'docs', 'cli.md')

/** The whole reference of the command line, in Markdown. */
export function cliDoc(): string {
  const lines = [
    '# The command line',
    '',
    'Made from the table of commands by `node tools/docs/cli.ts`; do not edit it by hand.',
    '',
    'A command is `remuda NOUN VERB [NAME] [--option …]`. Results go to standard output and',
    'everything else to standard error. Nothing asks where there is no terminal. Names, ids and',
    '`KIND/NAME` are taken wherever they make sense; `-` stands for standard input.',
    '',
    ...sections.flatMap(section => [
      `## ${section.title}`,
      '',
      ...section.nouns.flatMap(nounLines),
      ...section.commands.flatMap(command => commandLines(command, '###'))
    ]),
    '## Options of every command',
    '',
    ...optionTable(globalOptions),
    '## Exit codes',
    '',
    '| code | meaning |',
    '|---|---|',
    ...exitCodes.map(({ code, doc }) => `| ${code} | ${cell(doc)} |`),
    '',
    '## Failures',
    '',
    'A failure says what could not be done, why, and what to do next:',
    '',
    '```',
    'error: cannot create instance web: no host has room',
    '  why   h1: needs 512 MiB, has 100 MiB',
    '  next  remuda host list',
    '```'
  ]
  return `${lines.join('\n')}\n`
}

const nounLines = (noun: Noun): readonly string[] => [
  `### ${noun.noun}`,
  '',
  noun.doc,
  ...(noun.aliases ? ['', `Also: ${noun.aliases.map(code).join(', ')}.`] : []),
  '',
  ...noun.commands.flatMap(command => commandLines(command, '####'))
]

function commandLines(command: Command, heading: string): readonly string[] {
  const positionals = command.positionals ?? []
  const options = command.options ?? []
  return [
    `${heading} ${nameOf(command)}`,
    '',
    command.doc,
    '',
    '```',
    usageOf(command),
    '```',
    '',
    ...(command.aliases ? [`Also: ${command.aliases.map(code).join(', ')}.`, ''] : []),
    ...(command.details ?? []).flatMap(detail => [detail, '']),
    ...(positionals.length === 0
      ? []
      : [...positionals.map(one => `- ${code(one.name)}: ${one.doc}`), '']),
    ...(options.length === 0 ? [] : optionTable(options)),
    '```sh',
    ...command.examples.flatMap(({ line, doc }) => [`# ${doc}`, line]),
    '```',
    ''
  ]
}

const optionTable = (options: readonly Option[]): readonly string[] => [
  '| option | meaning |',
  '|---|---|',
  ...options.map(option => `| ${code(cell(optionNames(option)))} | ${cell(optionDoc(option))} |`),
  ''
]

const code = (text: string): string => `\`${text}\``
const cell = (text: string): string => text.replaceAll('|', '\\|')

if (import.meta.main) fs.writeFileSync(cliDocFile, cliDoc())
