/** What an agent is told at its start: flags, then environment, then its file, then defaults. */
import Type from 'typebox'
import { findConfig } from '#shared/config.ts'
import { Fault } from '#shared/fault.ts'
import { Strict, Words } from '#shared/model/resource.ts'
import type { DeepReadonly } from '#shared/model/types.ts'
import { stateDefault } from '#shared/state-folder.ts'
import { agentPort } from '#shared/wire/answering-end.ts'
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
  watchdogFolder: Type.Optional(
    Path('Folder with sys, dev and run for the watchdog that the lab gives to such a host.')
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
  rebootProgram: Type.Optional(
    Path('Program that has this machine boot anew; `systemctl reboot` when left out.')
  ),
  logLevel: Words(['debug', 'info', 'warn', 'error'], {
    description: 'Least urgency of what is logged.',
    default: 'info'
  })
})
/** How an agent is set up. */
export type AgentConfig = DeepReadonly<Type.Static<typeof AgentConfig>>

/** Reads the configuration; Fault `invalid` names each field that is at fault. */
export async function readConfig(
  args: readonly string[],
  environment: Readonly<Record<string, string | undefined>>
): Promise<AgentConfig> {
  const kind = { schema: AgentConfig, file: 'agent/agent.json', variables: 'REMUDA_AGENT_' }
  const found = await findConfig(kind, { args, environment })
  const config = found.config as AgentConfig
  const problems = [...found.problems]
  if ((config.door === undefined) !== (config.doorKey === undefined)) {
    problems.push('door and doorKey belong together: without its key a door proves nothing')
  }
  if (config.watchdogFolder !== undefined && config.hostUuid === undefined) {
    problems.push('watchdogFolder is for hosts of the lab, with hostUuid: others have their own')
  }
  if (problems.length === 0) return config
  throw new Fault('invalid', 'cannot use the configuration of the agent', {
    reasons: problems,
    next: [`mend ${found.path}, the flags, or the variables REMUDA_AGENT_…`]
  })
}
