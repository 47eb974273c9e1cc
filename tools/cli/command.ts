/**
 * The command line is a table: every command is a value of the types below, and help, docs,
 * completions, parsing and tests all walk the same values. What a command does is imported only
 * when it runs, so that `remuda --help` stays quick however much the commands need.
 */
import type { Kind } from '#shared/model/index.ts'
import type { FieldName } from './field.ts'
import type { Invocation } from './invocation.ts'

/**
 * How the value of an option is read: `size` gives MiB, `duration` gives ms, `count` a whole
 * number, `pair` a KEY=VALUE, `flag` takes no value.
 */
export type OptionType = 'flag' | 'text' | 'size' | 'duration' | 'count' | 'pair'

/** An option of a command, with everything that help and docs say of it. */
export type Option = {
  /** Long name without the dashes. */
  readonly name: string
  readonly type: OptionType
  readonly doc: string
  /** One letter. */
  readonly short?: string
  /** What stands for the value in help, such as NAME. */
  readonly value?: string
  /** The only values that it takes. */
  readonly words?: readonly string[]
  /** What happens when it is left out, as people read it. */
  readonly default?: string
  readonly repeatable?: true
  readonly required?: true
  /** Completes with the names of this kind. */
  readonly names?: Kind
  /** The field of a wish that it stands for; see field-option.ts. */
  readonly field?: FieldName
  /** Smallest and largest number that it takes, in MiB, ms or a count. */
  readonly minimum?: number
  readonly maximum?: number
}

/** An argument that has its place and no name. */
export type Positional = {
  /** In capitals, as help shows it. */
  readonly name: string
  readonly doc: string
  readonly optional?: true
  /** Takes one or more; only the last one may. */
  readonly many?: true
  readonly names?: Kind
  readonly words?: readonly string[]
  /** Completes with KIND/NAME. */
  readonly references?: true
  /** Completes with KIND and with KIND.FIELD. */
  readonly fields?: true
}

/** A line that can be typed, and what it is good for. */
export type Example = { readonly line: string; readonly doc: string }

/** Does what a command says and gives the exit code, 0 when it gives none. */
// biome-ignore lint/suspicious/noConfusingVoidType: most commands end without a code
export type Run = (invocation: Invocation) => Promise<number | void>

/** One command; those with a noun are typed after it. */
export type Command = {
  /** Left out: the command stands alone, such as `status`. */
  readonly noun?: string
  readonly verb: string
  readonly aliases?: readonly string[]
  /** One sentence in the indicative. */
  readonly doc: string
  /** Further paragraphs. */
  readonly details?: readonly string[]
  readonly positionals?: readonly Positional[]
  readonly options?: readonly Option[]
  readonly examples: readonly Example[]
  /** Left out of help and docs. */
  readonly hidden?: true
  readonly run: () => Promise<Run>
}

/** A noun and what can be done with it. */
export type Noun = {
  readonly noun: string
  readonly aliases?: readonly string[]
  readonly doc: string
  readonly commands: readonly Command[]
}

/** The unit in which the numbers of an option are given; undefined: they are counts. */
export const unitOf = ({ type }: Option): string | undefined =>
  type === 'size' ? 'MiB' : type === 'duration' ? 'ms' : undefined

/** A command as it is typed, such as `instance create`. */
export const nameOf = (command: Command): string =>
  command.noun === undefined ? command.verb : `${command.noun} ${command.verb}`
