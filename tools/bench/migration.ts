/**
 * Measures how long an instance does not answer over HTTP while it moves between two real hosts of
 * a lab, back and forth. A client at the switch, in the instances' own segment, opens one
 * connection after another and gives up each after 150 ms.
 *
 * After each move it is judged as well: whoever does not answer any more, or has booted anew, was
 * broken by it, and is made anew. QEMU before 9.0 does that to VMs that it emulates.
 */
import { mkdtemp } from 'node:fs/promises'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { isFault } from '#shared/fault.ts'
import { GapMeter, type Gaps } from '../../test/lab/gap-meter.ts'
import { createResource, deleteResource, readResource, sayVerb } from '../cli/api/resources.ts'
import type { Lab } from '../lab/lab.ts'
import { openLab } from '../lab/open.ts'
import { qemuForMoves } from '../qemu/home.ts'
import { median } from './measure.ts'

/** Before and after each move the instance is watched for so long. Unit: ms. */
const besideMs = 1_000
/** No move takes nearly as long. Unit: ms. */
const moveMsMax = 180_000
/** One that has not answered for so long after its move does nothing any more. Unit: ms. */
const silentMs = 150_000
/** A page comes within so long however busy the machine is, or not at all. Unit: s. */
const pageSeconds = 30
/** What breaks soon after a move is to be seen before the next one. Unit: ms. */
const settleMs = 2_000

const web = { kind: 'instance' as const, name: 'web' }

/** What is wished of the moves. */
const optionsDefault = {
  moves: '10',
  /** How long it may stand still; 0: as long as one may where nobody says. Unit: ms. */
  downtime: '0',
  /** Memory of the instance. Unit: MiB. */
  memory: '96'
}

type Moved = Gaps & {
  readonly tookMs: number
  readonly stillMs: number
  /** How it was broken; undefined: it goes on. */
  readonly broken: string | undefined
}

/** Prints the gaps, what the hypervisor itself counted, how long a move took, and what broke. */
export async function migrationBench(print: (line: string) => void): Promise<void> {
  const text = { type: 'string' } as const
  const options = { moves: text, downtime: text, memory: text } as const
  const { values } = parseArgs({ options, allowPositionals: true })
  const given = { ...optionsDefault, ...values }
  const [downtimeMs, memoryMib] = [Number(given.downtime), Number(given.memory)]
  const folder = await mkdtemp(join(tmpdir(), 'remuda-bench-'))
  const ranges = { subnet: '10.81.0.0/24', instances: '10.82.0.0/24' }
  const [qemu, share] = [await qemuForMoves(), 4]
  const wish = {
    folder,
    hosts: 2,
    solo: true,
    isBound: true,
    outside: false,
    ...ranges,
    qemu,
    share
  }
  await using lab = await openLab(wish)
  const { stdout } = await lab.run('h1', ['qemu-system-x86_64', '--version'])
  const load = () => `load ${loadavg()[0]!.toFixed(1)}`
  print(`migration: ${stdout.split('\n')[0]}; an instance of ${memoryMib} MiB, ${load()}`)
  const found: Moved[] = []
  let address = await makeInstance(lab, memoryMib)
  for (let number = 1; number <= Number(given.moves); number += 1) {
    const moved = await moveOnce(lab, address, downtimeMs)
    found.push(moved)
    if (moved.broken === undefined) continue
    print(`migration: broken by move ${number}: ${moved.broken}`)
    address = await makeInstance(lab, memoryMib)
  }
  report(found, print)
  const broken = found.filter(each => each.broken !== undefined).length
  print(`migration: ${broken} of ${found.length} moves broke the instance, ${load()}`)
}

function report(found: readonly Moved[], print: (line: string) => void): void {
  const line = (what: string, values: readonly number[]): void =>
    print(
      `migration: ${what}: median ${Math.round(median(values))} ms, ` +
        `longest ${Math.round(Math.max(...values))} ms`
    )
  line(
    'longest gap between two answers',
    found.map(each => each.longestMs)
  )
  line(
    'usual time between two answers',
    found.map(each => each.medianMs)
  )
  line(
    'it stood still, as QEMU counts',
    found.map(each => each.stillMs)
  )
  line(
    'from the wish to the last word',
    found.map(each => each.tookMs)
  )
}

/** Makes the instance, in the place of an earlier one, and gives its address once it answers. */
async function makeInstance(lab: Lab, memoryMib: number): Promise<string> {
  await until(async () => {
    try {
      await deleteResource(lab.api, web)
    } catch (thrown) {
      if (isFault(thrown, 'not-found')) return true
      if (!isFault(thrown, 'conflict')) throw thrown
    }
    return false
  })
  const spec = { image: 'tiny', memoryMib, pool: 'shared' }
  await until(async () => {
    try {
      await createResource(lab.api, web, { spec })
      return true
    } catch (thrown) {
      if (!isFault(thrown, 'conflict')) throw thrown // its volume is being deleted still
      return false
    }
  })
  let address = ''
  await until(async () => {
    const { status } = await readResource(lab.api, web)
    address = (status['addresses'] as readonly string[])[0] ?? ''
    return (await lab.http(address, { seconds: pageSeconds })) !== undefined
  })
  return address
}

async function moveOnce(lab: Lab, address: string, downtimeMs: number): Promise<Moved> {
  const from = String((await readResource(lab.api, web)).status['host'])
  const to = from === 'h1' ? 'h2' : 'h1'
  await using meter = await GapMeter.start(lab, address)
  await sleep(besideMs)
  const begun = performance.now()
  const body = { to, live: true, ...(downtimeMs > 0 && { downtimeMs }) }
  await sayVerb(lab.api, web, 'migrate', { body })
  await until(async () => {
    const { status } = await readResource(lab.api, web)
    return status['move'] === undefined && status['host'] === to
  })
  const tookMs = performance.now() - begun
  await sleep(besideMs)
  const gaps = await meter.stop()
  return { ...gaps, tookMs, stillMs: await stillMs(lab), broken: await whyBroken(lab, address) }
}

/** How a move has broken an instance that has booted once; undefined: it answers as before. */
async function whyBroken(lab: Lab, address: string): Promise<string | undefined> {
  await sleep(settleMs)
  const late = performance.now() + silentMs
  while (performance.now() < late) {
    const page = await lab.http(address, { seconds: pageSeconds })
    const boots = /^boots: (\d+)$/m.exec(page ?? '')?.[1]
    if (boots !== undefined) return boots === '1' ? undefined : `it has booted ${boots} times`
    await sleep(500)
  }
  return `no answer for ${silentMs} ms`
}

/** What the decision says of the time that it stood still. */
async function stillMs(lab: Lab): Promise<number> {
  const path = '/v1/instances/web/history'
  const answer = await lab.api.ask({ method: 'GET', path, doing: 'read the history' })
  const { items } = JSON.parse(answer.bytes.toString()) as {
    readonly items: readonly { readonly verb: string; readonly because: string }[]
  }
  const because = items.findLast(({ verb }) => verb === 'moved')?.because ?? ''
  return Number(/stood still for (\d+) ms/.exec(because)?.[1] ?? 0)
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  const late = performance.now() + moveMsMax
  while (!(await condition())) {
    if (performance.now() > late) throw new Error(`it did not come about in ${moveMsMax} ms`)
    await sleep(50)
  }
}
