/** What a controller is told at its start: flags, environment, then its file, then defaults. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import Type from 'typebox'
import { Fault } from '#shared/fault.ts'
import { Strict, Words } from '#shared/model/resource.ts'
import type { DeepReadonly } from '#shared/model/types.ts'
import { validator, withDefaults } from '#shared/model/validate.ts'
import { stateDefault } from '#shared/state-folder.ts'
import { doorPort } from '#shared/wire/door.ts'

const Port = (value: number, description: string) =>
  Type.Integer({ minimum: 0, maximum: 65_535, default: value, description })

/** Every field can be a flag, a variable `REMUDA_…` or a field of the file. */
export const ControllerConfig = Strict({
  state: Type.String({ default: stateDefault, description: 'Folder of all state.' }),
  apiAddress: Type.String({ default: '127.0.0.1', description: 'Address of the API.' }),
  apiPort: Port(7410, 'TCP port of the API; 0: any.'),
  doorAddress: Type.String({ default: '127.0.0.1', description: 'Address where hosts knock.' }),
  doorPort: Port(doorPort, 'TCP port where hosts knock; 0: any.'),
  contentUrl: Type.Optional(
    Type.String({ description: 'How agents reach the API; made of its address when left out.' })
  ),
  certificate: Type.Optional(Type.String({ description: 'PEM file: the API speaks TLS with it.' })),
  key: Type.Optional(Type.String({ description: 'PEM file of the key of the certificate.' })),
  cidr: Type.Optional(
    Type.String({ description: 'Address range of the network that a new cloud begins with.' })
  ),
  logLevel: Words(['debug', 'info', 'warn', 'error'], {
    description: 'Least urgency of what is logged.',
    default: 'info'
  })
})
export type ControllerConfig = DeepReadonly<Type.Static<typeof ControllerConfig>>

const fields = Object.keys(ControllerConfig.properties)
const flagOf = (field: string): string =>
  field.replace(/[A-Z]/g, letter => `-${letter.toLowerCase()}`)
const variableOf = (field: string): string =>
  `REMUDA_${flagOf(field).replaceAll('-', '_').toUpperCase()}`

/** Reads the configuration; Fault `invalid` names each field that is at fault. */
export async function readConfig(
  args: readonly string[],
  environment: Readonly<Record<string, string | undefined>>
): Promise<ControllerConfig> {
  const options = Object.fromEntries(
    fields.map(field => [flagOf(field), { type: 'string' as const }])
  )
  const { values } = parse(args, { ...options, config: { type: 'string' as const } })
  const said: Record<string, unknown> = {}
  for (const field of fields) {
    const text = values[flagOf(field)] ?? environment[variableOf(field)]
    if (typeof text === 'string') said[field] = numeric(field) ? Number(text) : text
  }
  const state = String(said['state'] ?? stateDefault)
  const path = values['config'] ?? join(state, 'controller', 'controller.json')
  const file = await readFileConfig(String(path), values['config'] !== undefined)
  const config = withDefaults(ControllerConfig, { ...file, ...said })
  const problems = validator(ControllerConfig)(config)
  if (problems.length > 0) {
    throw new Fault('invalid', 'cannot use the configuration', {
      reasons: problems.map(({ pointer, detail }) => `${pointer.slice(1)} ${detail}`),
      next: [`mend ${String(path)}, the flags, or the variables REMUDA_…`]
    })
  }
  return config as ControllerConfig
}

function parse(
  args: readonly string[],
  options: Readonly<Record<string, { readonly type: 'string' }>>
) {
  try {
    return parseArgs({ args: [...args], options, strict: true })
  } catch (cause) {
    throw new Fault('invalid', 'cannot read the flags', {
      cause,
      next: [`what can be said: ${fields.map(field => `--${flagOf(field)}`).join(' ')} --config`]
    })
  }
}

const numeric = (field: string): boolean => field.endsWith('Port')

async function readFileConfig(path: string, wanted: boolean): Promise<object> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (cause) {
    if (!wanted && (cause as NodeJS.ErrnoException).code === 'ENOENT') return {}
    throw new Fault('invalid', `cannot read the configuration ${path}`, { cause })
  }
  try {
    return JSON.parse(text) as object
  } catch (cause) {
    throw new Fault('invalid', `cannot read the configuration ${path}: it is not JSON`, { cause })
  }
}
