import type { Readable, Writable } from 'node:stream'
import { stripVTControlCharacters, styleText } from 'node:util'

/** Standard input as far as the command line needs it. */
export type Input = Readable & {
  readonly isTTY?: boolean
  readonly setRawMode?: (raw: boolean) => unknown
}
/** Standard output or error as far as the command line needs it. */
export type Output = Writable & { readonly isTTY?: boolean; readonly columns?: number }

/** What a command talks to: the three streams, the environment, and Ctrl-C. */
export type Terminal = {
  readonly input: Input
  /** For what was asked for, and nothing else. */
  readonly output: Output
  /** For everything else: progress, notes, failures. */
  readonly errors: Output
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Aborted when the user wants to stop. */
  readonly interrupted: AbortSignal
}

/** A colour that every terminal has, or an emphasis. */
export type Colour = 'red' | 'green' | 'yellow' | 'dim' | 'bold' | 'cyan'

/** Colours a text, or leaves it as it is where colours are not wanted. */
export type Paint = (colour: Colour, text: string) => string

/** Leaves every text as it is. */
export const plain: Paint = (_colour, text) => text

/** Gives the paint for a stream: colours only on a terminal, and never against NO_COLOR. */
export function paintFor(
  stream: Output,
  options: {
    readonly environment: Terminal['environment']
    readonly noColour: boolean
  }
): Paint {
  const { environment, noColour } = options
  const wanted =
    stream.isTTY === true && !noColour && !environment['NO_COLOR'] && environment['TERM'] !== 'dumb'
  return wanted ? (colour, text) => styleText(colour, text, { validateStream: false }) : plain
}

/** Whether somebody sits there who can answer a question. */
export const canAsk = (terminal: Terminal): boolean =>
  terminal.input.isTTY === true && terminal.errors.isTTY === true

/**
 * Makes a text from elsewhere safe to print: whatever could move the cursor, clear the screen or
 * forge a line is taken out or shown as an escape.
 */
export const printable = (text: string): string =>
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are the subject
  stripVTControlCharacters(text).replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, character =>
    character === '\r' ? '' : `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`
  )

/** The same on one line: line ends and tabs become spaces. */
export const oneLine = (text: string): string =>
  printable(text)
    .replace(/[\n\t ]+/g, ' ')
    .trim()
