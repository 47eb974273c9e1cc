/**
 * Where this agent is reached. What was said of that is written down; so is the address that `join`
 * has worked out, since who starts the agent later says nothing. A host that asks how to join at
 * each start of its agent works it out anew each time and does not write it down: by its next boot
 * it may have been given another one, or be on another way to the cloud.
 */
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { isIPv4 } from 'node:net'
import { networkInterfaces } from 'node:os'
import { realClock } from '#shared/clock.ts'
import { Fault } from '#shared/fault.ts'
import { writePrivateFile } from '#shared/private-file.ts'
import type { Ms } from '#shared/units.ts'
import type { AgentConfig } from './config.ts'
import type { DoorAddress } from './door.ts'

/** Fields of the configuration that are written down when they were said as a flag. */
const keptFields = ['address', 'port'] as const

/** An address that is written down may be of an interface that comes up later. Unit: ms. */
const absentMsMax: Ms = 30_000
const lookMs: Ms = 500

/** What is known of where this agent is reached. */
export type AddressGiven = {
  /** The file of the configuration. */
  readonly path: string
  readonly flags: readonly string[]
  readonly environment: Readonly<Record<string, string | undefined>>
  /** What comes of all of these, with a default where none says an address. */
  readonly config: Pick<AgentConfig, (typeof keptFields)[number]>
  /** Where it knocks; the way to the first one decides. */
  readonly doors: readonly Pick<DoorAddress, 'endpoint'>[]
}

/** Writes down where this agent is reached, unless that was said before; gives the address. */
export async function keepAddress(given: AddressGiven): Promise<string> {
  const kept = await keepSaid(given)
  if (isSaid(given, kept)) return given.config.address
  const address = await addressTowards(given.doors)
  await write(given.path, { ...kept, address })
  return address
}

/**
 * The address that was said, else the one that this host has now towards the door, which is not
 * written down. Earlier versions did write it: such a one is forgotten where no interface has it,
 * after some waiting. Fault `network`: it cannot be told.
 */
export async function addressNow(given: AddressGiven, waitMs: Ms = absentMsMax): Promise<string> {
  const { path, config, doors } = given
  const kept = await keepSaid(given)
  if (doors.length === 0) return config.address
  if (!isSaid(given, kept)) return await addressTowards(doors)
  if (!(await isAsWorkedOut(given)) || (await isHereWithin(config.address, waitMs))) {
    return config.address
  }
  const address = await addressTowards(doors)
  await write(path, {})
  return address
}

type Kept = Readonly<Record<string, unknown>>

/** Writes down what was said by flags; gives all that is written. */
async function keepSaid({ path, flags, config }: AddressGiven): Promise<Kept> {
  const file = await readKept(path)
  const kept: Record<string, unknown> = { ...file }
  for (const field of keptFields) if (isFlag(flags, field)) kept[field] = config[field]
  if (JSON.stringify(kept) !== JSON.stringify(file)) await write(path, kept)
  return kept
}

const isFlag = (flags: readonly string[], field: string): boolean =>
  flags.some(flag => flag === `--${field}` || flag.startsWith(`--${field}=`))

const variable = 'REMUDA_AGENT_ADDRESS'

const isSaid = ({ environment }: AddressGiven, kept: Kept): boolean =>
  'address' in kept || environment[variable] !== undefined

/** Whether it stands in the file alone, byte for byte as we write it; people write otherwise. */
async function isAsWorkedOut({ path, flags, environment, config }: AddressGiven): Promise<boolean> {
  if (isFlag(flags, 'address') || environment[variable] !== undefined) return false
  return (await readFile(path, 'utf8')) === textOf({ address: config.address })
}

/** Whether an interface of this machine has the address, or comes to have it in time. */
async function isHereWithin(address: string, waitMs: Ms): Promise<boolean> {
  const isHere = (): boolean =>
    Object.values(networkInterfaces()).some(all => all?.some(one => one.address === address))
  const end = realClock.monotonic() + waitMs
  while (!isHere()) {
    if (realClock.monotonic() >= end) return false
    await realClock.sleep(lookMs)
  }
  return true
}

const textOf = (kept: Kept): string => `${JSON.stringify(kept, undefined, 2)}\n`
const write = (path: string, kept: Kept): Promise<void> => writePrivateFile(path, textOf(kept))

async function readKept(path: string): Promise<Kept> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as Kept
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return {}
    throw new Fault('invalid', `cannot read the configuration ${path}`, { cause: thrown })
  }
}

/** Our own address on the way to the door, as the kernel would choose it; nothing is sent. */
async function addressTowards(doors: AddressGiven['doors']): Promise<string> {
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
