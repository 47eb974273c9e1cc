/**
 * `remuda-agent join TOKEN`: writes down what the agent needs to be let in. It can be said again at
 * any time; the agent, also one that runs, reads what is written while no controller is there.
 */
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { isIPv4 } from 'node:net'
import { join } from 'node:path'
import { Fault, sentence } from '#shared/fault.ts'
import { writePrivateFile } from '#shared/private-file.ts'
import { run } from '#shared/process.ts'
import { type JoinTokenContent, readJoinToken } from '#shared/wire/join-token.ts'
import { readAdmission } from './admission.ts'
import { readConfig } from './config.ts'
import { joinFileOf, readJoinFile, writeJoinFile } from './join-file.ts'

/** What `join` works with. */
export type JoinRun = {
  /** What stands after `join`: the token, or - for standard input, and flags of the agent. */
  readonly args: readonly string[]
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Reads all of standard input. */
  readonly input: () => Promise<string>
}

/** Fields of the configuration that are written down when they were said as a flag. */
const keptFields = ['address', 'port'] as const

/** A host may wait for days until a cloud gives it a token; whoever starts the agent asks anew. */
const askMsMax = 86_400_000

/** Writes what is needed, and gives the sentence that says so. Faults: `invalid`, `conflict`. */
export async function joinCloud({ args, environment, input }: JoinRun): Promise<string> {
  const [said, ...flags] = args
  if (said === undefined || said.startsWith('--')) {
    throw new Fault('invalid', 'cannot join: there is no token', {
      next: ['remuda-agent join TOKEN', 'remuda-agent join - < FILE']
    })
  }
  const token = readJoinToken(said === '-' ? await input() : said)
  const config = await readConfig(flags, environment)
  const { state } = config
  const own = join(state, 'agent')
  const admission = await readAdmission(join(own, 'admission.json'))
  if (admission !== undefined && admission.cloud !== token.cloud) {
    throw new Fault('conflict', `cannot join cloud ${token.cloud}: this host belongs to another`, {
      reasons: [`it was let into cloud ${admission.cloud}`],
      next: [`if it shall leave that one for good: stop the agent, and rm -r ${own}`]
    })
  }
  const before = await readJoinFile(joinFileOf(state))
  const isRepeated = JSON.stringify(before) === JSON.stringify(token)
  const address = await keepPlace(join(own, 'agent.json'), { flags, environment, config, token })
  // Last of all: by this file others know that the token was taken.
  if (!isRepeated) await writeJoinFile(joinFileOf(state), token)
  const where = token.doors.map(({ endpoint }) => endpoint).join(', ')
  const member = admission === undefined ? '' : '; it is a member already'
  return (
    `this host asks to join cloud ${token.cloud} at ${where}, as ${address}${member}\n` +
    'start remuda-agent, or restart it if it runs with another address\n'
  )
}

/**
 * Joins with the token that a program prints; does nothing where it prints none: this host goes by
 * what it wrote down when it joined before. So an agent loads while the host still finds out who it
 * is. Gives the sentence that says what was done. Faults: `command`, `deadline`, those of joining.
 */
export async function joinAsTold(
  program: string | undefined,
  { args, environment }: Pick<JoinRun, 'args' | 'environment'>
): Promise<string> {
  if (program === undefined) {
    throw new Fault('invalid', 'cannot join: it is not said what program knows the token', {
      next: ['remuda-agent join --ask PROGRAM']
    })
  }
  const { stdout, stderr } = await run(program, [], { deadlineMs: askMsMax })
  if (stderr !== '') process.stderr.write(stderr)
  const token = stdout.trim()
  if (token === '') return ''
  const input = (): Promise<string> => Promise.resolve(token)
  return await joinCloud({ args: ['-', ...args], environment, input })
}

/** A failure as people read it: what, why, and what to do next. */
export const written = (fault: Fault): string =>
  [
    `error: ${sentence(fault)}`,
    ...fault.reasons.map(reason => `  why   ${reason}`),
    ...fault.next.map(step => `  next  ${step}`)
  ]
    .map(line => `${line}\n`)
    .join('')

/** Writes where this agent is reached, unless that is written already; gives the address. */
async function keepPlace(
  path: string,
  given: {
    readonly flags: readonly string[]
    readonly environment: JoinRun['environment']
    readonly config: Readonly<Record<(typeof keptFields)[number], string | number>>
    readonly token: JoinTokenContent
  }
): Promise<string> {
  const { flags, environment, config, token } = given
  const file = await readObject(path)
  const isSaid = (field: string): boolean =>
    flags.some(flag => flag === `--${field}` || flag.startsWith(`--${field}=`))
  const kept: Record<string, unknown> = { ...file }
  for (const field of keptFields) if (isSaid(field)) kept[field] = config[field]
  const isKnown = 'address' in kept || environment['REMUDA_AGENT_ADDRESS'] !== undefined
  if (!isKnown) kept['address'] = await addressTowards(token)
  if (JSON.stringify(kept) !== JSON.stringify(file)) {
    await writePrivateFile(path, `${JSON.stringify(kept, undefined, 2)}\n`)
  }
  return String(kept['address'] ?? config.address)
}

async function readObject(path: string): Promise<Readonly<Record<string, unknown>>> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as Readonly<Record<string, unknown>>
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return {}
    throw new Fault('invalid', `cannot read the configuration ${path}`, { cause: thrown })
  }
}

/** Our own address on the way to the door, as the kernel would choose it; nothing is sent. */
async function addressTowards({ doors }: JoinTokenContent): Promise<string> {
  const [, host = '', port = ''] = /^tcp:\/\/(.+):(\d+)$/.exec(doors[0]?.endpoint ?? '') ?? []
  const socket = createSocket('udp4')
  try {
    socket.connect(Number(port), host)
    await once(socket, 'connect')
    const { address } = socket.address()
    if (isIPv4(address) && address !== '0.0.0.0') return address
    throw new Fault('network', `it is ${address}`)
  } catch (cause) {
    throw new Fault('network', `cannot tell the address of this host towards ${host}`, {
      cause,
      next: ['say it: remuda-agent join TOKEN --address IP']
    })
  } finally {
    socket.close()
  }
}
