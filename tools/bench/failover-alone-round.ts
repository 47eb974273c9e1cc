/**
 * One fault of a host that nothing but its own end can prove off, and how long each part of what
 * follows took. The limit stands apart: it is chosen, not measured.
 */
import { loadavg } from 'node:os'
import { readResource } from '../cli/api/resources.ts'
import type { Lab } from '../lab/lab.ts'
import type { RunWatch } from '../lab/runs.ts'
import { AnswerWatch } from './answer-watch.ts'
import { instanceOn, momentOf, running } from './failover-round.ts'
import { fencesSince, historyOf, type LogLine, logLines } from './lab-records.ts'
import { until, untilWhole } from './takeover-checks.ts'

/**
 * `cut`: of its power. `apart`: its networks are cut off from all other hosts, and it sees the
 * shared storage. `still`: all its processes are stopped where they stand.
 */
export const faults = ['cut', 'apart', 'still'] as const
/** One of them. */
export type HostFault = (typeof faults)[number]

/**
 * The parts, in their order. `bites`: until its watchdog has reset the host. `elect`: until another
 * controller leads, where it was the controller's own. `detect`: from then, or from the fault,
 * until the host is taken for dead. `ends`: from the fault until the instance there answers for the
 * last time. `wait`: from being taken for dead until the host must have ended. `proven`: from the
 * fault until then. `place`, `start`: until its instance has a host, and runs there. `started`: all
 * of that. `boot`: until the guest answers. `answers`: all.
 */
export const parts = [
  ...(['bites', 'elect', 'detect', 'ends', 'wait', 'proven', 'place', 'start'] as const),
  ...(['started', 'boot', 'answers'] as const)
] as const

/** One fault. Unit: ms; NaN: there was no such part. */
export type AloneRound = Readonly<Record<(typeof parts)[number], number>> & {
  readonly host: string
  readonly fault: HostFault
  readonly wasLeader: boolean
  readonly load: number
}

/** Strikes a host; returns when its instance answers again and the lab is whole. */
export async function failAlone(
  lab: Lab,
  given: { readonly host: string; readonly fault: HostFault; readonly runs: RunWatch }
): Promise<{ readonly round: AloneRound; readonly noticed: readonly string[] }> {
  const { host, fault, runs } = given
  const leader = await untilArmed(lab)
  const { name, address } = await runs.unwatched(() => instanceOn(lab, host, false))
  await using watch = await AnswerWatch.start(lab, address)
  await watch.answersAfter(0)
  const [load = 0] = loadavg()
  const before = await running(lab)
  const struckAt = Date.now()
  await strike(lab, host, fault)
  await until(`${name} is started again`, async () => {
    const { status } = await readResource(lab.api, { kind: 'instance', name })
    return status['phase'] === 'running' && !Number.isNaN(await startOf(lab, name, struckAt))
  })
  const startedAt = await startOf(lab, name, struckAt)
  const answeredAt = await watch.answersAfter(startedAt)
  const moments = await momentsOf(lab, { host, name, struckAt })
  const ended = watch.lastBefore(startedAt)
  if (fault === 'cut') await lab.power(host, 'on')
  if (fault === 'apart') await lab.heal()
  await untilArmed(lab)
  const fences = await fencesSince(lab, struckAt)
  const after = await running(lab)
  const wasLeader = host === leader
  const times = timesOf(
    { ...moments, ended },
    { struckAt, startedAt, answeredAt, wasLeader, fault }
  )
  // A host that stands still may be back before anybody takes it for dead.
  const isFine = fault === 'still' ? fences.every(one => one === host) : fences.join() === host
  return {
    round: { host, fault, wasLeader, load, ...times },
    noticed: [
      ...(isFine ? [] : [`fenced: ${fences.join(', ') || 'nobody'}`]),
      ...before.filter(one => !after.includes(one)).map(one => `lost: ${one}`)
    ]
  }
}

async function strike(lab: Lab, host: string, fault: HostFault): Promise<void> {
  const others = lab.plan.hosts.map(({ name }) => name).filter(name => name !== host)
  switch (fault) {
    case 'cut':
      return await lab.power(host, 'off')
    case 'apart':
      return await lab.partition([[host], others])
    case 'still':
      return await lab.pause(host)
    default:
      return fault satisfies never
  }
}

/** Waits until the lab is whole, and the cloud relies on the watchdog of each host. */
export async function untilArmed(lab: Lab): Promise<string> {
  const leader = await untilWhole(lab)
  for (const { name } of lab.plan.hosts) {
    await until(`the watchdog of ${name} is relied on`, async () => {
      const { status } = await readResource(lab.api, { kind: 'host', name })
      const said = status['selfFence'] as { readonly relied?: boolean } | undefined
      return said?.relied === true
    })
  }
  return leader
}

const startOf = async (lab: Lab, name: string, since: number): Promise<number> =>
  momentOf(await historyOf(lab, 'instances', name), 'instance-started', since)

type Moments = Readonly<Record<'led' | 'taken' | 'fenced' | 'placed' | 'bitten' | 'ended', number>>

async function momentsOf(
  lab: Lab,
  given: { readonly host: string; readonly name: string; readonly struckAt: number }
): Promise<Omit<Moments, 'ended'>> {
  const { host, name, struckAt } = given
  const ofHost = await historyOf(lab, 'hosts', host)
  const ofInstance = await historyOf(lab, 'instances', name)
  const leads = await logLines(lab, 'controller', 'leading')
  const isLater = ({ time }: LogLine): boolean => time > struckAt
  const { watchdog } = (await lab.status()).hosts.find(one => one.name === host)!
  const { bittenAt = Number.NaN } = watchdog ?? {}
  return {
    led: leads.find(isLater)?.time ?? Number.NaN,
    taken: momentOf(ofHost, 'fencing', struckAt),
    fenced: momentOf(ofHost, 'fenced', struckAt),
    placed: momentOf(ofInstance, 'placed', struckAt),
    bitten: bittenAt > struckAt ? bittenAt : Number.NaN
  }
}

function timesOf(
  moments: Moments,
  given: {
    readonly struckAt: number
    readonly startedAt: number
    readonly answeredAt: number
    readonly wasLeader: boolean
    readonly fault: HostFault
  }
): Readonly<Record<(typeof parts)[number], number>> {
  const { led, taken, fenced, placed, bitten, ended } = moments
  const { struckAt, startedAt, answeredAt, wasLeader, fault } = given
  return {
    bites: bitten - struckAt,
    elect: wasLeader ? led - struckAt : Number.NaN,
    detect: taken - (wasLeader ? led : struckAt),
    ends: fault === 'apart' ? ended - struckAt : Number.NaN,
    wait: fenced - taken,
    proven: fenced - struckAt,
    place: placed - fenced,
    start: startedAt - placed,
    started: startedAt - struckAt,
    boot: answeredAt - startedAt,
    answers: answeredAt - struckAt
  }
}
