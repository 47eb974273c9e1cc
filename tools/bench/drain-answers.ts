/** How long each instance of a lab is not reached, and does not answer, as the switch sees it. */
import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { readResource } from '../cli/api/resources.ts'
import type { Lab } from '../lab/lab.ts'
import { enter } from '../lab/place.ts'

/** Nothing here takes nearly as long. Unit: ms. */
const waitMsMax = 900_000

/**
 * Asks each address for its page again and again, with rests, and calls a port of it at which
 * nobody listens. Writes a line for each page within 2 s and each refusal within 100 ms.
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
  const request = get({ host, timeout: 2000, agent: false }, response => {
    response.resume()
    response.once('end', () => resolve(response.statusCode === 200))
  })
  request.once('timeout', () => request.destroy(new Error('late')))
  request.once('error', () => resolve(false))
})
const tell = line => process.stdout.write(line + '\\n')
const watch = async (host, what, attempt, ms) => {
  for (;;) {
    if (await attempt(host)) tell(host + '/' + what + ' ' + performance.now())
    await rest(ms)
  }
}
const hosts = process.argv.slice(1).filter(word => word !== '--')
await Promise.all(
  hosts.flatMap(host => [watch(host, 'page', ask, 300), watch(host, 'call', call, 50)])
)
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
    const [command = '', ...args] = [...prefix, ...node]
    return new Answers(spawn(command, args, { cwd: '/', stdio: ['ignore', 'pipe', 'inherit'] }))
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

/** Addresses of instances, in their order, once each has answered over HTTP. */
export async function addressesOf(lab: Lab, names: readonly string[]): Promise<readonly string[]> {
  const addresses: string[] = []
  for (const name of names) {
    await untilTrue(async () => {
      const { status } = await readResource(lab.api, { kind: 'instance', name })
      const address = (status['addresses'] as readonly string[])[0] ?? ''
      if ((await lab.http(address)) === undefined) return false
      addresses.push(address)
      return true
    })
  }
  return addresses
}
