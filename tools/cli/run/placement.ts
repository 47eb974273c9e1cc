/** By what instances are placed, where some would be, and why one is where it is. */
import { pathOf, readJson, tenantQuery } from '../api/resources.ts'
import { UsageFault } from '../failure.ts'
import type { Invocation } from '../invocation.ts'
import { writeReference } from '../kinds.ts'
import { renderRaw, renderRows } from '../output/results.ts'
import { oneLine } from '../terminal.ts'
import { devicesOf } from './placing.ts'
import { specOf } from './spec.ts'
import { readSubject } from './subject.ts'

type WeightsSaid = {
  readonly weights: readonly {
    readonly name: string
    readonly weight: number
    readonly default: number
  }[]
  readonly overhead: string
}
type Rejected = readonly { readonly host: string; readonly because: string }[]

/** What the API says of where an instance is or could be. */
export type PlacementSaid = {
  readonly chosen?: string
  readonly scored?: readonly {
    readonly host: string
    readonly score: number
    readonly parts: readonly {
      readonly name: string
      readonly weight: number
      readonly value: number
    }[]
  }[]
  readonly rejected?: Rejected
  readonly changes?: readonly string[]
}

const path = '/v1/placement'

/** Shows how much each score counts. */
export async function showWeights(invocation: Invocation): Promise<void> {
  const doing = 'show the weights of placement'
  const api = await invocation.connect()
  const answer = await api.ask({ method: 'GET', path, doing, signal: invocation.signal })
  await writeWeights(invocation, readJson(answer, doing) as WeightsSaid)
}

/** Sets how much scores count. */
export async function setWeights(invocation: Invocation): Promise<void> {
  const doing = 'set the weights of placement'
  const overhead = invocation.given.text('overhead')
  const weights = Object.fromEntries(
    Object.entries(invocation.given.pairs('weight')).map(([name, text]) => {
      if (text === 'default') return [name, null]
      const weight = Number(text)
      if (text.trim() !== '' && Number.isFinite(weight)) return [name, weight]
      throw new UsageFault(`cannot read "${text}" as the weight of ${name}`, {
        next: ['write a number, such as --weight cpu=50, or --weight cpu=default']
      })
    })
  )
  if (overhead === undefined && Object.keys(weights).length === 0) {
    throw new UsageFault(`cannot ${doing}: nothing is to be set`, {
      next: ['give --weight SCORE=WEIGHT or --overhead WORD']
    })
  }
  const api = await invocation.connect()
  const { signal } = invocation
  const body = { ...weights, ...(overhead !== undefined && { overhead }) }
  const answer = await api.ask({ method: 'PATCH', path, body, doing, signal })
  await writeWeights(invocation, readJson(answer, doing) as WeightsSaid)
}

async function writeWeights(invocation: Invocation, said: WeightsSaid): Promise<void> {
  const raw = await renderRaw(invocation, said)
  const rows = said.weights.map(one => [one.name, String(one.weight), String(one.default)])
  if (raw !== undefined) return invocation.write(raw)
  invocation.write(renderRows(invocation, ['SCORE', 'WEIGHT', 'DEFAULT'], rows))
  invocation.write(`memory beside that of instances is ${said.overhead}\n`)
}

/** Plans how some would be spread. */
export async function planPlacement(invocation: Invocation): Promise<void> {
  const { given, signal, settings } = invocation
  const count = given.number('count') ?? 1
  const body = { ...specOf(invocation, 'instance'), ...devicesOf(invocation), count }
  const doing = 'plan the placement'
  const api = await invocation.connect()
  const query = settings.tenant === undefined ? {} : { tenant: settings.tenant }
  const plan = { method: 'POST', path: `${path}/plan`, query, body, doing, signal } as const
  const said = readJson(await api.ask(plan), doing) as {
    readonly placed: number
    readonly hosts: readonly { readonly host: string; readonly count: number }[]
    readonly rejected: Rejected
    readonly changes: readonly string[]
  }
  const raw = await renderRaw(invocation, said)
  if (raw !== undefined) return invocation.write(raw)
  const rows = said.hosts.map(one => [one.host, String(one.count)])
  if (rows.length > 0) invocation.write(renderRows(invocation, ['HOST', 'INSTANCES'], rows))
  invocation.write(`${said.placed} of ${count} find a place; nothing was done\n`)
  if (said.placed < count) writeRejected(invocation, said)
}

/** Shows what each host comes to, or why it cannot take an instance. */
export async function explainPlacement(invocation: Invocation): Promise<void> {
  const reference = readSubject(invocation, invocation.given.positional('KIND/NAME')!)
  const doing = `explain the placement of ${writeReference(reference)}`
  if (reference.kind !== 'instance') {
    throw new UsageFault(`cannot ${doing}: only instances are placed`, {
      next: ['name one: remuda explain-placement instance/NAME']
    })
  }
  const api = await invocation.connect()
  const answer = await api.ask({
    method: 'GET',
    path: `${pathOf(reference.kind, reference.name)}/why`,
    query: tenantQuery(reference.kind, reference.tenant),
    doing,
    signal: invocation.signal
  })
  const { placement = {} } = readJson(answer, doing) as { readonly placement?: PlacementSaid }
  const raw = await renderRaw(invocation, placement)
  if (raw !== undefined) return invocation.write(raw)
  writePlacement(invocation, placement)
}

/** Writes the table of hosts that could take it, and why the others cannot. */
export function writePlacement(invocation: Invocation, said: PlacementSaid): void {
  const { chosen, scored = [] } = said
  if (scored.length > 0) {
    const rows = scored.map(({ host, score, parts }) => [
      host === chosen ? `${host} (here)` : host,
      tenths(score),
      parts.map(({ name, weight, value }) => `${name} ${tenths(weight * value)}`).join(', ')
    ])
    const titles = ['COULD BE ON', 'SCORE', { title: 'OF WHICH', wraps: true }]
    invocation.write(`\n${renderRows(invocation, titles, rows)}`)
  }
  writeRejected(invocation, said)
}

function writeRejected(invocation: Invocation, { rejected = [], changes = [] }: PlacementSaid) {
  if (rejected.length > 0) {
    const rows = rejected.map(({ host, because }) => [host, because])
    invocation.write(
      `\n${renderRows(invocation, ['NOT ON', { title: 'BECAUSE', wraps: true }], rows)}`
    )
  }
  for (const change of changes) invocation.write(`it would fit ${oneLine(change)}\n`)
}

const tenths = (value: number): string => String(Math.round(value * 10) / 10)
