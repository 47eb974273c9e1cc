/** Commands that every kind has in the same form. */
import type { Kind } from '#shared/model/index.ts'
import type { Command, Option, Positional } from '../command.ts'
import { wordsOf } from '../kinds.ts'
import { dryRunOption, listOptions, waitOptions, watchOption, yesOption } from '../options.ts'

/** The name of one resource of a kind, as a positional. */
export const nameOfOne = (kind: Kind, doc = `Name or id of the ${kind}.`): Positional => ({
  name: 'NAME',
  doc,
  names: kind
})

/** The name of a resource that is still to be made. */
export const newName = (kind: Kind): Positional => ({
  name: 'NAME',
  doc: `Name of the new ${kind}: lower case letters, digits and -, at most 63.`
})

/** The names of one or more resources of a kind, as a positional. */
export const namesOfSeveral = (kind: Kind): Positional => ({
  name: 'NAME',
  doc: `Name or id; several may be given.`,
  many: true,
  names: kind
})

/** The command that lists a kind. */
export const listCommand = (kind: Kind): Command => ({
  noun: kind,
  verb: 'list',
  aliases: ['ls'],
  doc: `Lists ${wordsOf(kind).plural}.`,
  options: listOptions,
  examples: [
    { line: `remuda ${kind} list`, doc: `all ${wordsOf(kind).plural} of your tenant` },
    { line: `remuda ${kind} list -o name`, doc: 'names only, for scripts' }
  ],
  run: () => import('../run/list.ts').then(module => module.listKind(kind))
})

/** The command that shows one resource of a kind. */
export const showCommand = (kind: Kind, example: string): Command => ({
  noun: kind,
  verb: 'show',
  aliases: ['get'],
  doc: `Shows what is desired of one ${kind}, what is observed, and why.`,
  positionals: [nameOfOne(kind)],
  options: [watchOption],
  examples: [
    { line: `remuda ${kind} show ${example}`, doc: 'for people' },
    { line: `remuda ${kind} show ${example} -o json`, doc: 'the document of the API' }
  ],
  run: () => import('../run/show.ts').then(module => module.showKind(kind))
})

/** The command that deletes resources of a kind. */
export const deleteCommand = (
  kind: Kind,
  options: {
    readonly example: string
    readonly details?: readonly string[]
    readonly more?: readonly Option[]
  }
): Command => ({
  noun: kind,
  verb: 'delete',
  aliases: ['rm', 'remove'],
  doc: `Deletes ${wordsOf(kind).plural}, after asking.`,
  ...(options.details ? { details: options.details } : {}),
  positionals: [namesOfSeveral(kind)],
  options: [...(options.more ?? []), yesOption, dryRunOption, ...waitOptions],
  examples: [
    { line: `remuda ${kind} delete ${options.example}`, doc: 'asks first' },
    { line: `remuda ${kind} delete ${options.example} --yes`, doc: 'for scripts' }
  ],
  run: () => import('../run/delete.ts').then(module => module.deleteKind(kind))
})
