import type { Api } from './api/client.ts'
import type { Given } from './arguments.ts'
import type { Command } from './command.ts'
import type { Settings } from './settings.ts'
import type { Paint, Terminal } from './terminal.ts'

/** One run of one command: what was asked, by whom, and the way to the API. */
export type Invocation = {
  readonly command: Command
  readonly given: Given
  readonly settings: Settings
  readonly terminal: Terminal
  /** Aborted when the user wants to stop. */
  readonly signal: AbortSignal
  /** For what goes to the output. */
  readonly paint: Paint
  /** Makes the way to the API when it is first asked for; it is closed when the command ends. */
  readonly connect: () => Promise<Api>
  /** Writes a result. */
  readonly write: (text: string) => void
  /** Writes a note for people, unless they want it quiet. */
  readonly note: (text: string) => void
}
