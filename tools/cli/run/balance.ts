import { formatMib } from '#shared/units.ts'
import { follow } from '../api/follow.ts'
import { readJson } from '../api/resources.ts'
import { UsageFault } from '../failure.ts'
import type { Invocation } from '../invocation.ts'
import { makeProgress } from '../output/progress.ts'
import { renderRaw, renderRows } from '../output/results.ts'
import { writeAge } from '../output/values.ts'
import { oneLine, printable } from '../terminal.ts'
import { showLive } from './live.ts'
import { given } from './outcome.ts'

type MoveSaid = {
  readonly instance: string
  readonly from: string
  readonly to: string
  readonly state: string
  readonly because?: string
}

/** What has a weight and is not levelled; an older controller does not say it. */
type UnmeasuredSaid = readonly { readonly dimension: string; readonly because: string }[]

/** What the API says of the balance. */
type BalanceSaid = {
  readonly unevenness: number
  readonly automatic: {
    readonly gainMin: number
    readonly moveGainMin: number
    readonly minuteGain?: number
    readonly restMs: number
    readonly movesMax: number
    readonly parallel: number
  } | null
  readonly unmeasured?: UnmeasuredSaid
  readonly last?: { readonly at: string; readonly message: string; readonly failed: number }
  readonly run?: {
    readonly at: string
    readonly by: string
    readonly before: number
    readonly after: number
    readonly moves: readonly MoveSaid[]
  }
}

type PlanSaid = {
  readonly before: number
  readonly after: number
  readonly moves: readonly {
    readonly instance: string
    readonly memoryMib: number
    readonly vcpus: number
    readonly from: string
    readonly to: string
    readonly score: number
    readonly seconds: number
    readonly price: number
  }[]
  readonly refused: readonly { readonly instance: string; readonly because: string }[]
  readonly emptied?: readonly string[]
  readonly stays: number
  readonly unmeasured?: UnmeasuredSaid
  readonly hosts: readonly {
    readonly host: string
    readonly memoryBefore: number
    readonly memoryAfter: number
    readonly vcpusBefore: number
    readonly vcpusAfter: number
    readonly cpuUsedBefore?: number
    readonly cpuUsedAfter?: number
    readonly networkUsedBefore?: number
    readonly networkUsedAfter?: number
  }[]
}

const path = '/v1/balance'

/** Shows how uneven the hosts are. */
export async function showBalance(invocation: Invocation): Promise<void> {
  const api = await invocation.connect()
  const doing = 'show the balance'
  await showLive(invocation, {
    query: { kinds: 'instance,event' },
    look: async signal => {
      const said = readJson(await api.ask({ method: 'GET', path, doing, signal }), doing)
      return (await renderRaw(invocation, said)) ?? describe(invocation, said as BalanceSaid)
    }
  })
}

/** Shows the moves that would level the hosts. */
export async function planBalance(invocation: Invocation): Promise<void> {
  const said = await asked(invocation, 'plan', planBody(invocation))
  const raw = await renderRaw(invocation, said)
  invocation.write(raw ?? `${planText(invocation, said)}${planEnd(said)} (nothing was done)\n`)
}

/** Levels the hosts. */
export async function applyBalance(invocation: Invocation): Promise<number | undefined> {
  const parallel = invocation.given.number('parallel')
  const body = given({ ...planBody(invocation), parallel })
  const said = await asked(invocation, 'apply', body)
  const raw = await renderRaw(invocation, said)
  if (raw !== undefined) invocation.write(raw)
  else invocation.write(`${planText(invocation, said)}${planEnd(said)}\n`)
  if (said.moves.length === 0) return undefined
  if (invocation.given.flag('wait')) return await untilEnded(invocation)
  invocation.note('to see how far it is: remuda balance show -w; to end it: remuda balance stop\n')
  return undefined
}

/** Begins no further move. */
export async function stopBalance(invocation: Invocation): Promise<void> {
  const api = await invocation.connect()
  const doing = 'stop the levelling'
  const { signal } = invocation
  const answer = await api.ask({ method: 'POST', path: `${path}/stop`, doing, signal })
  const said = readJson(answer, doing) as BalanceSaid
  const isSame = answer.headers['remuda-changed'] === 'false'
  const words = isSame ? 'nothing is being levelled' : (said.last?.message ?? 'stopped')
  invocation.write((await renderRaw(invocation, said)) ?? `${oneLine(words)}\n`)
}

/** Sets when hosts are levelled by themselves. */
export async function setBalance(invocation: Invocation): Promise<void> {
  const { given: got, signal } = invocation
  const word = got.text('automatic')
  const wish = given({
    gainMin: shareOf(invocation, 'gain'),
    minuteGain: shareOf(invocation, 'minute-gain'),
    restMs: got.number('rest'),
    movesMax: got.number('moves')
  })
  if (word === undefined && Object.keys(wish).length === 0) {
    throw new UsageFault('cannot set nothing', { next: ['remuda balance set --automatic on'] })
  }
  const body = { automatic: word === 'off' ? null : wish }
  const doing = 'set when hosts are levelled'
  const api = await invocation.connect()
  const answer = await api.ask({ method: 'PATCH', path, body, doing, signal })
  const said = readJson(answer, doing) as BalanceSaid
  const isSame = answer.headers['remuda-changed'] === 'false' ? 'unchanged: ' : ''
  invocation.write((await renderRaw(invocation, said)) ?? `${isSame}${automaticOf(said)}\n`)
}

async function asked(invocation: Invocation, verb: 'plan' | 'apply', body: object) {
  const api = await invocation.connect()
  const doing = `${verb === 'plan' ? 'plan' : 'begin'} the levelling of the hosts`
  const { signal } = invocation
  const answer = await api.ask({ method: 'POST', path: `${path}/${verb}`, body, doing, signal })
  return readJson(answer, doing) as PlanSaid
}

const planBody = (invocation: Invocation): object =>
  given({
    mode: invocation.given.text('mode'),
    moves: invocation.given.number('moves'),
    gain: shareOf(invocation, 'gain'),
    minuteGain: shareOf(invocation, 'minute-gain'),
    trials: invocation.given.number('trials')
  })

function shareOf(
  { given: { text } }: Invocation,
  name: 'gain' | 'minute-gain'
): number | undefined {
  const said = text(name)
  if (said === undefined) return undefined
  const share = Number(said)
  if (said.trim() !== '' && share >= 0 && share <= 10) return share
  throw new UsageFault(`cannot read "${said}" as a share from 0 to 10`, {
    next: [`--${name} 0.01`]
  })
}

/** Says how far it is until the last move has ended; exit code 1 when one came to nothing. */
async function untilEnded(invocation: Invocation): Promise<number | undefined> {
  const api = await invocation.connect()
  const { quiet } = invocation.settings
  const now = () => performance.now()
  const progress = makeProgress(invocation.terminal.errors, { quiet, now })
  const doing = 'wait for the levelling'
  const look = async (signal: AbortSignal) =>
    readJson(await api.ask({ method: 'GET', path, doing, signal }), doing) as BalanceSaid
  const query = { kinds: 'instance,event' }
  let said: BalanceSaid | undefined
  try {
    for await (said of follow(api, { query, look, signal: invocation.signal })) {
      if (!said.run) break
      progress.say(progressOf(said.run.moves))
    }
  } finally {
    progress.end()
  }
  const { message = 'it goes on by itself', failed = 0 } = said?.run ? {} : (said?.last ?? {})
  invocation.write(`${oneLine(message)}\n`)
  return failed > 0 ? 1 : undefined
}

function progressOf(moves: readonly MoveSaid[]): string {
  const count = (state: string) => moves.filter(move => move.state === state).length
  const under = moves.filter(({ state }) => state === 'begun')
  const names = under.map(({ instance, from, to }) => `${instance} ${from} → ${to}`).join(', ')
  return `${count('done')} of ${moves.length} moves made${names === '' ? '' : `; ${names}`}`
}

function planText(invocation: Invocation, said: PlanSaid): string {
  const { moves, hosts, refused, unmeasured = [] } = said
  const rows = moves.map(({ instance, memoryMib, vcpus, from, to, score, seconds, price }) => [
    { text: instance },
    { text: from },
    { text: to },
    { text: formatMib(memoryMib) },
    { text: String(vcpus) },
    { text: `${Math.ceil(seconds)} s` },
    { text: price.toFixed(4) },
    { text: score.toFixed(4) }
  ])
  const heads = ['INSTANCE', 'FROM', 'TO', 'MEMORY', 'VCPUS', 'TAKES', 'PRICE', 'UNEVENNESS']
  const { columns, loads } = loadsOf(hosts)
  const told = refused.map(
    ({ instance, because }) => `${instance} would go, and stays: ${oneLine(because)}\n`
  )
  return [
    rows.length > 0 ? `${renderRows(invocation, heads, rows)}\n` : '',
    renderRows(invocation, columns, loads),
    '\n',
    ...told,
    ...unmeasured.map(one => `${oneLine(unlevelled(one))}\n`)
  ].join('')
}

const unlevelled = ({ dimension, because }: UnmeasuredSaid[number]): string =>
  `${dimension} is not levelled: ${because}`

/** What is used is shown where it was levelled. */
function loadsOf(hosts: PlanSaid['hosts']) {
  const way = (before: number, after: number | undefined) => ({
    text: `${percent(before)} → ${percent(after ?? before)}`
  })
  const [first] = hosts
  const columns = [
    ...['HOST', 'MEMORY', 'VCPUS'],
    ...(first?.cpuUsedBefore === undefined ? [] : ['CPU USED']),
    ...(first?.networkUsedBefore === undefined ? [] : ['NETWORK USED'])
  ]
  const loads = hosts.map(each => [
    { text: each.host },
    way(each.memoryBefore, each.memoryAfter),
    way(each.vcpusBefore, each.vcpusAfter),
    ...(each.cpuUsedBefore === undefined ? [] : [way(each.cpuUsedBefore, each.cpuUsedAfter)]),
    ...(each.networkUsedBefore === undefined
      ? []
      : [way(each.networkUsedBefore, each.networkUsedAfter)])
  ])
  return { columns, loads }
}

const planEnd = ({ moves, before, after, stays, emptied = [] }: PlanSaid): string => {
  if (emptied.length > 0) {
    const next = `remuda host drain ${emptied[0]}, then remuda power off ${emptied[0]}`
    return `${moves.length} moves: nothing is on ${emptied.join(', ')} then; ${next}`
  }
  const some = `${stays} instance${stays === 1 ? '' : 's'}`
  const fixed = stays > 0 ? `; ${some} cannot go while running` : ''
  return moves.length === 0
    ? `no move is worth it: unevenness ${before.toFixed(4)}${fixed}`
    : `${moves.length} moves: unevenness ${before.toFixed(4)} → ${after.toFixed(4)}${fixed}`
}

const percent = (share: number): string => `${Math.round(share * 100)} %`

function describe(invocation: Invocation, said: BalanceSaid): string {
  const { paint } = invocation
  const { unevenness, unmeasured = [], last, run } = said
  const rows: readonly (readonly [string, string])[] = [
    ['unevenness', `${unevenness.toFixed(4)}; 0: the same share of each host is promised`],
    ['automatic', automaticOf(said)],
    ...unmeasured.map(one => ['left out', unlevelled(one)] as const),
    ...(last ? [['last', `${writeAge(last.at, Date.now())} ago: ${last.message}`] as const] : []),
    ...(run ? [['now', `since ${run.at} by ${run.by}: ${progressOf(run.moves)}`] as const] : [])
  ]
  const head = rows.map(([name, text]) => `${paint('dim', name.padEnd(12))}${printable(text)}\n`)
  if (!run) return head.join('')
  const moves = run.moves.map(({ instance, from, to, state, because }) => [
    { text: instance },
    { text: from },
    { text: to },
    { text: state, ...(state === 'failed' && { colour: 'red' as const }) },
    { text: because ?? '' }
  ])
  const heads = ['INSTANCE', 'FROM', 'TO', 'STATE', 'BECAUSE']
  return `${head.join('')}\n${renderRows(invocation, heads, moves)}`
}

function automaticOf({ automatic }: BalanceSaid): string {
  if (!automatic) return 'off: hosts are levelled only when asked for (remuda balance apply)'
  const { gainMin, minuteGain, restMs, movesMax, parallel } = automatic
  const minute = minuteGain === undefined ? '' : ` and each minute of a move ${minuteGain}`
  const rest = restMs % 60_000 === 0 ? `${restMs / 60_000} min` : `${restMs / 1_000} s`
  return (
    `on: where it gains ${gainMin}${minute}, after ${rest} of calm, at most ${movesMax} moves, ` +
    `${parallel} at once`
  )
}
