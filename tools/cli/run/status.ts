import { formatMib, formatMs } from '#shared/units.ts'
import { readJson } from '../api/resources.ts'
import type { Invocation } from '../invocation.ts'
import { renderRaw } from '../output/results.ts'
import { colourOf } from '../output/values.ts'
import { type Paint, printable } from '../terminal.ts'
import { showLive } from './live.ts'

type Counts = Readonly<Record<string, number>>

/** What the API says of the cloud as a whole. */
export type CloudStatus = {
  readonly cloud: string
  readonly version: string
  readonly epoch: number
  readonly position: number
  readonly recording: boolean
  readonly recordingBecause: string
  readonly uptimeMs: number
  readonly hosts: Counts
  readonly instances: Counts
  readonly capacity: {
    readonly memoryMib: number
    readonly memoryPromisedMib: number
    readonly vcpus: number
    readonly vcpusPromised: number
  }
  /** Older controllers do not say. */
  readonly healing?: {
    readonly armed: boolean
    readonly fencing: number
    readonly suspects: number
    readonly exposed: number
  }
  readonly notifications: number
  readonly eventLoopDelay: {
    readonly p50Ms: number
    readonly p99Ms: number
    readonly maxMs: number
  }
}

/** Shows how the cloud is. */
export async function showStatus(invocation: Invocation): Promise<void> {
  const api = await invocation.connect()
  const doing = 'show the status'
  await showLive(invocation, {
    query: {},
    look: async signal => {
      const answer = await api.ask({ method: 'GET', path: '/v1/status', doing, signal })
      const status = readJson(answer, doing) as CloudStatus
      return (await renderRaw(invocation, status)) ?? describe(status, invocation.paint)
    }
  })
}

function describe(status: CloudStatus, paint: Paint): string {
  const { capacity, eventLoopDelay: delay } = status
  const recording = status.recording
    ? 'recording'
    : paint('red', `not recording: ${printable(status.recordingBecause)}`)
  const memory =
    `${formatMib(capacity.memoryPromisedMib)} of ${formatMib(capacity.memoryMib)} promised` +
    shareOf(capacity.memoryPromisedMib, capacity.memoryMib)
  const vcpus =
    `${capacity.vcpusPromised} of ${capacity.vcpus} promised` +
    shareOf(capacity.vcpusPromised, capacity.vcpus)
  const rows: readonly (readonly [string, string])[] = [
    ['cloud', `${printable(status.cloud)}, remuda ${printable(status.version)}`],
    [
      'controller',
      `epoch ${status.epoch}, up ${formatMs(status.uptimeMs)}, ` +
        `journal at ${status.position}, ${recording}`
    ],
    ['hosts', countsOf(status.hosts, paint) || 'none has joined: remuda doctor'],
    ['instances', countsOf(status.instances, paint) || 'none: remuda instance create --help'],
    ['memory', memory],
    ['vcpus', vcpus],
    ...(status.healing ? [['healing', healingOf(status, status.healing, paint)] as const] : []),
    [
      'warnings',
      status.notifications === 0
        ? 'none in the last hour'
        : paint('yellow', `${status.notifications} in the last hour: remuda events`)
    ],
    [
      'event loop',
      `late by ${round(delay.p50Ms)} ms (median), ` +
        `${round(delay.p99Ms)} ms (99 %), ${round(delay.maxMs)} ms (most)`
    ]
  ]
  return rows.map(([name, text]) => `${paint('dim', name.padEnd(12))}${text}\n`).join('')
}

function healingOf(
  { hosts }: CloudStatus,
  { armed, fencing, suspects, exposed }: NonNullable<CloudStatus['healing']>,
  paint: Paint
): string {
  const parts = [
    ...(armed ? [] : [paint('red', 'disarmed: no host is fenced')]),
    ...(fencing > 0 ? [paint('red', `${fencing} being fenced`)] : []),
    ...(suspects > 0 ? [paint('red', `${suspects} not heard`)] : []),
    ...(exposed > 0 ? [paint('yellow', `${exposed} could not be fenced`)] : [])
  ]
  const count = Object.values(hosts).reduce((sum, each) => sum + each, 0)
  if (parts.length === 0 && count === 1) return 'one host: if it dies, nothing can start elsewhere'
  return parts.length === 0 ? 'armed' : `${parts.join(', ')}: remuda ha status`
}

const round = (value: number): string => value.toFixed(1)

const shareOf = (part: number, whole: number): string =>
  whole > 0 ? ` (${Math.round((part / whole) * 100)} %)` : ''

/** Counts by phase, with what is wrong in its colour. */
const countsOf = (counts: Counts, paint: Paint): string =>
  Object.entries(counts)
    .filter(([, count]) => count > 0)
    .map(([phase, count]) => {
      const colour = colourOf(phase)
      const text = printable(`${count} ${phase}`)
      return colour === undefined ? text : paint(colour, text)
    })
    .join(', ')
