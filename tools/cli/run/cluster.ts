import { Fault } from '#shared/fault.ts'
import { formatMs } from '#shared/units.ts'
import { readJson } from '../api/resources.ts'
import type { Invocation } from '../invocation.ts'
import { renderRaw } from '../output/results.ts'
import { type Cell, renderTable } from '../output/table.ts'
import { writeAge } from '../output/values.ts'
import { type Paint, printable } from '../terminal.ts'
import { type TimingSaid, timingText } from './cluster-timing.ts'
import { showLive } from './live.ts'

type Who = { readonly name: string; readonly apiUrl: string }
type Candidate = Who & {
  readonly version: string
  readonly leads: boolean
  readonly stands: boolean
  readonly epoch: number
  readonly position: number
  readonly lag: number
  readonly since: string
  readonly lastSeenAt: string
}
type ClusterSaid = {
  readonly name: string
  readonly state: string
  readonly because: string
  readonly journal: string
  readonly ensemble: readonly string[]
  readonly session?: {
    readonly server?: string
    readonly id: string
    readonly timeoutMs: number
    readonly leaseLeftMs?: number
  }
  readonly epoch: number
  readonly position: number
  readonly leader?: Who
  readonly candidates: readonly Candidate[]
  readonly images: {
    readonly wanted: number
    readonly missing: readonly string[]
    readonly few: readonly string[]
  }
  readonly timing?: TimingSaid
}

const path = '/v1/cluster'
const doing = 'show the cluster'

/** Shows who leads and how far each one is. */
export async function showStanding(invocation: Invocation): Promise<void> {
  await showLive(invocation, {
    query: {},
    look: async signal => {
      const said = await read(invocation, signal)
      return (await renderRaw(invocation, said)) ?? describe(said, invocation)
    }
  })
}

/** Names the controller. */
export async function showLeader(invocation: Invocation): Promise<number> {
  const { leader, because, name } = await read(invocation, invocation.signal)
  if (!leader) {
    throw new Fault('unavailable', 'nobody leads at the moment', {
      reasons: [`${name}: ${because}`],
      next: ['remuda cluster status']
    })
  }
  const text = `${leader.name}${invocation.settings.format === 'name' ? '' : ` ${leader.apiUrl}`}\n`
  invocation.write((await renderRaw(invocation, leader)) ?? text)
  return 0
}

/** Shows all of it. */
export async function showCluster(invocation: Invocation): Promise<void> {
  const said = await read(invocation, invocation.signal)
  const text = (): string => `${describe(said, invocation)}\n${timingText(said.timing, invocation)}`
  invocation.write((await renderRaw(invocation, said)) ?? text())
}

type SteppedDown = { readonly steppedDown: string; readonly next?: Who }

/** Who has handed over may end before it can say so: then it tells that another one leads. */
async function successorOf(
  before: ClusterSaid,
  thrown: unknown,
  invocation: Invocation
): Promise<SteppedDown> {
  const { leader: next } = await read(invocation, invocation.signal)
  if (!before.leader || !next || next.name === before.leader.name) throw thrown
  return { steppedDown: before.leader.name, next }
}

/** Lets the controller hand over. */
export async function stepDown(invocation: Invocation): Promise<void> {
  const api = await invocation.connect()
  const { signal } = invocation
  const asked = { method: 'POST', path: `${path}/step-down`, doing: 'hand the lead over' } as const
  const before = await read(invocation, signal)
  const said = await api
    .ask({ ...asked, signal })
    .then(answer => readJson(answer, asked.doing) as SteppedDown)
    .catch(thrown => successorOf(before, thrown, invocation))
  const raw = await renderRaw(invocation, said)
  if (raw !== undefined) return invocation.write(raw)
  const next = said.next ? `, ${said.next.name} is next` : ''
  invocation.write(`${said.steppedDown} has stepped down${next}\n`)
}

async function read(invocation: Invocation, signal: AbortSignal): Promise<ClusterSaid> {
  const api = await invocation.connect()
  return readJson(await api.ask({ method: 'GET', path, doing, signal }), doing) as ClusterSaid
}

function describe(said: ClusterSaid, { paint, terminal }: Invocation): string {
  const rows = said.candidates.map((one): readonly Cell[] => [
    { text: one.name },
    ...stateOf(one, said),
    { text: `${one.epoch}.${one.position}` },
    one.lag === 0 ? { text: '0' } : { text: String(one.lag), colour: 'yellow' },
    { text: one.version },
    { text: one.apiUrl },
    { text: `${writeAge(one.lastSeenAt, Date.now())} ago` }
  ])
  const columns = [
    ...['CANDIDATE', 'STATE', 'POSITION'].map(title => ({ title })),
    { title: 'LAG', right: true },
    ...['VERSION', 'API', 'LAST SEEN'].map(title => ({ title }))
  ]
  const width = terminal.output.isTTY ? terminal.output.columns : undefined
  const table = renderTable(columns, rows, { width, paint })
  return `${headOf(said, paint)}\n${table}`
}

/** Without a session nothing is known of the others, and of itself what it says. */
function stateOf({ name, leads, stands }: Candidate, said: ClusterSaid): readonly Cell[] {
  if (leads) return [{ text: 'leads', colour: 'green' }]
  if (stands) return [{ text: 'stands' }]
  if (name === said.name) return [{ text: said.state, colour: 'yellow' }]
  if (!said.session && said.ensemble.length > 0) return [{ text: 'unknown', colour: 'yellow' }]
  return [{ text: 'gone', colour: 'red' }]
}

function headOf(said: ClusterSaid, paint: Paint): string {
  const { session, leader, images } = said
  const lease = session?.leaseLeftMs
  const rows: readonly (readonly [string, string])[] = [
    [
      'controller',
      leader
        ? `${leader.name}, ${leader.apiUrl}, epoch ${said.epoch}`
        : paint('red', 'nobody leads: changes are refused, instances run on')
    ],
    ['answered by', `${said.name}: ${said.state}, ${printable(said.because)}`],
    ['journal', `${said.journal}, at ${said.position}${ensembleOf(said)}`],
    [
      'session',
      session
        ? `${session.id} at ${session.server ?? paint('red', 'no server')}, ` +
          `lost after ${formatMs(session.timeoutMs)} of silence` +
          (lease === undefined ? '' : `, lease ${formatMs(lease)}`)
        : said.ensemble.length > 0
          ? paint('red', 'none')
          : 'none is needed'
    ],
    ['images', imagesOf(images, paint)]
  ]
  return rows.map(([name, text]) => `${paint('dim', name.padEnd(13))}${text}\n`).join('')
}

const ensembleOf = ({ ensemble }: ClusterSaid): string =>
  ensemble.length > 0 ? `, ensemble ${ensemble.map(printable).join(' ')}` : ''

function imagesOf({ wanted, missing, few }: ClusterSaid['images'], paint: Paint): string {
  const names = (all: readonly string[]): string => all.map(printable).join(', ')
  const parts = [
    ...(missing.length > 0 ? [paint('yellow', `not here yet: ${names(missing)}`)] : []),
    ...(few.length > 0 ? [paint('red', `on fewer than two candidates: ${names(few)}`)] : [])
  ]
  return parts.length > 0 ? parts.join('; ') : `${wanted} with content, all here`
}
