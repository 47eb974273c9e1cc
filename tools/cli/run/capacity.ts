import { formatMib } from '#shared/units.ts'
import { readJson } from '../api/resources.ts'
import { UsageFault } from '../failure.ts'
import type { Invocation } from '../invocation.ts'
import { renderRaw, renderRows } from '../output/results.ts'
import { oneLine, printable } from '../terminal.ts'
import { showLive } from './live.ts'

type Said = {
  readonly reserve: {
    readonly hosts: number
    readonly domain?: string
    readonly state: 'none' | 'kept' | 'broken' | 'too-many-cases'
    readonly broken: readonly string[]
  }
  readonly whatIf: {
    readonly without: readonly string[]
    readonly with: readonly { readonly count: number; readonly like: string }[]
    readonly stranded: readonly string[]
    readonly staying: readonly {
      readonly name: string
      readonly host: string
      readonly because: string
    }[]
  }
  readonly hosts: number
  readonly memoryMib: number
  readonly memoryLeftMib: number
  readonly vcpus: number
  readonly vcpusLeft: number
  readonly losses: number
  readonly exact: boolean
  readonly sizes: readonly {
    readonly name: string
    readonly vcpus: number
    readonly memoryMib: number
    readonly now: number
    readonly after: number
    readonly worst: readonly string[]
    readonly byMemory: number
    readonly byVcpus: number
    readonly limit: string
  }[]
}

/** Shows what is left. */
export async function showCapacity(invocation: Invocation): Promise<void> {
  const { given } = invocation
  const more = given.texts('with').map(readMore)
  const query = {
    without: given.texts('without').join(',') || undefined,
    with: more.join(',') || undefined
  }
  const api = await invocation.connect()
  const doing = 'show the capacity'
  await showLive(invocation, {
    query: { kinds: 'host,instance' },
    look: async signal => {
      const answer = await api.ask({ method: 'GET', path: '/v1/capacity', query, doing, signal })
      const said = readJson(answer, doing) as Said
      return (await renderRaw(invocation, said)) ?? describe(invocation, said)
    }
  })
}

/** People write "2x like h1", the API reads 2xh1. */
function readMore(text: string): string {
  const [, count, like] = /^\s*(\d{1,4})\s*x\s*(?:like\s+)?(\S+)\s*$/.exec(text) ?? []
  if (like !== undefined && Number(count) > 0) return `${Number(count)}x${like}`
  throw new UsageFault(`cannot read "${text}" as hosts to think up`, {
    next: ['--with "2x like h1", for two more hosts like h1']
  })
}

function describe(invocation: Invocation, said: Said): string {
  const { paint } = invocation
  const { hosts, memoryMib, memoryLeftMib, vcpus, vcpusLeft, whatIf } = said
  const thought = [
    ...whatIf.without.map(name => `without ${name}`),
    ...whatIf.with.map(({ count, like }) => `with ${count} more like ${like}`)
  ]
  const rows: readonly (readonly [string, string])[] = [
    ...(thought.length > 0 ? [['what if', thought.join(', ')] as const] : []),
    ['hosts', `${hosts} open for instances`],
    ['memory', `${formatMib(memoryLeftMib)} of ${formatMib(memoryMib)} not promised`],
    ['vcpus', `${vcpusLeft} of ${vcpus} not promised`],
    ['reserve', reserveOf(said)]
  ]
  const head = rows.map(([name, text]) => `${paint('dim', name.padEnd(10))}${printable(text)}\n`)
  const faults = [
    ...said.reserve.broken,
    ...whatIf.stranded.map(name => `instance ${name} would find no place`),
    ...whatIf.staying.map(
      ({ name, host, because }) => `instance ${name} would stay down with ${host}: ${because}`
    )
  ]
  const told = faults.map(one => `${paint('red', '!')} ${oneLine(one)}\n`)
  return `${head.join('')}${told.join('')}\n${tableOf(invocation, said)}`
}

function reserveOf({ reserve, whatIf }: Said): string {
  const { hosts, domain, state } = reserve
  if (state === 'none') return 'none: remuda ha set --reserve-hosts 1'
  const some = hosts > 0 ? `any ${hosts} host${hosts === 1 ? '' : 's'}` : ''
  const whole = domain === undefined ? '' : `any one ${domain}`
  const what = [some, whole].filter(part => part !== '').join(', or ')
  const isReal = whatIf.without.length + whatIf.with.length === 0
  switch (state) {
    case 'kept':
      return `${what} may be lost, and all that can starts elsewhere`
    case 'broken':
      return `not kept for the loss of ${what}, as it ${isReal ? 'is now' : 'would be'}:`
    case 'too-many-cases':
      return `${what}: too many losses are near the edge to be told apart`
    default:
      return state satisfies never
  }
}

function tableOf(invocation: Invocation, said: Said): string {
  if (said.sizes.length === 0) return 'no sizes: remuda size create --help\n'
  const { losses } = said
  const after =
    losses === 0 ? 'AFTER A DOMAIN IS LOST' : `AFTER ${losses} ${losses === 1 ? 'LOSS' : 'LOSSES'}`
  const rows = said.sizes.map(size => [
    size.name,
    String(size.vcpus),
    formatMib(size.memoryMib),
    String(size.now),
    `${said.exact ? '' : '~'}${size.after}`,
    size.worst.join(', '),
    limitOf(size)
  ])
  const right = (title: string) => ({ title, right: true })
  return renderRows(
    invocation,
    [
      ...['SIZE', right('VCPUS'), right('MEMORY'), right('NOW'), right(after), 'OF'],
      { title: 'SHORT OF', wraps: true }
    ],
    rows
  )
}

function limitOf({ limit, byMemory, byVcpus }: Said['sizes'][number]): string {
  switch (limit) {
    case 'memory':
      return `memory (processors would do for ${byVcpus})`
    case 'vcpus':
      return `processors (memory would do for ${byMemory})`
    default:
      return 'hosts: none is open'
  }
}
