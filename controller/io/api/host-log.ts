/** The log of a host, which bootd keeps: so it can be read also when the host is dead. */
import Type from 'typebox'
import { Fault } from '#shared/fault.ts'
import type { Host } from '#shared/model/host.ts'
import { Strict, Timestamp } from '#shared/model/resource.ts'
import {
  HostLogPage,
  type HostLogs,
  HostLogs as HostLogsSchema,
  hostLogLinesMax,
  type HostLogPage as Page
} from '#shared/wire/bootd-question.ts'
import {
  allLogs,
  chooseLog,
  type KeptLog,
  type LogPlace,
  readLogPlace,
  unheardOf,
  writeLogPlace
} from '../../core/boot/host-log.ts'
import { isRefusal } from '../../core/refusal.ts'
import { faultOf } from '../refusal-fault.ts'
import type { Call, Route } from './route.ts'
import type { Service } from './service.ts'
import { found } from './writes.ts'

/** Lines that are told unless more are asked for. */
const linesElse = 200

const Query = Strict({
  boot: Type.Optional(
    Type.String({
      pattern: '^(current|previous|[0-9a-f]{1,64})$',
      description: 'Of which boot: current, previous, or one by its name; left out: current.'
    })
  ),
  since: Type.Optional(
    Type.String({ maxLength: 40, description: 'Only what came since then, RFC 3339.' })
  ),
  lines: Type.Optional(
    Type.String({
      pattern: '^[1-9]\\d{0,3}$',
      description: `The last so many lines, 1 to ${hostLogLinesMax}. Unit: count.`
    })
  ),
  after: Type.Optional(
    Type.String({
      pattern: '^[0-9a-f]{1,64}:\\d{1,15}$',
      description: 'Only what came behind this place, from `place` of an answer before.'
    })
  )
})

const { items, isCut } = HostLogPage.properties
const KeptBoot = Strict({
  ...HostLogsSchema.properties.boots.items.properties,
  bootd: Type.String({ description: 'Bootd that keeps it.' })
})
const LogReply = Strict({
  kind: Type.Literal('host-log'),
  boot: Type.String({ description: 'Name of the boot that it is of.' }),
  begunAt: Timestamp('When the first of it came.'),
  bootd: Type.String({ description: 'Bootd that keeps it.' }),
  items,
  place: Type.String({ description: 'What `after` must be to be told what comes next.' }),
  isCut,
  unheard: Type.Optional(
    Type.String({
      description: 'Boot that is under way or runs, where nothing was heard of it yet.'
    })
  ),
  boots: Type.Array(KeptBoot, { description: 'All boots of which there is a log.' })
})
const BootsReply = Strict({
  kind: Type.Literal('list'),
  items: Type.Array(KeptBoot, { description: 'Boots of which there is a log, the oldest first.' }),
  unheard: LogReply.properties.unheard
})

/** Reads for everybody who may read. */
export const hostLogRoutes = (service: Service): readonly Route[] => [
  {
    method: 'GET',
    path: '/v1/hosts/:name/log',
    operation: 'log-host',
    summary: 'What a host that boots over the network has said, also when it is dead.',
    tag: 'hosts',
    role: 'reader',
    query: Query,
    replies: { 200: LogReply },
    answer: async call => {
      const host = found(service, call, 'host') as Host
      return { body: await logOf(service, host, call) }
    }
  },
  {
    method: 'GET',
    path: '/v1/hosts/:name/logs',
    operation: 'list-host-logs',
    summary: 'Of which boots of a host there is a log.',
    tag: 'hosts',
    role: 'reader',
    replies: { 200: BootsReply },
    answer: async call => {
      const host = found(service, call, 'host') as Host
      const logs = await logsOf(service, host, call.signal)
      return { body: { kind: 'list', items: logs, ...unheardIn(logs, currentOf(service, host)) } }
    }
  }
]

const currentOf = (service: Service, host: Host): string | undefined =>
  service.reign.view.boots.of(host.decided.uuid)?.boot

const unheardIn = (
  logs: readonly KeptLog[],
  current: string | undefined
): { readonly unheard?: string } => {
  const unheard = unheardOf(logs, current)
  return unheard === undefined ? {} : { unheard }
}

async function logOf(service: Service, host: Host, call: Call): Promise<object> {
  const { query, signal } = call
  const since = query['since']
  if (since !== undefined && Number.isNaN(Date.parse(since))) {
    throw new Fault('invalid', `cannot show the log since "${since}": that is no time`, {
      next: ['write a time such as 2026-01-01T10:00:00Z']
    })
  }
  const logs = await logsOf(service, host, signal)
  const current = currentOf(service, host)
  const place = query['after'] === undefined ? undefined : readLogPlace(query['after'])
  if (place) return await behind(service, host, { logs, place, current, call })
  const log = chooseLog(host.name, logs, { boot: query['boot'] ?? 'current', current })
  if (isRefusal(log)) throw faultOf(log)
  return replyOf({ logs, log, current }, await pageOf(service, host, { log, since, call }))
}

/** What comes behind a place; where all of it was told, how the boot after it begins. */
async function behind(
  service: Service,
  host: Host,
  given: {
    readonly logs: readonly KeptLog[]
    readonly place: LogPlace
    readonly current: string | undefined
    readonly call: Call
  }
): Promise<object> {
  const { logs, place, current, call } = given
  const here = logs.find(({ boot }) => boot === place.boot)
  const now = chooseLog(host.name, logs, { boot: 'current', current })
  if (here) {
    const page = await pageOf(service, host, { log: here, after: place.after, call })
    const isOver = !isRefusal(now) && now.boot !== here.boot && now.begunAt > here.begunAt
    if (page.items.length > 0 || !isOver) return replyOf({ logs, log: here, current }, page)
  }
  if (isRefusal(now)) throw faultOf(now)
  const page = await pageOf(service, host, { log: now, after: 0, call })
  return replyOf({ logs, log: now, current }, page)
}

async function logsOf(
  service: Service,
  host: Host,
  signal: AbortSignal
): Promise<readonly KeptLog[]> {
  const answers = await service.bootds.askAll<HostLogs>(
    { ask: 'host-logs', host: host.decided.uuid },
    { schema: HostLogsSchema, signal }
  )
  const said = answers.flatMap(one => ('value' in one ? { bootd: one.bootd, ...one.value } : []))
  if (said.length > 0) return allLogs(said)
  throw new Fault('unavailable', `cannot show the log of host ${host.name}: no bootd answers`, {
    reasons: answers.flatMap(one => ('fault' in one ? one.fault.message : [])),
    next: ['remuda boot show', `remuda power console ${host.name}`]
  })
}

const pageOf = (
  service: Service,
  host: Host,
  given: {
    readonly log: KeptLog
    readonly after?: number
    readonly since?: string | undefined
    readonly call: Call
  }
): Promise<Page> => {
  const { log, after, since, call } = given
  const lines = Number(call.query['lines'] ?? (after === undefined ? linesElse : hostLogLinesMax))
  return service.bootds.ask<Page>(
    log.bootd,
    {
      ...{ ask: 'host-log', host: host.decided.uuid, boot: log.boot },
      linesMax: Math.min(lines, hostLogLinesMax),
      ...(after !== undefined && { after }),
      ...(since !== undefined && { since })
    },
    { schema: HostLogPage, signal: call.signal }
  )
}

const replyOf = (
  {
    logs,
    log,
    current
  }: {
    readonly logs: readonly KeptLog[]
    readonly log: KeptLog
    readonly current: string | undefined
  },
  page: Page
): object => ({
  kind: 'host-log',
  ...{ boot: log.boot, begunAt: log.begunAt, bootd: log.bootd },
  items: page.items,
  place: writeLogPlace({ boot: log.boot, after: page.next }),
  ...{ isCut: page.isCut, ...unheardIn(logs, current), boots: logs }
})
