/** From the words on the command line to an exit code. */
import { Fault } from '#shared/fault.ts'
import type { Api } from './api/client.ts'
import { type Request, readArguments } from './arguments.ts'
import { describeFailure, exitCodeOf } from './failure.ts'
import type { Invocation } from './invocation.ts'
import { readSettings } from './settings.ts'
import { paintFor, type Terminal } from './terminal.ts'

/** Runs one command line and gives its exit code; whatever goes wrong is told, never thrown. */
export async function main(words: readonly string[], terminal: Terminal): Promise<number> {
  const { environment } = terminal
  if (words[0] === '__complete') {
    const { complete } = await import('./completion/complete.ts')
    return complete(words.slice(1), terminal)
  }
  try {
    const { table } = await import('./table.ts')
    const request = readArguments(words, table)
    if (request.asks === 'help') return await writeHelp(request, terminal)
    return await run(request, terminal)
  } catch (error) {
    const noColour = words.includes('--no-color')
    const paint = paintFor(terminal.errors, { environment, noColour })
    terminal.errors.write(describeFailure(error, paint))
    const isBug = !(error instanceof Fault)
    if (error instanceof Error && (isBug || words.includes('--debug'))) {
      terminal.errors.write(`${error.stack ?? ''}\n`)
    }
    return exitCodeOf(error)
  }
}

async function writeHelp(
  request: Request & { readonly asks: 'help' },
  terminal: Terminal
): Promise<number> {
  const { helpOnAll, helpOnCommand, helpOnNoun } = await import('./help.ts')
  const { environment, output } = terminal
  const paint = paintFor(output, { environment, noColour: false })
  const { noun, command } = request
  output.write(
    command ? helpOnCommand(command, paint) : noun ? helpOnNoun(noun, paint) : helpOnAll(paint)
  )
  return 0
}

async function run(
  request: Request & { readonly asks: 'run' },
  terminal: Terminal
): Promise<number> {
  const { command, given } = request
  const { environment, interrupted } = terminal
  const settings = readSettings(given, environment)
  const opened: { api?: Promise<Api> } = {}
  const invocation: Invocation = {
    command,
    given,
    settings,
    terminal,
    signal: interrupted,
    paint: paintFor(terminal.output, { environment, noColour: settings.noColour }),
    connect: () => (opened.api ??= connect(settings, terminal)),
    write: text => void terminal.output.write(text),
    note: text => {
      if (!settings.quiet) terminal.errors.write(text)
    }
  }
  try {
    const execute = await command.run()
    return (await execute(invocation)) ?? 0
  } finally {
    await (await opened.api)?.[Symbol.asyncDispose]()
  }
}

async function connect(settings: Invocation['settings'], terminal: Terminal): Promise<Api> {
  const [{ Api }, { chooseAddresses }, { makeTrace, noTrace }] = await Promise.all([
    import('./api/client.ts'),
    import('./api/address.ts'),
    import('./api/trace.ts')
  ])
  const trace = settings.debug ? makeTrace(text => void terminal.errors.write(text)) : noTrace
  return new Api(chooseAddresses(settings), { trace })
}
