import type { Command, Noun } from '../command.ts'
import { backupCommands } from './backup.ts'
import { candidateCommands } from './candidate.ts'
import { standingCommands } from './standing.ts'

const commands: readonly Command[] = [...standingCommands, ...candidateCommands, ...backupCommands]

/** The candidates as a whole, and what they keep. */
export const cluster: Noun = {
  noun: 'cluster',
  doc: 'The candidates, of which one is the controller, and what they keep.',
  commands
}
