import path from 'node:path'
import { stateDefault } from '#shared/state-folder.ts'
import { labDefault } from '../lab/folder.ts'
import type { Given } from './arguments.ts'
import type { Terminal } from './terminal.ts'

/** How results are written. */
export type OutputFormat = 'table' | 'wide' | 'json' | 'yaml' | 'name'

/** What the global options and the environment say together; options win. */
export type Settings = {
  /** State folder of this machine. */
  readonly state: string
  /** Folder of the lab on this machine. */
  readonly lab: string
  /** Whether its cloud is meant where no server is named. */
  readonly isLab: boolean
  /** Servers of one cloud; any of them may be asked. None: whatever this machine has. */
  readonly servers: readonly string[]
  readonly tokenFile: string | undefined
  /** Undefined: the API's own default. */
  readonly tenant: string | undefined
  /** Whether the tenant was named on the command line itself. */
  readonly tenantNamed: boolean
  /** Undefined: whatever the command finds best. */
  readonly format: OutputFormat | undefined
  readonly quiet: boolean
  readonly debug: boolean
  readonly noColour: boolean
}

/** Reads the settings of one command line. */
export function readSettings(given: Given, environment: Terminal['environment']): Settings {
  const either = (option: string, variable: string) =>
    given.text(option) ?? (environment[variable] || undefined)
  const lab = path.resolve(environment['REMUDA_LAB'] || labDefault)
  const isLabSaid = Boolean(environment['REMUDA_LAB']) && given.text('state') === undefined
  return {
    state: path.resolve(either('state', 'REMUDA_STATE') ?? stateDefault),
    lab,
    isLab: given.flag('lab') || isLabSaid,
    servers:
      [given.texts('server'), [given.flag('lab') ? '' : (environment['REMUDA_SERVER'] ?? '')]]
        .map(texts => texts.flatMap(text => text.split(',')).map(text => text.trim()))
        .map(texts => [...new Set(texts)].filter(text => text !== ''))
        .find(texts => texts.length > 0) ?? [],
    tokenFile: either('token-file', 'REMUDA_TOKEN_FILE'),
    tenant: either('tenant', 'REMUDA_TENANT'),
    tenantNamed: given.text('tenant') !== undefined,
    format: given.text('output') as OutputFormat | undefined,
    quiet: given.flag('quiet'),
    debug: given.flag('debug'),
    noColour: given.flag('no-color')
  }
}
