/** How long each instance of a lab is not reached, and does not answer, as the switch sees it. */
import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { Fault } from '#shared/fault.ts'
import { readResource } from '../cli/api/resources.ts'
import type { Lab } from '../lab/lab.ts'
import { enter } from '../lab/place.ts'
import { median } from './measure.ts'

/** Nothing here takes nearly as long. Unit: ms. */
const waitMsMax = 900_000

/**
 * How many processes of the machine each host of the lab is worth. All guests of a host are in one
 * group, which by itself gets no more of the processors than one process beside them.
 */
export const hostShare = 16

/** A page comes within so long however busy the machine is, or not at all. Unit: s. */
const pageSeconds = 20

/**
 * What an instance is that answers cheaply: emulated ones share the processors with all others, and
 * the page that tiny makes by a script costs them many times more than a file.
 */
export const lightSpec = {
  image: 'tiny',
  memoryMib: 96,
  pool: 'shared',
  userData: '#!/bin/sh\necho alive >/srv/www/alive\n'
} as const

/**
 * Asks each address for its page every 300 ms, whatever became of what was asked before, as clients
 * that try again do, but for no more than three pages at once: a guest that is slow is not to drown
 * in questions. And calls a port of it at which nobody listens. Writes a line for each page within
 * 5 s and each refusal within 100 ms.
 */
const program = `
import { get } from 'node:http'
import { connect } from 'node:net'
const rest = ms => new Promise(resolve => setTimeout(resolve, ms))
const call = host => new Promise(resolve => {
  const socket = connect({ host, port: 9 })
  const end = reached => { socket.destroy(); resolve(reached) }
  const late = setTimeout(() => end(false), 100)
  socket.once('error', ({ code }) => { clearTimeout(late); end(code === 'ECONNREFUSED') })
  socket.once('connect', () => { clearTimeout(late); end(true) })
})
const ask = host => new Promise(resolve => {
  const request = get({ host, path: '/alive', agent: false }, response => {
    response.resume()
    response.once('end', () => end(response.statusCode === 200))
    response.once('error', () => end(false))
  })
  const end = answered => { clearTimeout(late); request.destroy(); resolve(answered) }
  const late = setTimeout(() => end(false), 5000)
  request.once('error', () => end(false))
})
const tell = line => process.stdout.write(line + '\\n')
const tryOnce = async (host, what, attempt) => {
  if (await attempt(host)) tell(host + '/' + what + ' ' + performance.now())
}
const watch = async host => {
  let asked = 0
  for (;;) {
    if (asked < 3) {
      asked += 1
      void tryOnce(host, 'page', ask).then(() => { asked -= 1 })
    }
    for (let count = 0; count < 2; count += 1) {
      void tryOnce(host, 'call', call)
      await rest(150)
    }
  }
}
await Promise.all(process.argv.slice(1).filter(word => word !== '--').map(watch))
`

/** The longest gaps of all instances, of both kinds. Unit: ms. */
export type GapsFound = {
  readonly reached: readonly number[]
  readonly answered: readonly number[]
}

/** Moments of answers by address and kind, on the clock of the process that asks. */
export class Answers implements AsyncDisposable {
  readonly #child: ChildProcess
  readonly #moments = new Map<string, number[]>()

  private constructor(child: ChildProcess) {
    this.#child = child
    createInterface({ input: child.stdout! }).on('line', line => {
      const [address = '', moment] = line.split(' ')
      this.#moments.set(address, [...this.of(address), Number(moment)])
    })
  }

  static async start(lab: Lab, addresses: readonly string[]): Promise<Answers> {
    const prefix = enter(await lab.status(), 'switch')
    const node = [process.execPath, '--input-type=module', '--eval', program, '--', ...addresses]
    // Beside hosts that are worth many processes, who asks would wait for its turn itself.
    const args = ['-n', '-19', ...prefix, ...node]
    return new Answers(spawn('nice', args, { cwd: '/', stdio: ['ignore', 'pipe', 'inherit'] }))
  }

  of(key: string): readonly number[] {
    return this.#moments.get(key) ?? []
  }

  /** The longest gap of each address from the last answer before some work to the first after. */
  async during(addresses: readonly string[], work: () => Promise<unknown>): Promise<GapsFound> {
    const keys = addresses.flatMap(address => [`${address}/page`, `${address}/call`])
    const from = new Map(keys.map(key => [key, this.of(key).length - 1]))
    await work()
    const to = new Map(keys.map(key => [key, this.of(key).length]))
    await untilTrue(async () => keys.every(key => this.of(key).length > to.get(key)!))
    const gapOf = (key: string): number => {
      const moments = this.of(key).slice(from.get(key), to.get(key)! + 1)
      return Math.max(...moments.slice(1).map((moment, at) => moment - moments[at]!))
    }
    return {
      reached: addresses.map(address => gapOf(`${address}/call`)),
      answered: addresses.map(address => gapOf(`${address}/page`))
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = new Promise(resolve => this.#child.once('exit', resolve))
    if (this.#child.kill('SIGKILL')) await ended
  }
}

/** Looks again and again until something is so. */
export async function untilTrue(condition: () => Promise<boolean>): Promise<void> {
  const late = performance.now() + waitMsMax
  while (!(await condition())) {
    if (performance.now() > late) throw new Error(`it did not come about in ${waitMsMax} ms`)
    await sleep(100)
  }
}

/** Addresses of instances that answer cheaply, in their order, once each has answered. */
export async function addressesOf(lab: Lab, names: readonly string[]): Promise<readonly string[]> {
  const addresses: string[] = []
  for (const name of names) {
    await untilTrue(async () => {
      const { status } = await readResource(lab.api, { kind: 'instance', name })
      const address = (status['addresses'] as readonly string[])[0] ?? ''
      const page = await lab.http(address, { path: 'alive', seconds: pageSeconds })
      if (page === undefined) return false
      addresses.push(address)
      return true
    })
  }
  return addresses
}

/** How an instance answered, in a time of rest and while something was done. Unit: ms. */
export type GapsOf = { readonly name: string; readonly quietMs: number; readonly foundMs: number }

/** Prints the longest gaps of all instances, of both kinds, and those between pages one by one. */
export function reportGaps(
  print: (line: string) => void,
  { names, quiet, found, during }: GapsReport
): void {
  const line = (what: string, gaps: readonly number[]): void =>
    print(
      `${what}: median of ${gaps.length} instances ${Math.round(median(gaps))} ms, ` +
        `longest ${Math.round(Math.max(...gaps))} ms`
    )
  line('not reached, in quiet', quiet.reached)
  line(`not reached, ${during}`, found.reached)
  line('longest gap between two pages, in quiet', quiet.answered)
  line(`longest gap between two pages, ${during}`, found.answered)
  const each = gapsOf({ names, quiet, found }).map(
    ({ name, quietMs, foundMs }) => `${name} ${quietMs} → ${foundMs}`
  )
  print(`gaps between pages, in quiet → ${during}, in ms: ${each.join(', ')}`)
}

/** What was found of instances, by their names. */
export type GapsCompared = {
  readonly names: readonly string[]
  readonly quiet: GapsFound
  readonly found: GapsFound
}
type GapsReport = GapsCompared & {
  /** As in: while the host is emptied. */
  readonly during: string
}

const gapsOf = ({ names, quiet, found }: GapsCompared): readonly GapsOf[] =>
  names.map((name, at) => ({
    name,
    quietMs: Math.round(quiet.answered[at]!),
    foundMs: Math.round(found.answered[at]!)
  }))

/** Throws when a page was missing for longer than in quiet by more than a bound. */
export function judgeGaps(compared: GapsCompared, boundMs: number): void {
  const late = gapsOf(compared).filter(({ quietMs, foundMs }) => foundMs > quietMs + boundMs)
  if (late.length === 0) return
  const words = late.map(
    ({ name, quietMs, foundMs }) => `${name} for ${foundMs} ms, in quiet ${quietMs} ms`
  )
  throw new Fault(
    'deadline',
    `cannot call ${late.length} of ${compared.names.length} services answered`,
    { reasons: [`more than ${boundMs} ms longer than in quiet: ${words.join('; ')}`] }
  )
}
