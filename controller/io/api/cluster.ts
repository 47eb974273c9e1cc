/** Routes about the candidates: who leads, how far each has followed, and handing the lead over. */
import Type from 'typebox'
import { Strict } from '#shared/model/resource.ts'
import type { ClusterStatus } from './cluster-status.ts'
import type { Route } from './route.ts'
import type { Service } from './service.ts'

const Milliseconds = { ms: Type.Integer({ description: 'Unit: ms.' }) }
const Side = Strict({ says: Type.String(), ...Milliseconds })
const Who = Strict({ name: Type.String(), apiUrl: Type.String() })
const Candidate = Strict({
  name: Type.String(),
  apiUrl: Type.String({ description: 'How its API is reached.' }),
  doorEndpoint: Type.String({ description: 'Where hosts knock.' }),
  version: Type.String({ description: 'Release that it runs.' }),
  leads: Type.Boolean(),
  stands: Type.Boolean({ description: 'Whether it stands now; others were seen earlier.' }),
  epoch: Type.Integer(),
  position: Type.Integer({ description: 'Up to where it has followed the journal.' }),
  lag: Type.Integer({ description: 'Entries that it lacks of those known here.' }),
  since: Type.String({ description: 'When it began to stand, or to lead.' }),
  lastSeenAt: Type.String({ format: 'date-time' })
})
const ClusterReply = Strict({
  name: Type.String({ description: 'The candidate that answers.' }),
  state: Type.String({
    enum: ['leads', 'follows', 'reads', 'waits', 'corrupt'],
    description:
      'leads; follows: it has what the journal has; reads: it catches up; ' +
      'waits: it cannot reach the journal; corrupt: what is there does not follow.'
  }),
  because: Type.String(),
  journal: Type.String({ enum: ['level', 'zookeeper', 'postgres'] }),
  ensemble: Type.Array(Type.String()),
  session: Type.Optional(
    Strict({
      server: Type.Optional(Type.String({ description: 'Server that answers now.' })),
      id: Type.String(),
      timeoutMs: Type.Number(),
      leaseLeftMs: Type.Optional(
        Type.Integer({ description: 'How long it certainly may still act. Unit: ms.' })
      )
    })
  ),
  epoch: Type.Integer(),
  position: Type.Integer(),
  leader: Type.Optional(Who),
  candidates: Type.Array(Candidate),
  images: Strict({
    wanted: Type.Integer({ description: 'Images with content.' }),
    missing: Type.Array(Type.String(), { description: 'Those whose content is not here.' }),
    few: Type.Array(Type.String(), { description: 'Those that fewer than two candidates have.' })
  }),
  timing: Strict(
    {
      clockRateError: Type.Number({
        description: 'Clocks may run faster or slower than true time by so much, in parts of one.'
      }),
      links: Type.Array(Strict({ name: Type.String(), ...Milliseconds, because: Type.String() })),
      rules: Type.Array(
        Strict({
          name: Type.String(),
          left: Side,
          right: Side,
          holds: Type.Boolean({ description: 'Whether the left side does not exceed the right.' }),
          because: Type.String({ description: 'What would happen otherwise.' })
        })
      )
    },
    { description: 'The times on which detection, leases and take-overs rest.' }
  )
})

/** Answered by each candidate from what it knows itself, also when nobody leads. */
export const clusterRoutes = (service: Service): readonly Route[] => [
  {
    method: 'GET',
    path: '/v1/cluster',
    operation: 'get-cluster',
    summary: 'How the candidates stand, as the one that answers sees them.',
    tag: 'cloud',
    role: 'reader',
    query: Strict({
      own: Type.Optional(
        Type.String({ enum: ['1', '0'], description: 'Ask no other candidate for anything.' })
      )
    }),
    replies: { 200: ClusterReply },
    answer: async call => {
      const own = call.query['own'] === '1'
      return { body: shown(await service.cluster.status({ own })) }
    }
  },
  {
    method: 'POST',
    path: '/v1/cluster/step-down',
    operation: 'step-down',
    summary: 'Let the controller hand the lead over to the next candidate.',
    tag: 'cloud',
    role: 'admin',
    replies: { 200: Strict({ steppedDown: Type.String(), next: Type.Optional(Who) }) },
    answer: async call => {
      const { name } = await service.cluster.status({ own: true })
      await service.cluster.stepDown(`${call.caller.name} asked for it`)
      const next = service.cluster.leader()
      return { body: { steppedDown: name, ...(next && next.name !== name && { next }) } }
    }
  }
]

function shown(status: ClusterStatus): object {
  const { session, leader, candidates, ...rest } = status
  return {
    ...rest,
    ...(session && {
      session: {
        ...(session.server !== undefined && { server: session.server }),
        id: session.sessionId,
        timeoutMs: session.timeoutMs,
        ...(session.leaseLeftMs !== undefined && {
          leaseLeftMs: Math.max(0, Math.floor(session.leaseLeftMs))
        })
      }
    }),
    ...(leader && { leader }),
    candidates: candidates.map(({ meshKey: _, doorKey: __, ...candidate }) => candidate)
  }
}
