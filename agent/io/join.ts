/**
 * `remuda-agent join TOKEN`: writes down what the agent needs to be let in. It can be said again at
 * any time; the agent, also one that runs, reads what is written while no controller is there.
 */
import { join } from 'node:path'
import { Fault, isFault, sentence } from '#shared/fault.ts'
import { run } from '#shared/process.ts'
import type { Ms } from '#shared/units.ts'
import { readJoinToken } from '#shared/wire/join-token.ts'
import { readAdmission } from './admission.ts'
import { readConfig } from './config.ts'
import type { DoorAddress } from './door.ts'
import { joinFileOf, readJoinFile, writeJoinFile } from './join-file.ts'
import { type AddressGiven, addressNow, keepAddress } from './own-address.ts'

/** What `join` works with. */
export type JoinRun = {
  /** What stands after `join`: the token, or - for standard input, and flags of the agent. */
  readonly args: readonly string[]
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Reads all of standard input. */
  readonly input: () => Promise<string>
}

/** A host may wait for days until a cloud gives it a token; whoever starts the agent asks anew. */
const askMsMax = 86_400_000

/**
 * Writes what is needed, and gives the sentence that says so. Faults: `invalid`, `conflict`,
 * `network`.
 */
export async function joinCloud(asked: JoinRun): Promise<string> {
  return (await takeToken(asked, keepAddress)).said
}

/** What was done, and where the agent is reached from now on. */
type Taken = { readonly said: string; readonly address: string }

async function takeToken(
  { args, environment, input }: JoinRun,
  addressOf: (given: AddressGiven) => Promise<string>
): Promise<Taken> {
  const [word, ...flags] = args
  if (word === undefined || word.startsWith('--')) {
    throw new Fault('invalid', 'cannot join: there is no token', {
      next: ['remuda-agent join TOKEN', 'remuda-agent join - < FILE']
    })
  }
  const token = readJoinToken(word === '-' ? await input() : word)
  const config = await readConfig(flags, environment)
  const { state } = config
  const own = join(state, 'agent')
  const { doors } = token
  const admission = await readAdmission(join(own, 'admission.json'))
  if (admission !== undefined && admission.cloud !== token.cloud) {
    throw new Fault('conflict', `cannot join cloud ${token.cloud}: this host belongs to another`, {
      reasons: [`it was let into cloud ${admission.cloud}`],
      next: [`if it shall leave that one for good: stop the agent, and rm -r ${own}`]
    })
  }
  const before = await readJoinFile(joinFileOf(state))
  const isRepeated = JSON.stringify(before) === JSON.stringify(token)
  const address = await addressOf({ path: fileOf(state), flags, environment, config, doors })
  // Last of all: by this file others know that the token was taken.
  if (!isRepeated) await writeJoinFile(joinFileOf(state), token)
  const where = doors.map(({ endpoint }) => endpoint).join(', ')
  const member = admission === undefined ? '' : '; it is a member already'
  const said =
    `this host asks to join cloud ${token.cloud} at ${where}, as ${address}${member}\n` +
    'start remuda-agent, or restart it if it runs with another address\n'
  return { said, address }
}

const fileOf = (state: string): string => join(state, 'agent', 'agent.json')

/**
 * Joins with the token that a program prints; where it prints none, this host goes by what it wrote
 * down when it joined before. So an agent loads while the host still finds out who it is. Gives the
 * sentence that says what was done, and the flags to go on with: they say the address that this
 * host has now. Faults: `command`, `deadline`, those of joining.
 */
export async function joinAsTold(
  program: string | undefined,
  asked: Pick<JoinRun, 'args' | 'environment'> & {
    /** How long an address that is written down may be absent, if not for half a minute. */
    readonly absentMs?: Ms
  }
): Promise<{ readonly said: string; readonly flags: readonly string[] }> {
  if (program === undefined) {
    throw new Fault('invalid', 'cannot join: it is not said what program knows the token', {
      next: ['remuda-agent join --ask PROGRAM']
    })
  }
  const { stdout, stderr } = await run(program, [], { deadlineMs: askMsMax })
  if (stderr !== '') process.stderr.write(stderr)
  const token = stdout.trim()
  const { args, environment, absentMs } = asked
  const config = await readConfig(args, environment)
  const { state } = config
  const addressOf = (given: AddressGiven): Promise<string> => addressNow(given, absentMs)
  const input = (): Promise<string> => Promise.resolve(token)
  const goOn = async (): Promise<Taken> => {
    const [path, doors] = [fileOf(state), await doorsKept(state)]
    return { said: '', address: await addressOf({ path, flags: args, environment, config, doors }) }
  }
  const { said, address } =
    token === ''
      ? await goOn()
      : await takeToken({ args: ['-', ...args], environment, input }, addressOf)
  return { said, flags: address === config.address ? args : [...args, '--address', address] }
}

/** The doors of the token that was taken before; the agent itself tells of a broken file. */
async function doorsKept(state: string): Promise<readonly DoorAddress[]> {
  try {
    return (await readJoinFile(joinFileOf(state)))?.doors ?? []
  } catch (thrown) {
    if (!isFault(thrown)) throw thrown
    return []
  }
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
