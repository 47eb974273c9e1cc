/**
 * Empties a host of a lab that runs ten VMs, while each of them is asked over HTTP all the time
 * from the switch. Every one must answer throughout: what is measured is the longest gap between
 * two answers of each, beside the longest one of a time in which nothing happened.
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
  await untilTrue(async () => addresses.every(address => answers.of(address).length > 2))
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
      `drain: ${what}: median of ${count} instances ${Math.round(median(gaps))} ms, ` +
        `longest ${Math.round(Math.max(...gaps))} ms`
    )
  print(`drain: ${duty?.done} of ${duty?.total} left in ${tookMs} ms, two at a time`)
  line('longest gap between two answers, in quiet', quiet)
  line('longest gap between two answers, in the drain', drained)
  print(`drain: it stood still, as QEMU counts: longest ${duty?.stillMsMax ?? 0} ms`)
  print(`drain: load at the end ${loadavg()[0]!.toFixed(1)}`)
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

/** Asks each address again and again, with rests, and writes a line for each answer within 2 s. */
const program = `
import { get } from 'node:http'
const rest = () => new Promise(resolve => setTimeout(resolve, 300))
const ask = host => new Promise(resolve => {
  const request = get({ host, timeout: 2000, agent: false }, response => {
    response.resume()
    response.once('end', () => resolve(response.statusCode === 200))
  })
  request.once('timeout', () => request.destroy(new Error('late')))
  request.once('error', () => resolve(false))
})
const tell = host => process.stdout.write(host + ' ' + performance.now() + '\\n')
const watch = async host => {
  for (;;) {
    if (await ask(host)) tell(host)
    await rest()
  }
}
await Promise.all(process.argv.slice(1).filter(word => word !== '--').map(watch))
`

/** Moments of answers by address, on the clock of the process that asks. */
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

  of(address: string): readonly number[] {
    return this.#moments.get(address) ?? []
  }

  /** The longest gap of each address from the last answer before some work to the first after. */
  async during(
    addresses: readonly string[],
    work: () => Promise<unknown>
  ): Promise<readonly number[]> {
    const from = new Map(addresses.map(address => [address, this.of(address).length - 1]))
    await work()
    const to = new Map(addresses.map(address => [address, this.of(address).length]))
    await untilTrue(async () =>
      addresses.every(address => this.of(address).length > to.get(address)!)
    )
    return addresses.map(address => {
      const moments = this.of(address).slice(from.get(address), to.get(address)! + 1)
      return Math.max(...moments.slice(1).map((moment, at) => moment - moments[at]!))
    })
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
