/** Fence devices as the command line and files say them. */
import { Fault } from '#shared/fault.ts'
import { UsageFault } from '../failure.ts'
import type { Invocation } from '../invocation.ts'
import { readYamlDocuments } from '../output/yaml.ts'
import { readText } from './files.ts'
import { given as without } from './outcome.ts'

/** One level, in the form of the API; what is in it the API judges. */
export type Level = { readonly devices: readonly object[] }

const types = ['ipmi', 'redfish', 'pdu', 'agent'] as const

/** The levels that a host is to have: all that a file says, or one more, or another one. */
export async function levelsOf(
  invocation: Invocation,
  before: readonly Level[]
): Promise<readonly Level[]> {
  const { given } = invocation
  const file = given.text('file')
  const named = types.filter(type => given.text(type) !== undefined)
  if (file !== undefined) {
    if (named.length === 0) return readLevels(await readText(invocation, file), file)
    throw new UsageFault(`cannot take devices from a file and from --${named[0]} at once`)
  }
  const level = given.number('level') ?? 1
  if (level > before.length + 1) {
    throw new UsageFault(`cannot set level ${level}: there are ${before.length} levels`, {
      next: [`--level ${before.length + 1}`]
    })
  }
  const device = deviceOf(invocation, named)
  return [...before.slice(0, level - 1), { devices: [device] }, ...before.slice(level)]
}

function deviceOf(invocation: Invocation, named: readonly string[]): object {
  const { given } = invocation
  const isStrip = named.includes('pdu')
  if (isStrip ? named.join() !== 'pdu,agent' : named.length !== 1) {
    throw new UsageFault('cannot tell which device is meant', {
      reasons: ['one of --ipmi, --redfish and --agent is to be given, or --pdu with --agent'],
      next: ['remuda host fence set --help']
    })
  }
  if (named.includes('ipmi')) {
    const [address, port] = [given.text('ipmi'), given.number('port')]
    return without({ type: 'ipmi', address, port, ...login(invocation) })
  }
  if (named.includes('redfish')) {
    return without({
      ...{ type: 'redfish', url: given.text('redfish'), ...login(invocation) },
      ...{ system: given.text('system'), fingerprint: given.text('fingerprint') },
      ...(given.flag('basic') && { auth: 'basic' })
    })
  }
  return throughAgent(invocation, isStrip)
}

function throughAgent({ given }: Invocation, isStrip: boolean): object {
  const [user, secret] = [given.text('user'), given.text('secret')]
  const parameters = { ...(user !== undefined && { username: user }), ...given.pairs('parameter') }
  const secrets = {
    ...(secret !== undefined && { password: secret }),
    ...given.pairs('secret-parameter')
  }
  const agent = given.text('agent')
  if (!isStrip) return { type: 'agent', agent, parameters, secrets }
  const plugs = given.texts('outlet')
  if (plugs.length === 0) {
    throw new UsageFault('cannot use a power strip without its outlets', {
      next: ['name each that feeds the host: --outlet 3 --outlet 7']
    })
  }
  const ip = given.text('pdu')
  const outlets = plugs.map(plug => ({ agent, parameters: { ip, ...parameters, plug }, secrets }))
  return { type: 'pdu', outlets }
}

function login({ given }: Invocation): { readonly user: string; readonly secret: string } {
  const [user, secret] = [given.text('user'), given.text('secret')]
  if (user !== undefined && secret !== undefined) return { user, secret }
  throw new UsageFault('cannot log in without --user and --secret', {
    reasons: ['a secret is the name of a password that the cloud keeps'],
    next: ['remuda secret set bmc']
  })
}

type Written = { readonly fence?: unknown; readonly spec?: { readonly fence?: unknown } }

/** A list of levels, or a document that has one as `fence`, as a host has it. */
function readLevels(text: string, file: string): readonly Level[] {
  const [document, more] = readYamlDocuments(text, file)
  const value = document?.value as Written | null | undefined
  const found = Array.isArray(value) ? value : (value?.fence ?? value?.spec?.fence)
  if (Array.isArray(found) && !more) return found as readonly Level[]
  throw new Fault('invalid', `cannot find levels in ${file}`, {
    reasons: ['it is to hold one list of levels, each with its devices'],
    next: ['see how a host has them: remuda get host/h2 -o yaml']
  })
}
