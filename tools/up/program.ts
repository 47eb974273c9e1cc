/** What `up` and `down` have in common as programs: their words, their end, their failures. */
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { codeOf } from '#shared/files.ts'
import { stateDefault } from '#shared/state-folder.ts'
import { describeFailure, exitCodeOf, UsageFault } from '../cli/failure.ts'
import { paintFor } from '../cli/terminal.ts'
import { explainFullDisk } from './room.ts'

/** A program that is started as `npm run NAME`. */
export type Program = {
  readonly name: 'up' | 'down'
  /** Flags that it takes. */
  readonly flags: readonly string[]
  /** What is so when it is left half-way. */
  readonly interrupted: string
  readonly main: (given: ReadonlySet<string>) => Promise<void>
}

/** The state folder that this process is to work on, as an absolute path. */
export const stateFolder = (): string => resolve(process.env['REMUDA_STATE'] || stateDefault)

/** Runs a program to its exit code; its daemons outlive it, however it ends. */
export async function runProgram(program: Program): Promise<void> {
  // What is to be done does not depend on whether somebody still reads how it goes.
  process.stdout.on('error', thrown => {
    if (codeOf(thrown) !== 'EPIPE') throw thrown
  })
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129]
  ] as const) {
    process.once(signal, () => {
      process.stderr.write(`\nnpm run ${program.name} was interrupted: ${program.interrupted}\n`)
      process.exit(code)
    })
  }
  try {
    await program.main(readFlags(program, process.argv.slice(2)))
  } catch (thrown) {
    const paint = paintFor(process.stderr, { environment: process.env, noColour: false })
    const explained = await explainFullDisk(thrown, stateFolder())
    process.stderr.write(describeFailure(explained, paint))
    process.exitCode = exitCodeOf(explained)
  }
}

/** Reads the flags; a word that is none of them is refused before anything is done. */
export function readFlags(
  program: Pick<Program, 'name' | 'flags'>,
  words: readonly string[]
): ReadonlySet<string> {
  const options = Object.fromEntries(
    program.flags.map(flag => [flag, { type: 'boolean' as const, default: false }])
  )
  try {
    const { values } = parseArgs({ args: [...words], options, strict: true })
    return new Set(program.flags.filter(flag => values[flag] === true))
  } catch (thrown) {
    const plain = `npm run ${program.name}`
    const can = [plain, ...program.flags.map(flag => `${plain} -- --${flag}`)]
    throw new UsageFault(`cannot run ${plain} with "${words.join(' ')}"`, {
      reasons: [thrown instanceof Error ? thrown.message : String(thrown)],
      next: [can.join(', or '), 'another state folder is named with REMUDA_STATE=DIR']
    })
  }
}
