/**
 * What a daemon is told at its start: each field of a schema is a flag (`apiPort`: `--api-port`),
 * an environment variable, or a field of a JSON file; the first of these that says it counts, and
 * what nobody says has its default.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { Fault } from './fault.ts'
import { validator, withDefaults } from './model/validate.ts'
import { stateDefault } from './state-folder.ts'

/** The schema of an object, by its fields. */
type ConfigSchema = Parameters<typeof withDefaults>[0] & {
  readonly properties: Readonly<Record<string, object>>
}

/** What tells the configuration of one daemon from that of another. */
export type ConfigKind = {
  readonly schema: ConfigSchema
  /** Its file below the state folder, when no `--config` names another one. */
  readonly file: string
  /** What its variables begin with, but for those that all daemons share. */
  readonly variables: string
}

/** Where settings come from. */
export type ConfigSources = {
  readonly args: readonly string[]
  readonly environment: Readonly<Record<string, string | undefined>>
}

/** What was found, sound or not. */
export type FoundConfig = {
  readonly config: unknown
  /** Sentences on the fields that are at fault. */
  readonly problems: readonly string[]
  /** The file that was looked at. */
  readonly path: string
}

/** What all daemons are told alike. */
const sharedVariables: ReadonlySet<string> = new Set(['REMUDA_STATE', 'REMUDA_LOG_LEVEL'])

const flagOf = (field: string): string =>
  field.replace(/[A-Z]/g, letter => `-${letter.toLowerCase()}`)

function variableOf(field: string, { variables }: ConfigKind): string {
  const name = flagOf(field).replaceAll('-', '_').toUpperCase()
  return sharedVariables.has(`REMUDA_${name}`) ? `REMUDA_${name}` : `${variables}${name}`
}

/** Gathers the settings; Fault `invalid` when flags or the file cannot be read at all. */
export async function findConfig(
  kind: ConfigKind,
  { args, environment }: ConfigSources
): Promise<FoundConfig> {
  const { schema } = kind
  const fields = Object.keys(schema.properties)
  const values = parse(
    args,
    [...fields, 'config'].map(field => flagOf(field))
  )
  const said: Record<string, unknown> = {}
  for (const field of fields) {
    const text = values[flagOf(field)] ?? environment[variableOf(field, kind)]
    if (text !== undefined) said[field] = isNumeric(schema, field) ? Number(text) : text
  }
  const path = values['config'] ?? join(String(said['state'] ?? stateDefault), kind.file)
  const file = await readFileConfig(path, values['config'] !== undefined)
  const config = withDefaults(schema, { ...file, ...said })
  const problems = validator(schema)(config).map(
    ({ pointer, detail }) => `${pointer.slice(1)} ${detail}`
  )
  return { config, problems, path }
}

const isNumeric = (schema: ConfigSchema, field: string): boolean =>
  (schema.properties[field] as { readonly type?: unknown }).type === 'integer'

function parse(
  args: readonly string[],
  flags: readonly string[]
): Readonly<Record<string, string | undefined>> {
  const options = Object.fromEntries(flags.map(flag => [flag, { type: 'string' as const }]))
  try {
    return parseArgs({ args: [...args], options, strict: true }).values
  } catch (cause) {
    throw new Fault('invalid', 'cannot read the flags', {
      cause,
      next: [`what can be said: ${flags.map(flag => `--${flag}`).join(' ')}`]
    })
  }
}

async function readFileConfig(path: string, isWanted: boolean): Promise<object> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (cause) {
    if (!isWanted && (cause as NodeJS.ErrnoException).code === 'ENOENT') return {}
    throw new Fault('invalid', `cannot read the configuration ${path}`, { cause })
  }
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value
  } catch (cause) {
    throw new Fault('invalid', `cannot read the configuration ${path}: it is not JSON`, { cause })
  }
  throw new Fault('invalid', `cannot read the configuration ${path}: it is no JSON object`)
}
