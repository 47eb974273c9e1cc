/**
 * What can cut a host's power and say whether it has: devices, in levels that are tried in order.
 *
 * A device counts only if it is not the host itself and reads the *power*: an agent that takes a
 * host off its storage or its network says "off" too, and the host runs on. No password is in here,
 * only the name of each secret; whoever executes a fence is handed the secrets apart.
 */
import Type from 'typebox'
import { Strict, Words } from './resource.ts'
import type { DeepReadonly } from './types.ts'

/** So many levels a host may have. */
export const fenceLevelsMax = 4
/** How many there may be of each. */
const devicesMax = 4
const outletsMax = 8
const parametersMax = 32

const Address = Type.String({
  pattern: '^[A-Za-z0-9]([A-Za-z0-9.:-]*[A-Za-z0-9])?$',
  maxLength: 253,
  description: 'Address or name of the device.'
})
const User = Type.String({ pattern: '^[^\\x00-\\x1f\\x7f]+$', maxLength: 64, description: 'User.' })
const secretPattern = '^[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?$'
const Secret = (description: string) =>
  Type.String({ pattern: secretPattern, maxLength: 63, description })

/** A baseboard controller that speaks IPMI 2.0. */
export const IpmiDevice = Strict({
  type: Type.Literal('ipmi'),
  address: Address,
  port: Type.Integer({
    minimum: 1,
    maximum: 65_535,
    default: 623,
    description: 'UDP port of the baseboard controller.'
  }),
  user: User,
  secret: Secret('Name of the secret that is its password.'),
  cipherSuite: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: 17,
      description: 'Cipher suite; the best that the device offers when left out.'
    })
  ),
  privilege: Words(['operator', 'administrator'], {
    description: 'Privilege to ask for; operator is enough for power.',
    default: 'operator'
  })
})
export type IpmiDevice = DeepReadonly<Type.Static<typeof IpmiDevice>>

/** A baseboard controller that speaks Redfish. */
export const RedfishDevice = Strict({
  type: Type.Literal('redfish'),
  url: Type.String({
    pattern: '^https://[^/@?#\\s]+/?$',
    maxLength: 300,
    description: 'Where it answers, such as https://10.0.0.7.'
  }),
  user: User,
  secret: Secret('Name of the secret that is its password.'),
  system: Type.Optional(
    Type.String({
      pattern: '^[^\\s?#\\\\]+$',
      maxLength: 300,
      description: 'Path or id of the system; needed where it has several.'
    })
  ),
  auth: Words(['session', 'basic'], {
    description: 'How to log in: a session, or the password with each request.',
    default: 'session'
  }),
  fingerprint: Type.Optional(
    Type.String({
      pattern: '^[0-9A-Fa-f]{2}(:?[0-9A-Fa-f]{2}){31}$',
      description: 'SHA-256 of its certificate, which then needs no authority.'
    })
  ),
  authority: Type.Optional(
    Type.String({
      maxLength: 65_536,
      description: "Certificates that sign its own, PEM; the system's when left out."
    })
  )
})
export type RedfishDevice = DeepReadonly<Type.Static<typeof RedfishDevice>>

/**
 * Agents that are none for us. Those of the first line do not read a host's power but its way to
 * storage or network, or nothing at all; `fence_redfish` waits for ever on a silent device, and the
 * type `redfish` is there instead.
 */
const refusedAgents = [
  ...['ack_manual', 'dummy', 'heuristics_ping', 'kdump', 'mpath', 'sbd', 'scsi', 'sanlock'],
  ...['brocade', 'cisco_mds', 'ifmib', 'sanbox2', 'hds_cb', 'evacuate', 'compute', 'crosslink'],
  'redfish'
] as const

/**
 * Parameters that have no place here: what we say ourselves, what is secret, what would run another
 * program or write secrets to a log, and what would turn "off" into something else.
 */
const refusedParameters = [
  ...['action', 'option', 'method', 'verbose', 'verbose_level', 'debug', 'debug_file', 'quiet'],
  ...['delay', 'login_timeout', 'version', 'help', 'missing_as_off', 'stonith_status_sleep'],
  ...['password', 'passwd', 'snmp_priv_passwd', 'community', 'passphrase', 'token', 'secret_key'],
  ...['secret', 'private_key', 'apikey', 'api_key']
] as const
const namedOtherThan = (refused: readonly string[]): string =>
  `^(?!(?:${refused.join('|')})$)(?!.*_(?:path|script)$)[a-z][a-z0-9_]{0,62}$`
const parameterPattern = namedOtherThan(refusedParameters)
const secretParameterPattern = namedOtherThan(['action', 'option', 'method', 'debug', 'debug_file'])

const agentFields = {
  agent: Type.String({
    pattern: `^fence_(?!(?:${refusedAgents.join('|')})$)[a-z0-9_]+$`,
    maxLength: 64,
    description: "Program of Debian's fence-agents that reads and cuts power."
  }),
  parameters: Type.Record(
    Type.String({ pattern: parameterPattern }),
    Type.String({ pattern: '^[^\\x00-\\x1f\\x7f]*$', maxLength: 1024 }),
    {
      description: 'What it is told, by the names that it reads on its standard input.',
      maxProperties: parametersMax,
      additionalProperties: false
    }
  ),
  secrets: Type.Record(
    Type.String({ pattern: secretParameterPattern }),
    Type.String({ pattern: secretPattern, maxLength: 63 }),
    {
      description: 'Parameters whose value is a secret, such as password: the name of each secret.',
      default: {},
      maxProperties: parametersMax,
      additionalProperties: false
    }
  )
}

/** Any other power device, through one of Debian's fence agents. */
export const AgentDevice = Strict({ type: Type.Literal('agent'), ...agentFields })
export type AgentDevice = DeepReadonly<Type.Static<typeof AgentDevice>>

/** One outlet of a power strip. */
export const Outlet = Strict(agentFields)
export type Outlet = DeepReadonly<Type.Static<typeof Outlet>>

/** The outlets that feed one host: it is off when all are, and none goes on before all are off. */
export const PduDevice = Strict({
  type: Type.Literal('pdu'),
  outlets: Type.Array(Outlet, {
    minItems: 1,
    maxItems: outletsMax,
    description: 'All outlets that feed the host.'
  })
})
export type PduDevice = DeepReadonly<Type.Static<typeof PduDevice>>

/** The power switch of a host in a lab. */
export const LabDevice = Strict({
  type: Type.Literal('lab'),
  socket: Type.String({
    pattern: '^/[^\\x00-\\x1f]+$',
    maxLength: 107,
    description: 'Socket of the keeper of the lab.'
  }),
  host: Type.String({ minLength: 1, maxLength: 63, description: 'Name of the host in the lab.' })
})
export type LabDevice = DeepReadonly<Type.Static<typeof LabDevice>>

/** The schema of each type: who checks a device by its own one can say which field is wrong. */
export const deviceSchemas = {
  ipmi: IpmiDevice,
  redfish: RedfishDevice,
  agent: AgentDevice,
  pdu: PduDevice,
  lab: LabDevice
} as const

/** Whatever can cut a host's power. */
export const FenceDevice = Type.Union(
  [IpmiDevice, RedfishDevice, AgentDevice, PduDevice, LabDevice],
  { description: 'A device by its type: ipmi, redfish, agent, pdu or lab.' }
)
export type FenceDevice = DeepReadonly<Type.Static<typeof FenceDevice>>

/**
 * Levels in the order in which they are tried; all devices of a level must read *off*. A device
 * that is fed by an outlet of the same level goes dark with it and can confirm no more: such two
 * belong on levels of their own.
 */
export const FenceLevels = Type.Array(
  Strict({
    devices: Type.Array(FenceDevice, {
      minItems: 1,
      maxItems: devicesMax,
      description: 'Devices that must all confirm.'
    })
  }),
  { maxItems: fenceLevelsMax, description: 'Levels, in the order in which they are tried.' }
)
export type FenceLevels = DeepReadonly<Type.Static<typeof FenceLevels>>

/**
 * A word to the host itself, in case it lives and only we cannot hear it: so it may write what it
 * has not written yet. It goes out when its power is cut, waits for nothing and proves nothing.
 */
export const SshCourtesy = Strict(
  {
    address: Address,
    port: Type.Integer({
      minimum: 1,
      maximum: 65_535,
      default: 22,
      description: 'TCP port of its SSH server.'
    }),
    user: Type.String({
      pattern: '^[^\\x00-\\x1f\\x7f]+$',
      maxLength: 64,
      default: 'root',
      description: 'User who may switch it off.'
    }),
    secret: Secret(
      'Name of the secret that is its password, or an OpenSSH private key: what is between its ' +
        'first and last line, in one line.'
    ),
    hostKey: Type.String({
      pattern: '^SHA256:[A-Za-z0-9+/]{43}$',
      description:
        'SHA-256 of its host key, as ssh-keygen -l shows it; with another one it is not used.'
    }),
    command: Type.String({
      pattern: '^[^\\x00-\\x1f\\x7f]+$',
      maxLength: 512,
      default: 'systemctl poweroff',
      description: 'What is run there.'
    })
  },
  { description: 'How it is asked to power off while its fence devices cut its power.' }
)
export type SshCourtesy = DeepReadonly<Type.Static<typeof SshCourtesy>>

/** The sentence part that names a device: what it is, and where. */
export function deviceName(device: FenceDevice): string {
  switch (device.type) {
    case 'ipmi':
      return `IPMI at ${device.address}`
    case 'redfish':
      return `Redfish at ${device.url}`
    case 'agent':
      return outletName(device)
    case 'pdu':
      return device.outlets.map(outletName).join(' and ')
    case 'lab':
      return `lab switch of ${device.host}`
    default:
      throw new TypeError(`no such device: ${JSON.stringify(device satisfies never)}`)
  }
}

/** The sentence part that names where a host is asked to power off. */
export const courtesyName = ({ user, address, port }: SshCourtesy): string =>
  `${user}@${address}${port === 22 ? '' : `:${port}`}`

/** The sentence part that names an outlet, or any device behind an agent. */
export function outletName({ agent, parameters }: Outlet): string {
  const place = parameters['ip'] ?? parameters['ipaddr']
  const plug = parameters['plug'] ?? parameters['port']
  const at = place === undefined ? '' : ` at ${place}`
  return `${agent}${at}${plug === undefined ? '' : ` plug ${plug}`}`
}

/** Names of all secrets that the fence of a host needs, each once. */
export const secretsOfHost = (spec: {
  readonly fence?: FenceLevels
  readonly courtesy?: SshCourtesy
}): readonly string[] => [
  ...new Set([...secretsOf(spec.fence ?? []), ...(spec.courtesy ? [spec.courtesy.secret] : [])])
]

/** Names of all secrets that devices of these levels need, each once. */
export function secretsOf(levels: FenceLevels): readonly string[] {
  const names = levels.flatMap(({ devices }) => devices.flatMap(secretsOfDevice))
  return [...new Set(names)]
}

function secretsOfDevice(device: FenceDevice): readonly string[] {
  switch (device.type) {
    case 'ipmi':
    case 'redfish':
      return [device.secret]
    case 'agent':
      return Object.values(device.secrets)
    case 'pdu':
      return device.outlets.flatMap(({ secrets }) => Object.values(secrets))
    case 'lab':
      return []
    default:
      throw new TypeError(`no such device: ${JSON.stringify(device satisfies never)}`)
  }
}
