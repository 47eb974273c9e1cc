import { readJson } from '../api/resources.ts'
import { UsageFault } from '../failure.ts'
import type { Invocation } from '../invocation.ts'
import { renderRaw, renderRows } from '../output/results.ts'
import type { Cell } from '../output/table.ts'
import { writeAge } from '../output/values.ts'
import { oneLine, printable } from '../terminal.ts'
import { showLive } from './live.ts'

/** What the API says of how the cloud heals itself. */
export type HealingSaid = {
  readonly armed: boolean
  readonly disarmed?: { readonly at: string; readonly by: string; readonly because: string }
  readonly reserveHosts: number
  readonly reserveDomain?: string
  readonly preemption?: string
  readonly startsPerHost?: number
  readonly brakePercent?: number
  readonly fencesPerRack?: number
  readonly storageWitness?: string
  readonly reserveBroken?: readonly string[]
  readonly watches: boolean
  readonly brake: {
    readonly missing: readonly string[]
    readonly before?: readonly string[]
    readonly hosts: number
    readonly most: number
  }
  readonly fenced: readonly {
    readonly host: string
    readonly phase: string
    readonly since: string
    readonly because: string
    readonly progress: string
    readonly proof?: { readonly verdict: string; readonly at: string }
  }[]
  readonly suspects: readonly SaidOfHost<'hold'>[]
  readonly exposed: readonly SaidOfHost<'state'>[]
}

type SaidOfHost<Word extends string> = { readonly [Each in Word]: string } & {
  readonly host: string
  readonly because: string
  readonly next?: string
}

const path = '/v1/ha'
const doing = 'show how the cloud heals'

/** Shows all of it. */
export async function showHealing(invocation: Invocation): Promise<void> {
  const api = await invocation.connect()
  await showLive(invocation, {
    query: { kinds: 'host' },
    look: async signal => {
      const said = readJson(await api.ask({ method: 'GET', path, doing, signal }), doing)
      const raw = await renderRaw(invocation, said)
      return raw ?? describe(invocation, said as HealingSaid)
    }
  })
}

/** Lets no host be fenced. */
export async function disarmHealing(invocation: Invocation): Promise<void> {
  const body = { because: invocation.given.text('because')! }
  const asked = { method: 'POST', path: `${path}/disarm`, body, doing: 'disarm fencing' } as const
  await change(invocation, asked, ({ disarmed, fenced }) => {
    if (!disarmed) return 'disarmed, and armed again by somebody else'
    const { at, by } = disarmed
    const running = fenced.filter(({ phase }) => phase === 'fencing')
    const who = running.length === 0 ? 'no host' : 'no other host'
    const none = `disarmed since ${at} by ${by}: ${who} is fenced until "remuda ha arm"`
    if (running.length === 0) return none
    const hosts = running.map(({ host, progress }) => `${host} (${progress})`).join(', ')
    return `${none}; still being fenced, and gone on with: ${hosts}`
  })
}

/** Lets hosts be fenced again. */
export async function armHealing(invocation: Invocation): Promise<void> {
  const asked = { method: 'POST', path: `${path}/arm`, doing: 'arm fencing' } as const
  await change(invocation, asked, ({ armed }) =>
    armed ? 'armed: hosts that are dead are fenced' : 'armed, and disarmed again by somebody else'
  )
}

/** Sets the reserve, and how many start at once. */
export async function setHealing(invocation: Invocation): Promise<void> {
  const reserveHosts = invocation.given.number('reserve-hosts')
  const domain = invocation.given.text('reserve-domain')
  const starts = invocation.given.number('starts-per-host')
  const preemption = invocation.given.text('preemption')
  const witness = invocation.given.text('storage-witness')
  const brake = invocation.given.number('brake-share')
  const perRack = invocation.given.number('fences-per-rack')
  const body = {
    ...(reserveHosts !== undefined && { reserveHosts }),
    ...(domain !== undefined && { reserveDomain: domain === 'none' ? null : domain }),
    ...(starts !== undefined && { startsPerHost: starts === 0 ? null : starts }),
    ...(brake !== undefined && { brakePercent: brake === 0 ? null : brake }),
    ...(perRack !== undefined && { fencesPerRack: perRack === 0 ? null : perRack }),
    ...(preemption !== undefined && { preemption: preemption === 'tenant' ? null : preemption }),
    ...(witness !== undefined && { storageWitness: witness === 'hold' ? null : witness })
  }
  if (Object.keys(body).length === 0) {
    throw new UsageFault('cannot set nothing', { next: ['remuda ha set --reserve-hosts 1'] })
  }
  const asked = { method: 'PATCH', path, body, doing: 'set how the cloud heals' } as const
  await change(invocation, asked, said =>
    [
      ...((reserveHosts ?? domain) !== undefined ? [`reserve: ${reserveOf(said)}`] : []),
      ...(starts !== undefined ? [`starts: ${startsOf(said)}`] : []),
      ...(brake !== undefined ? [`brake: ${brakeOf(said)}`] : []),
      ...(perRack !== undefined ? [`racks: ${rackOf(said)}`] : []),
      ...(preemption !== undefined ? [`preemption: ${preemptionOf(said)}`] : []),
      ...(witness !== undefined ? [`storage: ${witnessOf(said)}`] : [])
    ].join('; ')
  )
}

type Asked = {
  readonly method: 'POST' | 'PATCH'
  readonly path: string
  readonly body?: object
  readonly doing: string
}

async function change(
  invocation: Invocation,
  asked: Asked,
  tell: (said: HealingSaid) => string
): Promise<void> {
  const api = await invocation.connect()
  const answer = await api.ask({ ...asked, signal: invocation.signal })
  const said = readJson(answer, asked.doing) as HealingSaid
  const raw = await renderRaw(invocation, said)
  const isSame = answer.headers['remuda-changed'] === 'false'
  invocation.write(raw ?? `${isSame ? 'unchanged: ' : ''}${oneLine(tell(said))}\n`)
}

function describe(invocation: Invocation, said: HealingSaid): string {
  const { paint } = invocation
  const { brake, watches } = said
  const braked = brake.missing.length > brake.most
  const count = `${brake.missing.length} of ${brake.hosts}`
  const names = brake.missing.length > 0 ? `: ${brake.missing.join(', ')}` : ''
  const long = brake.before ? `; missing for longer: ${brake.before.join(', ')}` : ''
  const now = braked ? paint('red', `${count}${names}`) : `${count}${names}`
  const missing = `${now}${long}; ${brakeOf(said)}`
  const rows: readonly (readonly [string, string])[] = [
    ['fencing', armedWords(said, invocation)],
    ['missing', brake.hosts < 2 ? aloneWords(brake.hosts) : missing],
    ['racks', rackOf(said)],
    ['reserve', reserveOf(said)],
    ['starts', startsOf(said)],
    ['room', preemptionOf(said)],
    ['storage', witnessOf(said)]
  ]
  const head = rows.map(([name, text]) => `${paint('dim', name.padEnd(10))}${printable(text)}\n`)
  const broken = (said.reserveBroken ?? []).map(one => `${paint('red', '!')} ${oneLine(one)}\n`)
  const follows = watches ? [] : ['\nthis candidate hears no host: ask the controller\n']
  return [...head, ...broken, ...follows, ...tablesOf(invocation, said)].join('')
}

/** With fewer than two hosts nothing can start elsewhere, so nobody is fenced. */
export const aloneWords = (hosts: number): string =>
  hosts === 0
    ? 'no host has joined yet: remuda host token create'
    : 'there is one host: if it dies, nothing can start elsewhere; for another one: ' +
      'remuda host token create'

function armedWords({ disarmed }: HealingSaid, { paint }: Invocation): string {
  if (!disarmed) return paint('green', 'armed')
  const { at, by, because } = disarmed
  const since = `disarmed since ${at} (${writeAge(at, Date.now())} ago) by ${by}: ${because}`
  return `${paint('red', since)}; remuda ha arm`
}

/** The reserve in words. */
export function reserveOf({ reserveHosts, reserveDomain }: HealingSaid): string {
  const parts = [
    ...(reserveHosts > 0 ? [`any ${reserveHosts} host${reserveHosts === 1 ? '' : 's'}`] : []),
    ...(reserveDomain === undefined ? [] : [`any one ${reserveDomain}`])
  ]
  return parts.length === 0
    ? 'none: instances may be admitted that no other host has room for'
    : `room is kept for the loss of ${parts.join(', or of ')}`
}

/** How many that go missing at once are fenced, in words. */
const brakeOf = ({ brake: { most }, brakePercent }: HealingSaid): string => {
  const share = brakePercent === undefined ? '' : ` (${brakePercent} %)`
  return `${most} at once ${most === 1 ? 'is' : 'are'} fenced${share}, more are not`
}

/** How many of a rack are fenced at once, in words. */
const rackOf = ({ fencesPerRack = 1 }: HealingSaid): string =>
  fencesPerRack === 1
    ? 'hosts of a rack are fenced one at a time'
    : `at most ${fencesPerRack} hosts of a rack are fenced at once`

/** How many come up at once, in words. */
const startsOf = ({ startsPerHost }: HealingSaid): string =>
  startsPerHost === undefined
    ? 'as many instances come up on a host at once as it has threads, at least 4'
    : `at most ${startsPerHost} ${startsPerHost === 1 ? 'comes' : 'come'} up on a host at once`

/** What is done where shared storage contradicts a fence device, in words. */
const witnessOf = ({ storageWitness }: HealingSaid): string =>
  storageWitness === 'alarm'
    ? 'a host that writes on after its fence device read off is an alarm alone'
    : 'nothing of a host starts elsewhere while it writes on, whatever its fence device says'

/** Who is stopped for more important ones, in words. */
const preemptionOf = ({ preemption = '' }: HealingSaid): string =>
  ({
    never: 'no instance is stopped for a more important one',
    own: 'instances are stopped for more important ones of their tenant that have lost their host',
    any: 'any instance is stopped for more important ones that have lost their host'
  })[preemption] ?? 'instances are stopped for more important ones where their tenant says so'

function tablesOf(invocation: Invocation, said: HealingSaid): readonly string[] {
  const now = Date.now()
  const fenced = said.fenced.map(({ host, phase, since, because, progress }) => [
    { text: host },
    { text: phase, colour: phase === 'fenced' ? 'yellow' : 'red' } as Cell,
    { text: `${writeAge(since, now)} ago` },
    { text: progress },
    { text: because }
  ])
  const suspects = said.suspects.map(({ host, hold, because, next }) => [
    { text: host },
    { text: hold, colour: 'red' } as Cell,
    { text: because },
    { text: next ?? '' }
  ])
  const exposed = said.exposed.map(({ host, state, because, next }) => [
    { text: host },
    { text: state, colour: 'yellow' } as Cell,
    { text: because },
    { text: next ?? '' }
  ])
  return [
    ...table(invocation, ['FENCED', 'PHASE', 'SINCE', 'PROGRESS', 'BECAUSE'], fenced),
    ...table(invocation, ['NOT HEARD', 'HELD BY', 'BECAUSE', 'NEXT'], suspects),
    ...table(invocation, ['EXPOSED', 'STATE', 'BECAUSE', 'NEXT'], exposed)
  ]
}

const table = (
  invocation: Invocation,
  heads: readonly string[],
  rows: readonly (readonly Cell[])[]
): readonly string[] => (rows.length === 0 ? [] : [`\n${renderRows(invocation, heads, rows)}`])
