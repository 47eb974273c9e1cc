/** The devices that fence a host: setting, showing and taking them away. */
import { setTimeout as sleep } from 'node:timers/promises'
import { Fault } from '#shared/fault.ts'
import { patchResource, pathOf, readJson, readResource } from '../api/resources.ts'
import type { Invocation } from '../invocation.ts'
import type { Reference } from '../kinds.ts'
import { renderRaw, renderRows } from '../output/results.ts'
import type { Cell } from '../output/table.ts'
import { writeAge } from '../output/values.ts'
import { oneLine } from '../terminal.ts'
import { confirm } from './ask.ts'
import { type Level, levelsOf } from './fence-levels.ts'
import { showLive } from './live.ts'
import { referenceTo, tellOutcome } from './outcome.ts'
import { waitMsOf } from './settle.ts'

/** What the API says of the fence of a host. */
export type FenceSaid = {
  readonly host: string
  readonly state: string
  readonly because: string
  readonly next?: string
  readonly devices: readonly {
    readonly level: number
    readonly name: string
    readonly power: string
    readonly reachable?: boolean
    readonly since?: string
    readonly because?: string
    readonly askedAt?: string
  }[]
  readonly asked?: { readonly isNow: boolean; readonly because: string }
  readonly plan: readonly string[]
  readonly underway?: {
    readonly want: string
    readonly phase: string
    readonly attempt: number
    readonly story: readonly string[]
  }
  readonly test?: { readonly step: string; readonly since: string; readonly by: string }
  readonly tested?: { readonly at: string; readonly passed: boolean; readonly because: string }
}

/** How often it is looked whether devices have answered. Unit: ms. */
const lookMs = 300
/** A device that reads off of a host that is heard is looked at for so long. Unit: ms. */
const doubtMs = 20_000

/** Sets devices, and waits until each was asked once. */
export async function setFence(invocation: Invocation): Promise<void> {
  const { given, signal } = invocation
  const reference = referenceTo(invocation, 'host', given.positional('NAME')!)
  const started = performance.now()
  const waitMs = waitMsOf(invocation)
  const api = await invocation.connect()
  const { spec, status } = await readResource(api, reference, signal)
  const fence = await levelsOf(invocation, (spec['fence'] ?? []) as readonly Level[])
  const afterFence = given.text('after-fence')
  const dryRun = given.flag('dry-run')
  const wish = { spec: { fence, ...(afterFence !== undefined && { afterFence }) } }
  const written = await patchResource(api, reference, wish, { dryRun, signal })
  const told = { reference, verb: 'changed', started, waitMs: undefined }
  await tellOutcome(invocation, written, told)
  if (dryRun || waitMs === undefined) return
  const isHeard = status?.['phase'] === 'online'
  const said = await answered(invocation, reference, { waitMs, isHeard })
  if (said.state === 'ready') return invocation.note(`${oneLine(said.because)}\n`)
  if (said.state === 'degraded') return invocation.note(`note: ${oneLine(said.because)}\n`)
  throw new Fault('command', `cannot fence host ${reference.name}: no level of devices works`, {
    reasons: [said.because, 'they are set all the same'],
    next: [`remuda host fence show ${reference.name}`, 'remuda ha status']
  })
}

/**
 * Waits until all devices have answered or were found silent, or for so long. One that reads *off*
 * of a host that is heard is looked at for longer: soon it is known to be wrong, or reads *on*.
 */
async function answered(
  invocation: Invocation,
  reference: Reference,
  { waitMs, isHeard }: { readonly waitMs: number; readonly isHeard: boolean }
): Promise<FenceSaid> {
  const until = performance.now() + waitMs
  let doubtUntil: number | undefined
  for (;;) {
    const said = await readFence(invocation, reference, invocation.signal)
    const isAsked = said.devices.every(({ reachable }) => reachable !== undefined)
    const readsOff = said.devices.some(({ power }) => power === 'off')
    const isDoubted = isHeard && said.state === 'ready' && readsOff
    if (isDoubted) doubtUntil ??= performance.now() + doubtMs
    const isSettled = isAsked && !(isDoubted && performance.now() < doubtUntil!)
    if (isSettled || performance.now() > until) return said
    await sleep(lookMs, undefined, { signal: invocation.signal })
  }
}

/** Reads what is shown of the fence of a host; `ask`: its devices are asked now. */
export async function readFence(
  invocation: Invocation,
  { kind, name }: Reference,
  signal: AbortSignal,
  ask = false
): Promise<FenceSaid> {
  const api = await invocation.connect()
  const doing = `show the fence of host ${name}`
  const answer = await api.ask({
    method: 'GET',
    path: `${pathOf(kind, name)}/fence`,
    ...(ask && { query: { ask: '1' } }),
    doing,
    signal
  })
  return readJson(answer, doing) as FenceSaid
}

/** Shows devices and plan. */
export async function showFence(invocation: Invocation): Promise<void> {
  const reference = referenceTo(invocation, 'host', invocation.given.positional('NAME')!)
  await showLive(invocation, {
    query: { kinds: 'host' },
    look: async signal => {
      const said = await readFence(invocation, reference, signal)
      return (await renderRaw(invocation, said)) ?? describeFence(invocation, said)
    }
  })
}

/** Writes devices, plan and the last test for people. */
export function describeFence(invocation: Invocation, said: FenceSaid): string {
  const { paint } = invocation
  const now = Date.now()
  const { state, because, next, tested, test, underway } = said
  const rows: readonly (readonly [string, string])[] = [
    ['fence', `${paint(isWell(state) ? 'green' : 'red', state)}: ${oneLine(because)}`],
    ...(next === undefined ? [] : [['next', oneLine(next)] as const]),
    [
      'tested',
      tested ? testWords(tested, now) : `never: remuda host fence test ${said.host} --really`
    ],
    ...(said.asked ? [['asked', oneLine(said.asked.because)] as const] : []),
    ...(test
      ? [['test', `switched ${test.step} since ${test.since}, by ${test.by}`] as const]
      : []),
    ...(underway
      ? [['now', `${underway.want}, ${underway.phase}: ${lastOf(underway)}`] as const]
      : [])
  ]
  const head = rows.map(([name, text]) => `${paint('dim', name.padEnd(8))}${text}\n`).join('')
  const devices = said.devices.map((device): readonly Cell[] => [
    { text: String(device.level) },
    { text: device.name },
    { text: device.power },
    answerOf(device.reachable),
    { text: agoOf(device.since, now) },
    ...(said.asked ? [{ text: agoOf(device.askedAt, now) }] : []),
    { text: device.because ?? '' }
  ])
  const asked = said.asked ? ['ASKED'] : []
  const titles = ['LEVEL', 'DEVICE', 'READS', 'ANSWERS', 'SINCE', ...asked, 'BECAUSE']
  const table = devices.length === 0 ? '' : `\n${renderRows(invocation, titles, devices)}`
  const plan = said.plan.map(sentence => `  ${oneLine(sentence)}\n`).join('')
  return `${head}${table}\nif it died\n${plan}`
}

const agoOf = (at: string | undefined, now: number): string =>
  at === undefined ? '' : `${writeAge(at, now)} ago`

const isWell = (state: string): boolean => ['ready', 'self-fence', 'alone'].includes(state)

function answerOf(reachable: boolean | undefined): Cell {
  if (reachable === undefined) return { text: 'not asked yet', colour: 'yellow' }
  return reachable ? { text: 'yes', colour: 'green' } : { text: 'no', colour: 'red' }
}

const lastOf = ({ story, attempt }: NonNullable<FenceSaid['underway']>): string =>
  `attempt ${attempt}${story.length === 0 ? '' : `, ${oneLine(story.at(-1)!)}`}`

const testWords = (
  { at, passed, because }: NonNullable<FenceSaid['tested']>,
  now: number
): string => `${passed ? 'passed' : 'failed'} ${writeAge(at, now)} ago: ${oneLine(because)}`

/** Takes all devices away. */
export async function clearFence(invocation: Invocation): Promise<void> {
  const { given, signal } = invocation
  const reference = referenceTo(invocation, 'host', given.positional('NAME')!)
  const { name } = reference
  const dryRun = given.flag('dry-run')
  if (!dryRun) {
    await confirm(invocation, `Take all fence devices of ${name} away? Nothing proves it off then.`)
  }
  const started = performance.now()
  const api = await invocation.connect()
  const written = await patchResource(api, reference, { spec: { fence: null } }, { dryRun, signal })
  await tellOutcome(invocation, written, { reference, verb: 'changed', started, waitMs: undefined })
}
