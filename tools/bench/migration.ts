/**
 * Measures how long an instance does not answer over HTTP while it moves between two real hosts of
 * a lab, back and forth. A client at the switch, in the instances' own segment, opens one
 * connection after another and gives up each after 150 ms.
 */
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { GapMeter, type Gaps } from '../../test/lab/gap-meter.ts'
import { createResource, readResource, sayVerb } from '../cli/api/resources.ts'
import type { Lab } from '../lab/lab.ts'
import { openLab } from '../lab/open.ts'
import { median } from './measure.ts'

const moves = 10
/** Before and after each move the instance is watched for so long. Unit: ms. */
const besideMs = 1_000
/** No move takes nearly as long. Unit: ms. */
const moveMsMax = 120_000

const web = { kind: 'instance' as const, name: 'web' }

/** Prints the gaps, what the hypervisor itself counted, and how long a move took. */
export async function migrationBench(print: (line: string) => void): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'remuda-bench-'))
  const ranges = { subnet: '10.81.0.0/24', instances: '10.82.0.0/24' }
  await using lab = await openLab({
    folder,
    hosts: 2,
    solo: true,
    isBound: true,
    outside: false,
    ...ranges
  })
  await createResource(lab.api, web, { spec: { image: 'tiny', memoryMib: 80, pool: 'shared' } })
  const address = await untilAnswers(lab)
  const found: (Gaps & { readonly tookMs: number; readonly stillMs: number })[] = []
  for (let number = 0; number < moves; number += 1) found.push(await moveOnce(lab, address))
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

async function moveOnce(lab: Lab, address: string) {
  const from = String((await readResource(lab.api, web)).status['host'])
  const to = from === 'h1' ? 'h2' : 'h1'
  await using meter = await GapMeter.start(lab, address)
  await sleep(besideMs)
  const begun = performance.now()
  await sayVerb(lab.api, web, 'migrate', { body: { to, live: true } })
  await until(async () => {
    const { status } = await readResource(lab.api, web)
    return status['move'] === undefined && status['host'] === to
  })
  const tookMs = performance.now() - begun
  await sleep(besideMs)
  return { ...(await meter.stop()), tookMs, stillMs: await stillMs(lab) }
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

async function untilAnswers(lab: Lab): Promise<string> {
  let address = ''
  await until(async () => {
    const { status } = await readResource(lab.api, web)
    address = (status['addresses'] as readonly string[])[0] ?? ''
    return (await lab.http(address)) !== undefined
  })
  return address
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  const late = performance.now() + moveMsMax
  while (!(await condition())) {
    if (performance.now() > late) throw new Error(`it did not come about in ${moveMsMax} ms`)
    await sleep(50)
  }
}
