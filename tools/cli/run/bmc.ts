/** Baseboard controllers: which there are, and having bootds look for them. */
import { setTimeout as sleep } from 'node:timers/promises'
import { Fault } from '#shared/fault.ts'
import { formatMs } from '#shared/units.ts'
import type { BmcFound, BmcsFound } from '#shared/wire/bootd-question.ts'
import { readJson } from '../api/resources.ts'
import type { Invocation } from '../invocation.ts'
import { renderRaw, renderRows } from '../output/results.ts'
import { writeAge } from '../output/values.ts'
import { oneLine } from '../terminal.ts'

/** How often it is looked how far a scan is. Unit: ms. */
const lookMs = 500
const waitMsElse = 300_000

type Bmcs = {
  readonly items: readonly (Omit<BmcFound, 'at'> & {
    readonly at?: string
    readonly bootds: readonly string[]
    readonly fences: readonly string[]
  })[]
  readonly scans: readonly (NonNullable<BmcsFound['scan']> & { readonly bootd: string })[]
  readonly problems: readonly string[]
}

/** Lists them. */
export const listBmcs = async (invocation: Invocation): Promise<void> =>
  await show(invocation, await read(invocation))

/** Has them looked for, and shows what was found. */
export async function scanBmcs(invocation: Invocation): Promise<void> {
  const { given, signal } = invocation
  const range = given.positional('RANGE')!
  const api = await invocation.connect()
  const doing = `look for baseboard controllers in ${range}`
  const path = '/v1/bmcs/scan'
  const answer = await api.ask({ method: 'POST', path, body: { range }, doing, signal })
  let now = readJson(answer, doing) as Bmcs
  const waitMs = given.number('timeout') ?? waitMsElse
  const begun = performance.now()
  while (!given.flag('no-wait') && now.scans.some(one => !one.isOver) && !signal.aborted) {
    if (performance.now() - begun > waitMs) {
      throw new Fault('deadline', `cannot wait longer than ${formatMs(waitMs)} for the scan`, {
        reasons: now.scans.map(({ bootd, asked, of }) => `${bootd}: ${asked} of ${of} were asked`),
        next: ['remuda bmc list']
      })
    }
    await sleep(lookMs, undefined, { signal }).catch(() => {})
    now = await read(invocation)
  }
  await show(invocation, now)
}

async function read(invocation: Invocation): Promise<Bmcs> {
  const doing = 'list baseboard controllers'
  const api = await invocation.connect()
  const { signal } = invocation
  return readJson(await api.ask({ method: 'GET', path: '/v1/bmcs', doing, signal }), doing) as Bmcs
}

async function show(invocation: Invocation, bmcs: Bmcs): Promise<void> {
  const raw = await renderRaw(invocation, { kind: 'list', ...bmcs })
  if (raw !== undefined) return invocation.write(raw)
  for (const { bootd, range, problem } of bmcs.scans) {
    if (problem !== undefined) invocation.note(`${bootd}: ${range}: ${oneLine(problem)}\n`)
  }
  for (const problem of bmcs.problems) invocation.note(`${oneLine(problem)}\n`)
  if (bmcs.items.length === 0) {
    invocation.write('none was found yet: remuda bmc scan 10.0.5.0/24\n')
    return
  }
  const now = Date.now()
  const rows = bmcs.items.map(one => [
    ...[one.address, one.mac ?? '-', ipmiOf(one), one.redfish ?? '-'],
    one.at === undefined ? 'never' : writeAge(one.at, now),
    one.fences.join(', ') || '-',
    one.product === undefined ? '-' : oneLine(one.product)
  ])
  invocation.write(renderRows(invocation, heads, rows))
}

/** On 80 columns what is long goes on in the next line, and nothing is cut. */
const heads = [
  ...['ADDRESS', 'MAC', 'IPMI', 'REDFISH', 'HEARD'].map(title => ({ title, keeps: true })),
  ...['FENCES', 'PRODUCT'].map(title => ({ title, wraps: true }))
]

const ipmiOf = ({ asf, ipmi, ipmi2 }: Bmcs['items'][number]): string =>
  ipmi ? (ipmi2 ? '2.0' : '1.5') : asf ? 'ASF' : '-'
