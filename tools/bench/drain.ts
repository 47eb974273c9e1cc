/**
 * Empties a host of a lab that runs ten VMs, while each of them is asked all the time from the
 * switch. Every one must answer throughout: what is measured is the longest gap between two answers
 * of each, beside the longest one of a time in which nothing happened.
 *
 * Three clocks tell where a gap comes from. QEMU counts how long a processor stood still. A port at
 * which nobody listens is called again and again: the guest's kernel refuses at once, so this is
 * how long no frame got through; what it is longer than the standstill is the network's and ours.
 * And a page is asked for over HTTP: what that takes longer is the guest's, and TCP's, which sends
 * a lost first packet again after 1 s.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp } from 'node:fs/promises'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { createResource, patchResource, readResource, sayVerb } from '../cli/api/resources.ts'
import type { DutySaid } from '../cli/run/host-duty.ts'
import type { Lab } from '../lab/lab.ts'
import { openLab } from '../lab/open.ts'
import { enter } from '../lab/place.ts'
import { median } from './measure.ts'

const count = 10
const names = Array.from({ length: count }, (_, at) => `web${at + 1}`)
/** Ten VMs on two threads, and as many on their way. */
const vcpusPerThread = 16
/** How long nothing happens, for comparison. Unit: ms. */
const quietMs = 20_000
/** Nothing here takes nearly as long. Unit: ms. */
const waitMsMax = 900_000

const host = (name: string) => ({ kind: 'host' as const, name })
const instance = (name: string) => ({ kind: 'instance' as const, name })

/** Prints how long it took, what each instance's longest gap was, and how many answered wrong. */
export async function drainBench(print: (line: string) => void): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'remuda-bench-'))
  const ranges = { subnet: '10.87.0.0/24', instances: '10.88.0.0/24' }
  const wish = { folder, hosts: 3, solo: true, isBound: true, outside: false, ...ranges }
  await using lab = await openLab(wish)
  const addresses = await fill(lab)
  print(`drain: ${count} instances of 96 MiB answer on h1, load ${loadavg()[0]!.toFixed(1)}`)
  await using answers = await Answers.start(lab, addresses)
  await untilTrue(async () => addresses.every(address => answers.of(`${address}/page`).length > 2))
  const quiet = await answers.during(addresses, () => sleep(quietMs))
  const begun = performance.now()
  let duty: DutySaid | undefined
  const drained = await answers.during(addresses, async () => {
    await sayVerb(lab.api, host('h1'), 'drain', { body: { parallel: 2 } })
    await untilTrue(async () => {
      duty = (await readResource(lab.api, host('h1'))).status['duty'] as DutySaid
      return duty.state === 'maintenance'
    })
  })
  const tookMs = Math.round(performance.now() - begun)
  const line = (what: string, gaps: readonly number[]): void =>
    print(
      `drain: ${what}: median of ${gaps.length} instances ${Math.round(median(gaps))} ms, ` +
        `longest ${Math.round(Math.max(...gaps))} ms`
    )
  print(`drain: ${duty?.done} of ${duty?.total} left in ${tookMs} ms, two at a time`)
  line('not reached, in quiet', quiet.reached)
  line('not reached, in the drain', drained.reached)
  line('stood still, as QEMU counts', await standstills(lab))
  line('longest gap between two pages, in quiet', quiet.answered)
  line('longest gap between two pages, in the drain', drained.answered)
  print(`drain: load at the end ${loadavg()[0]!.toFixed(1)}`)
}

/** How long each stood still on its way, as its history says. Unit: ms. */
async function standstills(lab: Lab): Promise<readonly number[]> {
  const found: number[] = []
  for (const name of names) {
    const path = `/v1/instances/${name}/history`
    const answer = await lab.api.ask({ method: 'GET', path, doing: 'read the history' })
    const said = /stood still for (\d+) ms/.exec(answer.bytes.toString())?.[1]
    if (said !== undefined) found.push(Number(said))
  }
  return found.length > 0 ? found : [0]
}

/** All are made while only the first host is open, and answer. */
async function fill(lab: Lab): Promise<readonly string[]> {
  const open = (schedulable: boolean) =>
    Promise.all(
      ['h2', 'h3'].map(name => patchResource(lab.api, host(name), { spec: { schedulable } }))
    )
  for (const name of ['h1', 'h2', 'h3']) {
    await patchResource(lab.api, host(name), { spec: { vcpusPerThread } })
  }
  await open(false)
  const spec = { image: 'tiny', memoryMib: 96, pool: 'shared' }
  for (const name of names) await createResource(lab.api, instance(name), { spec })
  const addresses: string[] = []
  for (const name of names) {
    await untilTrue(async () => {
      const { status } = await readResource(lab.api, instance(name))
      const address = (status['addresses'] as readonly string[])[0] ?? ''
      if ((await lab.http(address)) === undefined) return false
      addresses.push(address)
      return true
    })
  }
  await open(true)
  return addresses
}

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
type GapsFound = { readonly reached: readonly number[]; readonly answered: readonly number[] }

/** Moments of answers by address and kind, on the clock of the process that asks. */
class Answers implements AsyncDisposable {
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

async function untilTrue(condition: () => Promise<boolean>): Promise<void> {
  const late = performance.now() + waitMsMax
  while (!(await condition())) {
    if (performance.now() > late) throw new Error(`it did not come about in ${waitMsMax} ms`)
    await sleep(100)
  }
}
