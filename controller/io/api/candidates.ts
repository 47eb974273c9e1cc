/** Routes about who may be controller, as the signed list says. */
import Type from 'typebox'
import { newId } from '#shared/ids.ts'
import { Strict, Timestamp } from '#shared/model/resource.ts'
import { allowCandidate, removeCandidate } from '../../core/bootstrap.ts'
import type { Commit } from '../../core/commit.ts'
import { isRefusal, type Refusal } from '../../core/refusal.ts'
import { faultOf } from '../refusal-fault.ts'
import type { Call, Reply, Route } from './route.ts'
import type { Service } from './service.ts'

const Listed = Strict({
  name: Type.String(),
  apiUrl: Type.String({ description: 'How its API is reached.' }),
  meshKey: Type.String({ description: 'CURVE key with which it dials hosts.' }),
  doorEndpoint: Type.String({ description: 'Where hosts knock.' })
})

const CandidatesReply = Strict({
  version: Type.Integer({ description: 'Version of the signed list; 0: there is none yet.' }),
  cloudKey: Type.String({ description: 'Public key that it is signed with, Ed25519.' }),
  candidates: Type.Array(Listed),
  ensemble: Type.Array(Type.String()),
  out: Type.Array(
    Strict({
      name: Type.String(),
      meshKey: Type.String(),
      at: Timestamp('When it was taken out.'),
      by: Type.String()
    })
  ),
  hosts: Strict({
    current: Type.Integer({ description: 'Hosts that keep this version. Unit: count.' }),
    behind: Type.Array(Type.String({ description: 'A host that does not keep it yet.' }))
  })
})

/** The list is kept by the controller; only who is not to be trusted is said here. */
export const candidateRoutes = (service: Service): readonly Route[] => [
  {
    method: 'GET',
    path: '/v1/cluster/candidates',
    operation: 'list-candidates',
    summary: 'The signed list of candidates, and which hosts keep it.',
    tag: 'cluster',
    role: 'reader',
    replies: { 200: CandidatesReply },
    answer: async () => ({ body: listOf(service) })
  },
  {
    method: 'DELETE',
    path: '/v1/cluster/candidates/:name',
    operation: 'remove-candidate',
    summary: 'Take a candidate out of the list: no host lets its key in any more.',
    tag: 'cluster',
    role: 'admin',
    replies: { 200: CandidatesReply },
    answer: async call => {
      const { name: self } = await service.cluster.status()
      return await record(service, call, (name, context) =>
        removeCandidate(service.reign.view, { name, self }, context)
      )
    }
  },
  {
    method: 'POST',
    path: '/v1/cluster/candidates/:name/allow',
    operation: 'allow-candidate',
    summary: 'Let a candidate come in again that was taken out.',
    tag: 'cluster',
    role: 'admin',
    replies: { 200: CandidatesReply },
    answer: call =>
      record(service, call, (name, context) => allowCandidate(service.reign.view, name, context))
  }
]

async function record(
  service: Service,
  call: Call,
  judge: (name: string, context: Parameters<typeof allowCandidate>[2]) => Commit | Refusal
): Promise<Reply> {
  const { reign } = service
  const context = { by: `user/${call.caller.name}`, now: reign.now(), newId }
  const commit = judge(call.params['name'] ?? '', context)
  if (isRefusal(commit)) throw faultOf(commit)
  await reign.record(commit)
  service.briefings.renewed()
  return { body: listOf(service) }
}

function listOf({ reign }: Service) {
  const { view } = reign
  const { signing, bootstrap, candidatesOut = [] } = view.cloud ?? {}
  const { version = 0, candidates = [], ensemble = [] } = bootstrap?.bootstrap ?? {}
  const approved = [...view.all('host').values()].filter(
    ({ decided }) => decided.approval === 'approved'
  )
  const behind = approved
    .filter(({ name }) => (view.heard(name).report?.bootstrapVersion ?? 0) < version)
    .map(({ name }) => name)
  return {
    version,
    cloudKey: signing?.publicKey ?? '',
    candidates: candidates.map(({ name, apiUrl, meshKey, doorEndpoint }) => ({
      name,
      apiUrl,
      meshKey,
      doorEndpoint
    })),
    ensemble,
    out: candidatesOut,
    hosts: { current: approved.length - behind.length, behind: behind.slice(0, 100) }
  }
}
