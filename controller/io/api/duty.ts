/** Routes that take a host out of service and back into it. */
import Type, { type Static } from 'typebox'
import { DepartureStatus, type Host } from '#shared/model/host.ts'
import { MovePaceFields } from '#shared/model/instance.ts'
import { Strict } from '#shared/model/resource.ts'
import type { DrainWish } from '../../core/admission/host-duty.ts'
import { departuresOf } from '../../core/drain.ts'
import { departureShown } from '../../core/duty-document.ts'
import { isRefusal } from '../../core/refusal.ts'
import { faultOf } from '../refusal-fault.ts'
import type { Call, Reply, Route } from './route.ts'
import { DryRun, DryRunReply, documentSchema } from './schemas.ts'
import type { Service } from './service.ts'
import { found, isFlag, write } from './writes.ts'

/** Instances that leave one host at once, unless more are wished. */
const parallelDefault = 2
/** A libvirt works on twenty calls at once, and each that leaves takes one. */
const parallelMax = 16

/** How a host is to be emptied. */
const DrainBody = Strict({
  parallel: Type.Integer({
    minimum: 1,
    maximum: parallelMax,
    default: parallelDefault,
    description: 'Most instances that are on their way at once. Unit: count.'
  }),
  cold: Type.Boolean({
    default: false,
    description: 'Whether what cannot go while it runs is shut down for the move.'
  }),
  ...MovePaceFields
})

const ResumeBody = Strict({
  back: Type.Boolean({ default: false, description: 'Whether what has left comes back.' })
})

/** What would become of each instance of a host. */
const DrainPlan = Strict({
  dryRun: Type.Literal(true),
  changed: Type.Boolean({ description: 'Whether anything would be recorded.' }),
  plan: Type.Array(DepartureStatus, { description: 'The most important instances first.' })
})

/** Draining, resuming, and booting anew. */
export const dutyRoutes = (service: Service): readonly Route[] => [
  {
    method: 'POST',
    path: '/v1/hosts/:name/drain',
    operation: 'drain-host',
    summary: 'Empty a host, and take it out of service; `dryRun=1` answers the plan.',
    tag: 'hosts',
    role: 'admin',
    query: Strict({ ...DryRun }),
    body: DrainBody,
    checked: true,
    replies: { 200: Type.Union([documentSchema('host'), DrainPlan]) },
    answer: async call => {
      const host = found(service, call, 'host') as Host
      const { parallel, cold, ...pace } = call.body as Static<typeof DrainBody>
      const wish = { parallel, cold, ...(Object.keys(pace).length > 0 && { pace }) }
      if (isFlag(call.query['dryRun'])) return await plan(service, call, { ...wish, host })
      return await write(service, call, { verb: 'drain', id: host.id, ...wish }, 200)
    }
  },
  {
    method: 'POST',
    path: '/v1/hosts/:name/resume',
    operation: 'resume-host',
    summary: 'Use a host again, or let what is left on it stay; `back` brings back what has left.',
    tag: 'hosts',
    role: 'admin',
    query: Strict({ ...DryRun }),
    body: ResumeBody,
    checked: true,
    replies: { 200: Type.Union([documentSchema('host'), DryRunReply(documentSchema('host'))]) },
    answer: async call => {
      const { id } = found(service, call, 'host')
      const { back } = call.body as Static<typeof ResumeBody>
      return await write(service, call, { verb: 'resume-host', id, back }, 200)
    }
  },
  {
    method: 'POST',
    path: '/v1/hosts/:name/reboot',
    operation: 'reboot-host',
    summary: 'Have a host in maintenance, on which nothing of ours runs, boot anew.',
    tag: 'hosts',
    role: 'admin',
    query: Strict({ ...DryRun }),
    replies: { 200: Type.Union([documentSchema('host'), DryRunReply(documentSchema('host'))]) },
    answer: async call => {
      const { id } = found(service, call, 'host')
      return await write(service, call, { verb: 'reboot-host', id }, 200)
    }
  }
]

/** Judged like the wish itself, and with the room that those before have left. */
async function plan(service: Service, call: Call, wish: DrainWish): Promise<Reply> {
  const { host, ...how } = wish
  const by = `user/${call.caller.name}`
  return await service.ledger.settled(() => {
    const { view } = service.reign
    const intent = { verb: 'drain' as const, id: host.id, ...how }
    const verdict = service.reign.judge(intent, by)
    if (isRefusal(verdict)) throw faultOf(verdict)
    const about = { host, cold: how.cold, tries: undefined }
    const departures = departuresOf(view, about, { now: service.reign.now(), turns: false })
    const body = {
      dryRun: true,
      changed: verdict.commit.changes.length > 0,
      plan: [...departures].map(departure => departureShown(view, departure))
    }
    return { status: 200, body }
  })
}
