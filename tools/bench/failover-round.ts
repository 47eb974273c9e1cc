/** One power cut in a lab, and how long each part of what follows took. */
import { loadavg } from 'node:os'
import { listResources, readResource, sayVerb } from '../cli/api/resources.ts'
import type { Lab } from '../lab/lab.ts'
import type { RunWatch } from '../lab/runs.ts'
import { AnswerWatch } from './answer-watch.ts'
import { fencesSince, historyOf, logLines, type Recorded } from './lab-records.ts'
import { until, untilWhole } from './takeover-checks.ts'

/**
 * The parts, in their order. `elect`: until another controller leads, where the power of the
 * controller's own host was cut. `detect`: from then, or from the cut, until the host is taken for
 * dead. `decide`: until that is recorded and bootd begins. `fence`: until the host is proven off.
 * `place`: until its instance has another host. `start`: until that one has started it. `boot`:
 * until the guest answers. `started`: all but the boot; `answers`: all.
 */
export const parts = [
  ...(['elect', 'detect', 'decide', 'fence', 'place', 'start', 'started', 'boot'] as const),
  'answers'
] as const

/** One cut. Unit: ms; NaN: there was no such part. */
export type Round = Readonly<Record<(typeof parts)[number], number>> & {
  readonly host: string
  readonly wasLeader: boolean
  readonly load: number
}

/** Cuts the power of a host; returns when its instance answers and the lab is whole again. */
export async function failOver(
  lab: Lab,
  { host, runs }: { readonly host: string; readonly runs: RunWatch }
): Promise<{ readonly round: Round; readonly noticed: readonly string[] }> {
  const leader = await untilWhole(lab)
  const { name, address } = await runs.unwatched(() => instanceOn(lab, host))
  await using watch = await AnswerWatch.start(lab, address)
  await watch.answersAfter(0)
  const [load = 0] = loadavg()
  const before = await running(lab)
  const cutAt = Date.now()
  await lab.power(host, 'off')
  await until(`${name} is started elsewhere`, async () => {
    const { status } = await readResource(lab.api, { kind: 'instance', name })
    return status['host'] !== host && status['phase'] === 'running'
  })
  const answeredAt = await watch.answersAfter(await startOf(lab, name, cutAt))
  const moments = await momentsOf(lab, { host, name, cutAt, isLeader: host === leader })
  await untilWhole(lab)
  const fences = await fencesSince(lab, cutAt)
  const after = await running(lab)
  return {
    round: { host, wasLeader: host === leader, load, ...timesOf(moments, { cutAt, answeredAt }) },
    noticed: [
      ...(fences.join() === host ? [] : [`fenced: ${fences.join(', ') || 'nobody'}`]),
      ...before.filter(one => !after.includes(one)).map(one => `lost: ${one}`)
    ]
  }
}

type Moments = Readonly<Record<'led' | 'taken' | 'begun' | 'fenced' | 'placed' | 'started', number>>

async function momentsOf(
  lab: Lab,
  given: {
    readonly host: string
    readonly name: string
    readonly cutAt: number
    readonly isLeader: boolean
  }
): Promise<Moments> {
  const { host, name, cutAt, isLeader } = given
  const ofHost = await historyOf(lab, 'hosts', host)
  const ofInstance = await historyOf(lab, 'instances', name)
  const leads = await logLines(lab, 'controller', 'leading')
  const begins = await logLines(lab, 'bootd', 'fence begins')
  const begun = begins.find(
    line => line.time >= cutAt && line['host'] === host && line['want'] === 'off'
  )
  return {
    led: isLeader ? (leads.find(({ time }) => time > cutAt)?.time ?? Number.NaN) : Number.NaN,
    taken: momentOf(ofHost, 'fencing', cutAt),
    begun: begun?.time ?? Number.NaN,
    fenced: momentOf(ofHost, 'fenced', cutAt),
    placed: momentOf(ofInstance, 'placed', cutAt),
    started: momentOf(ofInstance, 'instance-started', cutAt)
  }
}

function timesOf(
  moments: Moments,
  { cutAt, answeredAt }: { readonly cutAt: number; readonly answeredAt: number }
): Omit<Round, 'host' | 'wasLeader' | 'load'> {
  const { led, taken, begun, fenced, placed, started } = moments
  const listensFrom = Number.isNaN(led) ? cutAt : led
  return {
    elect: led - cutAt,
    detect: taken - listensFrom,
    decide: begun - taken,
    fence: fenced - begun,
    place: placed - fenced,
    start: started - placed,
    started: started - cutAt,
    boot: answeredAt - started,
    answers: answeredAt - cutAt
  }
}

/** When something was decided first after a moment; NaN: never. */
export const momentOf = (all: readonly Recorded[], verb: string, since: number): number =>
  all
    .map(one => ({ ...one, at: Date.parse(one.at) }))
    .find(one => one.verb === verb && one.at >= since)?.at ?? Number.NaN

/** What answered before it was started elsewhere came from the host that is off. */
export async function startOf(lab: Lab, name: string, since: number): Promise<number> {
  const started = momentOf(await historyOf(lab, 'instances', name), 'instance-started', since)
  return Number.isNaN(started) ? since : started
}

/** Names of the instances that run. */
export async function running(lab: Lab): Promise<readonly string[]> {
  const { items } = await listResources(lab.api, 'instance', { tenant: '*' })
  return items.filter(({ status }) => status['phase'] === 'running').map(({ name }) => name)
}

/** An instance on a host; where there is none, one is moved there, a container while it is off. */
export async function instanceOn(
  lab: Lab,
  host: string,
  live = true
): Promise<{ readonly name: string; readonly address: string }> {
  const all = await listResources(lab.api, 'instance')
  const items = all.items.filter(({ name }) => name.startsWith('web'))
  let found = items.find(({ status }) => status['host'] === host)
  if (!found) {
    found = items[0]!
    const one = { kind: 'instance' as const, name: found.name }
    await sayVerb(lab.api, one, 'migrate', { body: { to: host, live } })
    await until(`${found.name} is on ${host}`, async () => {
      const { status } = await readResource(lab.api, one)
      return status['host'] === host && status['move'] === undefined
    })
  }
  return { name: found.name, address: String((found.status['addresses'] as string[])[0]) }
}
