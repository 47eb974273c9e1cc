import fs from 'node:fs'
import path from 'node:path'
import test from 'ava'
import { kinds } from '#shared/model/index.ts'
import { readArguments } from '../../../tools/cli/arguments.ts'
import { type Command, nameOf } from '../../../tools/cli/command.ts'
import { helpOnAll, helpOnCommand, helpOnNoun } from '../../../tools/cli/help.ts'
import { kindWords } from '../../../tools/cli/kinds.ts'
import { globalOptions } from '../../../tools/cli/options.ts'
import { allCommands, table } from '../../../tools/cli/table.ts'
import { cliDoc, cliDocFile } from '../../../tools/docs/cli.ts'
import { isGolden } from './golden-file.ts'
import { typeLine } from './type-line.ts'

const root = path.join(import.meta.dirname, '..', '..', '..')

/** Splits an example as a shell would, up to the first pipe or redirection. */
function wordsOf(line: string): readonly string[] {
  const words = [...line.matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g)].map(
    ([, double, single, bare]) => double ?? single ?? bare ?? ''
  )
  const start = words.indexOf('remuda')
  const end = words.findIndex((word, index) => index > start && /^[|>]$/.test(word))
  return words.slice(start + 1, end < 0 ? undefined : end)
}

/** The commands that an example line runs, with the words that they are given. */
const runsOf = (line: string): readonly (readonly string[])[] =>
  line
    .split(' | ')
    .filter(part => /(^|\()remuda /.test(part))
    .map(part => wordsOf(part.replace(/^source <\((.*)\)$/, '$1')))

for (const command of allCommands) {
  const name = nameOf(command)

  test(`${name} says what it does, with an example that can be typed`, t => {
    t.regex(command.doc, /^[A-Z].*\.$/)
    t.true(command.examples.length > 0)
    for (const { line, doc } of command.examples) {
      t.not(doc, '')
      for (const words of runsOf(line)) {
        const request = readArguments(words, table)
        t.is(request.asks, 'run', `${line}: it asks for help`)
      }
    }
    const own = command.examples.flatMap(({ line }) => runsOf(line)).map(words => words.join(' '))
    t.true(
      own.some(words => words.startsWith(name)),
      'no example is of the command itself'
    )
  })

  test(`${name} explains every option and every argument`, t => {
    const options = [...(command.options ?? []), ...globalOptions]
    for (const option of options) {
      t.regex(option.name, /^[a-z0-9-]+$/)
      t.regex(option.doc, /^\S.*\.$/, option.name)
      t.is(option.type === 'flag', option.value === undefined, `--${option.name} and its value`)
      if (option.type === 'size') t.regex(option.doc, /Unit: MiB unless given\./, option.name)
      if (option.type === 'duration') t.regex(option.doc, /Unit: s unless given\./, option.name)
      if (option.type === 'count') t.regex(option.doc, /Unit: \w+\./, option.name)
    }
    const names = options.flatMap(option => [option.name, option.short ?? option.name])
    t.is(new Set(names).size, new Set(options.map(option => option.name)).size + shorts(command))
    for (const [index, positional] of (command.positionals ?? []).entries()) {
      t.regex(positional.doc, /\.$/)
      const isLast = index === command.positionals!.length - 1
      t.true(isLast || (!positional.many && !positional.optional), 'only the last may be left out')
    }
  })

  test(`${name} --help shows all of that`, async t => {
    const { code, output } = await typeLine(`${name} --help`)
    t.is(code, 0)
    t.is(output, helpOnCommand(command))
    for (const option of command.options ?? []) t.true(output.includes(`--${option.name}`))
    t.true(output.split('\n').every(line => line.length <= 100 || line.startsWith('  remuda')))
  })

  test(`${name} can be loaded`, async t => {
    t.is(typeof (await command.run()), 'function')
  })
}

const shorts = (command: Command): number =>
  [...(command.options ?? []), ...globalOptions].filter(option => option.short).length

test('no two commands or nouns answer to one word', t => {
  const words = [
    ...table.nouns.flatMap(noun => [noun.noun, ...(noun.aliases ?? [])]),
    ...table.alone.flatMap(command => [command.verb, ...(command.aliases ?? [])])
  ]
  t.is(new Set(words).size, words.length)
  for (const noun of table.nouns) {
    const verbs = noun.commands.flatMap(command => [command.verb, ...(command.aliases ?? [])])
    t.is(new Set(verbs).size, verbs.length, noun.noun)
    t.true(noun.commands.every(command => command.noun === noun.noun))
  }
})

test('help on everything, on a noun and on a command is as it was reviewed', t => {
  isGolden(t, 'help.golden.txt', helpOnAll())
  isGolden(t, 'help-instance.golden.txt', helpOnNoun(table.nouns.find(n => n.noun === 'instance')!))
  const create = allCommands.find(command => nameOf(command) === 'instance create')!
  isGolden(t, 'help-instance-create.golden.txt', helpOnCommand(create))
})

test('remuda alone, --help and help say the same', async t => {
  for (const line of ['', '--help', 'help', '-h']) {
    const { code, output, errors } = await typeLine(line)
    t.deepEqual({ code, output, errors }, { code: 0, output: helpOnAll(), errors: '' }, line)
  }
  t.is((await typeLine('help vm create')).output, (await typeLine('vm create --help')).output)
  t.is((await typeLine('instance')).output, (await typeLine('instance --help')).output)
})

/** What the other parts tell people to type, such as in the `next` of a fault. */
const advice = fs
  .globSync('{shared,controller,agent,bootd,tools/up}/**/*.ts', { cwd: root })
  .flatMap(file => {
    const text = fs.readFileSync(path.join(root, file), 'utf8')
    const lines = text.matchAll(/['"`](?:[^'"`\n]*: )?remuda ([a-z][a-z-]*)(?: ([a-z-]+))?/g)
    return [...lines].map(([, first = '', second]) => ({ file, first, second }))
  })

test('what the other parts of the house advise can be typed', t => {
  t.true(advice.length > 10)
  for (const { file, first, second } of advice) {
    if (table.alone.some(command => command.verb === first)) continue
    const noun = table.nouns.find(one => one.noun === first)
    const verbs = noun?.commands.map(command => command.verb) ?? []
    const isVerb = verbs.some(verb => verb === second || verb.startsWith(`${second} `))
    t.true(isVerb, `${file}: remuda ${first} ${second ?? ''}`)
  }
})

test('docs/cli.md is what the table says', t => {
  t.is(fs.readFileSync(cliDocFile, 'utf8'), cliDoc(), 'run node tools/docs/cli.ts')
})

test('the command line knows the kinds of the model, and nothing else of them', t => {
  const known = kindWords.map(({ kind, plural, scope, creatable }) => ({
    kind,
    plural,
    scope,
    creatable
  }))
  const model = Object.values(kinds).map(({ kind, plural, scope, creatable }) => ({
    kind,
    plural,
    scope,
    creatable
  }))
  const byKind = (one: { kind: string }, other: { kind: string }) =>
    one.kind < other.kind ? -1 : 1
  t.deepEqual(known.toSorted(byKind), model.toSorted(byKind))
})
