/** What a controller is told at its start: flags, environment, then its file, then defaults. */
import { stat } from 'node:fs/promises'
import { hostname } from 'node:os'
import Type from 'typebox'
import { findConfig } from '#shared/config.ts'
import { Fault } from '#shared/fault.ts'
import { Strict, Words } from '#shared/model/resource.ts'
import type { DeepReadonly } from '#shared/model/types.ts'
import { stateDefault } from '#shared/state-folder.ts'
import { doorPort } from '#shared/wire/door.ts'
import type { TlsFiles } from '#shared/zookeeper/tls-files.ts'
import { timingProblems } from '../core/timing.ts'

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
  name: Type.String({
    default: '',
    maxLength: 63,
    pattern: '^([a-z0-9]([a-z0-9-]*[a-z0-9])?)?$',
    description: 'Name of this candidate; that of the machine when left out.'
  }),
  journal: Words(['level', 'zookeeper', 'postgres'], {
    description: 'Where the truth is kept: embedded for one controller, shared for several.',
    default: 'level'
  }),
  ensemble: Type.Optional(
    Type.String({ description: 'ZooKeeper servers: 10.0.0.1:2181,10.0.0.2:2181,…' })
  ),
  ensembleSecretFile: Type.Optional(
    Type.String({ description: 'File of mode 0600 with USER:PASSWORD for the ensemble.' })
  ),
  ensembleAuthority: Type.Optional(
    Type.String({ description: 'PEM file of who signed its certificates: TLS is spoken with it.' })
  ),
  ensembleCertificate: Type.Optional(
    Type.String({ description: 'PEM file that we show to the ensemble, where it asks for one.' })
  ),
  ensembleKey: Type.Optional(
    Type.String({ description: 'PEM file of the key of that certificate.' })
  ),
  sessionMs: Type.Integer({
    minimum: 1_000,
    maximum: 60_000,
    default: 6_000,
    description: 'Silence after which the ensemble lets another candidate lead. Unit: ms.'
  }),
  postgres: Type.Optional(
    Type.String({ description: 'URL of the PostgreSQL database, without a password.' })
  ),
  postgresPasswordFile: Type.Optional(
    Type.String({ description: 'File of mode 0600 with the password of the database.' })
  ),
  postgresAuthority: Type.Optional(
    Type.String({ description: 'PEM file of who signed its certificate: TLS is spoken with it.' })
  ),
  cloud: Type.String({
    default: 'remuda',
    minLength: 1,
    maxLength: 63,
    description: 'Name of the cloud; a PostgreSQL database holds one.'
  }),
  apiUrl: Type.Optional(
    Type.String({
      pattern: '^https?://',
      description: 'How other candidates reach this API; made of its address when left out.'
    })
  ),
  apiAuthority: Type.Optional(
    Type.String({ description: 'PEM file of who has signed the certificates of other candidates.' })
  ),
  logLevel: Words(['debug', 'info', 'warn', 'error'], {
    description: 'Least urgency of what is logged.',
    default: 'info'
  })
})
export type ControllerConfig = DeepReadonly<Type.Static<typeof ControllerConfig>>

/** Reads the configuration; Fault `invalid` names each field that is at fault. */
export async function readConfig(
  args: readonly string[],
  environment: Readonly<Record<string, string | undefined>>
): Promise<ControllerConfig> {
  const schema = ControllerConfig
  const kind = { schema, file: 'controller/controller.json', variables: 'REMUDA_' }
  const { config, problems, path } = await findConfig(kind, { args, environment })
  if (problems.length > 0) {
    throw new Fault('invalid', 'cannot use the configuration', {
      reasons: problems,
      next: [`mend ${path}, the flags, or the variables REMUDA_…`]
    })
  }
  const whole = config as ControllerConfig
  const named = { ...whole, name: whole.name || machineName() }
  await checkTogether(named)
  return named
}

const machineName = (): string =>
  hostname()
    .toLowerCase()
    .replace(/\..*$/, '')
    .replace(/[^a-z0-9-]/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, 63) || 'controller'

/** Refuses fields that are right one by one and make no sense together. */
async function checkTogether(config: ControllerConfig): Promise<void> {
  const { sessionMs, journal, ensemble, ensembleSecretFile, postgres, postgresPasswordFile } =
    config
  const reasons: string[] = [...timingProblems({ sessionMs })]
  if (journal === 'zookeeper' && ensemble === undefined) {
    reasons.push('journal is zookeeper, and ensemble does not say where that is')
  }
  if (journal === 'level' && ensemble !== undefined) {
    reasons.push('ensemble is said, and journal is level, which no other candidate can read')
  }
  if (ensemble !== undefined && ensembleSecretFile === undefined) {
    reasons.push('ensemble is said, and ensembleSecretFile does not say with which secret')
  }
  for (const server of serversOf(ensemble)) {
    if (!/^[a-z0-9.-]+:[1-9]\d{0,4}$|^\[[0-9a-f:]+\]:[1-9]\d{0,4}$/i.test(server)) {
      reasons.push(`ensemble names "${server}", which is no HOST:PORT`)
    }
  }
  if (journal === 'postgres' && postgres === undefined) {
    reasons.push('journal is postgres, and postgres does not say where that is')
  }
  if (postgres !== undefined && journal !== 'postgres') {
    reasons.push(`postgres is said, and journal is ${journal}`)
  }
  if (postgres !== undefined && URL.parse(postgres)?.password !== '') {
    reasons.push('postgres is no URL, or has a password in it: that belongs in a file of its own')
  }
  for (const [field, path] of Object.entries({ ensembleSecretFile, postgresPasswordFile })) {
    const objection = path === undefined ? undefined : await objectionToSecret(path)
    if (objection !== undefined) reasons.push(`${field} is ${path}: ${objection}`)
  }
  if (reasons.length === 0) return
  throw new Fault('invalid', 'cannot use the configuration', {
    reasons,
    next: ['docs/operations.md says which fields belong together']
  })
}

/** How long the sessions of candidates are; undefined: one with a journal of its own has none. */
export const sessionMsOf = ({ journal, sessionMs }: ControllerConfig): number | undefined =>
  journal === 'level' ? undefined : sessionMs

/** The servers that a field `ensemble` names. */
export const serversOf = (ensemble: string | undefined): readonly string[] =>
  ensemble === undefined ? [] : ensemble.split(',').map(server => server.trim())

/** Why a file cannot hold a secret. */
async function objectionToSecret(path: string): Promise<string | undefined> {
  const found = await stat(path).catch((cause: NodeJS.ErrnoException) => cause)
  if (found instanceof Error) {
    return found.code === 'ENOENT' ? 'there is no such file' : `it cannot be read (${found.code})`
  }
  const mode = found.mode & 0o777
  if ((mode & 0o077) === 0) return undefined
  return `its mode is ${mode.toString(8).padStart(4, '0')}, others could read it: chmod 600 ${path}`
}

/** The files of TLS to the ensemble; undefined: it is spoken to in clear. */
export function tlsOf(config: ControllerConfig): TlsFiles | undefined {
  const { ensembleAuthority: ca, ensembleCertificate: certificate, ensembleKey: key } = config
  return ca === undefined
    ? undefined
    : { ca, ...(certificate && { certificate }), ...(key && { key }) }
}
