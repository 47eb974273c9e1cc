/**
 * Answers the shells: what may the last word become? Commands and options come from the table,
 * names from the API, which gets a fraction of a second; whatever goes wrong, the answer is short
 * and the user types on.
 */
import type { Kind, ResourceDocument } from '#shared/model/index.ts'
import { readGlobals } from '../arguments.ts'
import type { Command, Noun, Option, Positional } from '../command.ts'
import { fieldsOf } from '../field.ts'
import { kindWords, readKind } from '../kinds.ts'
import { globalOptions } from '../options.ts'
import { readSettings } from '../settings.ts'
import { allCommands, table } from '../table.ts'
import type { Terminal } from '../terminal.ts'

/** Nobody waits longer for the Tab key. */
const namesMsMax = 800
/** More names than this do not help. */
const namesMax = 500

/** One possibility, and what it is. */
export type Candidate = { readonly word: string; readonly doc: string }
/** Finds the names of a kind that there are. */
export type NamesOf = (kind: Kind) => Promise<readonly string[]>

/** What the shell is to complete by itself. */
const filesMark = ':files'

/** Writes one candidate per line, with a tab and its description. */
export async function complete(words: readonly string[], terminal: Terminal): Promise<number> {
  const typed = words[0] === '--' ? words.slice(1) : words
  const candidates = await candidatesFor(typed, kind => namesFromApi(kind, typed, terminal))
  const last = typed.at(-1) ?? ''
  const fitting = candidates.filter(({ word }) => word.startsWith(last) || word === filesMark)
  terminal.output.write(fitting.map(({ word, doc }) => `${word}\t${doc}\n`).join(''))
  return 0
}

/** Finds everything that may stand where the last of the words is being typed. */
export async function candidatesFor(
  typed: readonly string[],
  namesOf: NamesOf
): Promise<readonly Candidate[]> {
  const last = typed.at(-1) ?? ''
  const before = typed.slice(0, -1)
  const { command, nounWord, positionals } = walk(before)
  const options = [...(command?.options ?? []), ...globalOptions]
  const waiting = optionThatWaits(before, options)
  if (waiting) return valuesOf(waiting, namesOf)
  if (last.startsWith('-')) {
    return options.map(option => ({ word: `--${option.name}`, doc: option.doc }))
  }
  if (command) return argumentsOf(command, { positionals, last, namesOf })
  const noun = table.nouns.find(one => one.noun === nounWord || one.aliases?.includes(nounWord!))
  if (noun) return verbsOf(noun, positionals)
  if (nounWord !== undefined) return []
  return [
    ...table.nouns.map(one => ({ word: one.noun, doc: one.doc })),
    ...table.alone.map(one => ({ word: one.verb, doc: one.doc }))
  ]
}

/** Verbs that begin with the words that were typed; of those with two, the one that is next. */
function verbsOf(noun: Noun, typed: readonly string[]): readonly Candidate[] {
  const begun = typed.map(word => `${word} `).join('')
  return noun.commands
    .filter(({ verb }) => verb.startsWith(begun))
    .map(({ verb, doc }) => {
      const [word = '', ...more] = verb.slice(begun.length).split(' ')
      return { word, doc: more.length > 0 ? `${more.join(' ')}: ${doc}` : doc }
    })
}

type Walked = {
  readonly command: Command | undefined
  readonly nounWord: string | undefined
  readonly positionals: readonly string[]
}

/** Walks over the words that are complete: which command is it, and what was it given? */
function walk(words: readonly string[]): Walked {
  const plain: string[] = []
  const everyOption = [...globalOptions, ...allCommands.flatMap(one => one.options ?? [])]
  for (let index = 0; index < words.length; index++) {
    const word = words[index]!
    if (!word.startsWith('-')) plain.push(word)
    else if (optionThatWaits([word], everyOption)) index++
  }
  const [first, second, third] = plain
  const alone = table.alone.find(one => one.verb === first)
  if (alone) return { command: alone, nounWord: undefined, positionals: plain.slice(1) }
  const noun = table.nouns.find(one => one.noun === first || one.aliases?.includes(first ?? ''))
  // A verb may be two words, such as `token create`.
  const pair = noun?.commands.find(one => one.verb === `${second} ${third}`)
  if (pair) return { command: pair, nounWord: first, positionals: plain.slice(3) }
  const command = noun?.commands.find(
    one => one.verb === second || one.aliases?.includes(second ?? '')
  )
  return { command, nounWord: first, positionals: plain.slice(command ? 2 : 1) }
}

/** The option whose value comes next, if the words end with one. */
function optionThatWaits(words: readonly string[], options: readonly Option[]): Option | undefined {
  const word = words.at(-1) ?? ''
  return options.find(
    option => option.type !== 'flag' && (word === `--${option.name}` || word === `-${option.short}`)
  )
}

async function valuesOf(option: Option, namesOf: NamesOf): Promise<readonly Candidate[]> {
  if (option.words) return option.words.map(word => ({ word, doc: '' }))
  if (option.names) return describeNames(option.names, await namesOf(option.names))
  return /FILE|PATH|DIR/.test(option.value ?? '') ? [{ word: filesMark, doc: '' }] : []
}

const describeNames = (kind: Kind, names: readonly string[]): readonly Candidate[] =>
  names.map(word => ({ word, doc: kind }))

async function argumentsOf(
  command: Command,
  at: {
    readonly positionals: readonly string[]
    readonly last: string
    readonly namesOf: NamesOf
  }
): Promise<readonly Candidate[]> {
  const { positionals, last, namesOf } = at
  const all = command.positionals ?? []
  const next: Positional | undefined = all[positionals.length] ?? all.find(one => one.many)
  if (next?.words) return next.words.map(word => ({ word, doc: '' }))
  if (next?.references) return references(last, namesOf)
  if (next?.fields) return fieldsFor(last)
  if (!next?.names) return []
  const names = await namesOf(next.names)
  return describeNames(
    next.names,
    names.filter(name => !positionals.includes(name))
  )
}

async function references(last: string, namesOf: NamesOf): Promise<readonly Candidate[]> {
  const slash = last.indexOf('/')
  if (slash < 0) return kindWords.map(({ kind }) => ({ word: `${kind}/`, doc: '' }))
  const typed = last.slice(0, slash)
  try {
    const { kind } = readKind(typed)
    return (await namesOf(kind)).map(name => ({ word: `${typed}/${name}`, doc: kind }))
  } catch {
    return []
  }
}

/** The kinds and, once one is typed, its fields. */
function fieldsFor(last: string): readonly Candidate[] {
  const dot = last.indexOf('.')
  if (dot < 0) return kindWords.map(({ kind }) => ({ word: kind, doc: fieldsOf(kind).doc }))
  const typed = last.slice(0, dot)
  const words = kindWords.find(({ kind, plural, aliases }) =>
    [kind, plural, ...aliases].includes(typed)
  )
  if (words === undefined) return []
  return Object.entries(fieldsOf(words.kind).spec).map(([path, { doc }]) => ({
    word: `${typed}.${path}`,
    doc
  }))
}

/** Asks the API for the names of a kind, with the settings that stand on the line itself. */
async function namesFromApi(
  kind: Kind,
  typed: readonly string[],
  terminal: Terminal
): Promise<readonly string[]> {
  try {
    const settings = readSettings(readGlobals(typed), terminal.environment)
    const [{ Api }, { chooseAddresses }, { pathOf, readJson, tenantQuery }] = await Promise.all([
      import('../api/client.ts'),
      import('../api/address.ts'),
      import('../api/resources.ts')
    ])
    await using api = new Api(chooseAddresses(settings))
    const doing = 'complete names'
    const answer = await api.ask({
      method: 'GET',
      path: pathOf(kind),
      query: {
        limit: String(namesMax),
        fields: 'name',
        ...tenantQuery(kind, settings.tenant)
      },
      deadlineMs: namesMsMax,
      doing
    })
    const list = readJson(answer, doing) as { readonly items: readonly ResourceDocument[] }
    return list.items.map(item => item.name)
  } catch {
    return []
  }
}
