/** What an agent is told at its start: flags, then environment, then its file, then defaults. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import Type from 'typebox'
import { Fault } from '#shared/fault.ts'
import { Strict, Words } from '#shared/model/resource.ts'
import type { DeepReadonly } from '#shared/model/types.ts'
import { validator, withDefaults } from '#shared/model/validate.ts'
import { stateDefault } from '#shared/state-folder.ts'
import { agentPort } from './mesh.ts'
import { probePort } from './probes.ts'

const Path = (description: string) =>
  Type.String({ pattern: '^/[^\\0]*$', maxLength: 1024, description })

/** What an agent can be told. */
export const AgentConfig = Strict({
  state: Type.String({
    pattern: '^/[^\\0]*$',
    default: stateDefault,
    description: 'Folder of all state.'
  }),
  address: Type.String({
    minLength: 1,
    maxLength: 64,
    default: '127.0.0.1',
    description: 'IP address at which the controller reaches this agent.'
  }),
  port: Type.Integer({
    minimum: 0,
    maximum: 65_535,
    default: agentPort,
    description: 'TCP port at which the controller reaches this agent; 0: any.'
  }),
  probePort: Type.Integer({
    minimum: 0,
    maximum: 65_535,
    default: probePort,
    description: 'TCP port at which other agents look whether this one is there; 0: any.'
  }),
  door: Type.Optional(
    Type.String({
      pattern: '^tcp://[^\\s/]+:\\d+$',
      description: 'Where to knock; what a controller on this machine says when left out.'
    })
  ),
  doorKey: Type.Optional(
    Type.String({ minLength: 40, maxLength: 40, description: 'Public key of the door, Z85.' })
  ),
  tokenFile: Type.Optional(
    Path('File with the join token; join.token in the state folder when left out.')
  ),
  libvirtSocket: Type.Optional(Path('Socket of libvirtd; where Debian puts it when left out.')),
  netns: Type.Optional(
    Type.String({ pattern: '^[A-Za-z0-9._-]{1,64}$', description: 'Namespace for networks.' })
  ),
  hostUuid: Type.Optional(
    Type.String({
      pattern: '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$',
      description: 'UUID of a host that shares its machine with others, as in the lab.'
    })
  ),
  migrationAddress: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: 64,
      description: 'IP address at which other hosts send instances; that of the agent if left out.'
    })
  ),
  migrationUri: Type.String({
    pattern: '^qemu\\+[a-z]+://',
    maxLength: 1024,
    default: 'qemu+tls://{address}/system',
    description: "URI at which their libvirt reaches this host's; {address} stands for the address."
  }),
  bootIdFile: Type.Optional(Path("File with the boot id; the kernel's when left out.")),
  logLevel: Words(['debug', 'info', 'warn', 'error'], {
    description: 'Least urgency of what is logged.',
    default: 'info'
  })
})
/** How an agent is set up. */
export type AgentConfig = DeepReadonly<Type.Static<typeof AgentConfig>>

const fields = Object.keys(AgentConfig.properties)
const numeric: ReadonlySet<string> = new Set(['port', 'probePort'])
const flagOf = (field: string): string =>
  field.replace(/[A-Z]/g, letter => `-${letter.toLowerCase()}`)
const variableOf = (field: string): string => {
  const name = flagOf(field).replaceAll('-', '_').toUpperCase()
  // What both daemons have is called the same for both; an address or port belongs to one of them.
  return ['STATE', 'LOG_LEVEL'].includes(name) ? `REMUDA_${name}` : `REMUDA_AGENT_${name}`
}

/** Reads the configuration; Fault `invalid` names each field that is at fault. */
export async function readConfig(
  args: readonly string[],
  environment: Readonly<Record<string, string | undefined>>
): Promise<AgentConfig> {
  const options = Object.fromEntries(
    [...fields, 'config'].map(field => [flagOf(field), { type: 'string' as const }])
  )
  const values = parse(args, options)
  const said: Record<string, unknown> = {}
  for (const field of fields) {
    const text = values[flagOf(field)] ?? environment[variableOf(field)]
    if (text !== undefined) said[field] = numeric.has(field) ? Number(text) : text
  }
  const path = values['config'] ?? join(String(said['state'] ?? stateDefault), 'agent/agent.json')
  const file = await readFileConfig(path, values['config'] !== undefined)
  const config = withDefaults(AgentConfig, { ...file, ...said }) as AgentConfig
  const problems = validator(AgentConfig)(config).map(
    ({ pointer, detail }) => `${pointer.slice(1)} ${detail}`
  )
  if ((config.door === undefined) !== (config.doorKey === undefined)) {
    problems.push('door and doorKey belong together: without its key a door proves nothing')
  }
  if (problems.length === 0) return config
  throw new Fault('invalid', 'cannot use the configuration of the agent', {
    reasons: problems,
    next: [`mend ${path}, the flags, or the variables REMUDA_AGENT_…`]
  })
}

function parse(
  args: readonly string[],
  options: Readonly<Record<string, { readonly type: 'string' }>>
): Readonly<Record<string, string | undefined>> {
  try {
    return parseArgs({ args: [...args], options, strict: true }).values
  } catch (cause) {
    throw new Fault('invalid', 'cannot read the flags', {
      cause,
      next: [
        `what can be said: ${Object.keys(options)
          .map(flag => `--${flag}`)
          .join(' ')}`
      ]
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
