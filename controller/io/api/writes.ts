/** What every write has in common: dry run, preconditions, waiting, and the reply. */
import { type Kind, kinds, type Resource, type ResourceDocument } from '#shared/model/index.ts'
import type { Intent } from '../../core/admission/admit.ts'
import type { KeptReply } from '../../core/commit.ts'
import { documentOf } from '../../core/documents.ts'
import { find } from '../../core/paths.ts'
import { refusals } from '../../core/placement/pipeline.ts'
import { isRefusal } from '../../core/refusal.ts'
import { faultIn, faultOf } from '../refusal-fault.ts'
import { etagOf } from './etags.ts'
import { keptReply, keyOf, replyTo } from './kept-replies.ts'
import { type Call, header, type Reply } from './route.ts'
import type { Service } from './service.ts'
import { waitFor } from './wait.ts'

/** Judges, records, waits if asked to, and answers. */
export async function write(
  service: Service,
  call: Call,
  intent: Intent,
  status: number
): Promise<Reply> {
  const by = `user/${call.caller.name}`
  if (isFlag(call.query['dryRun'])) {
    return await service.ledger.settled(() => dryRun(service, intent, by))
  }
  const key = isRepeatable(intent) ? keyOf(call) : undefined
  const kept = key && keptReply(service, call, key)
  if (kept) {
    await service.ledger.durable()
    return await again(service, call, kept)
  }
  const outcome = await service.reign.submit(intent, by, ({ resource }) =>
    key === undefined ? [] : [{ op: 'reply-put', reply: replyTo(service, call, resource, status) }]
  )
  const { resource, changed, commit } = outcome
  const gone = commit.changes.some(change => change.op === 'remove' && change.id === resource.id)
  const deleting = intent.verb === 'delete'
  return await afterWrite(service, call, { resource, changed, deleting, gone, status })
}

/** What a client that has heard nothing may send again; other writes do no more the second time. */
const isRepeatable = ({ verb }: Intent): boolean =>
  verb === 'create' ||
  verb === 'power' ||
  verb === 'restart' ||
  verb === 'approve' ||
  verb === 'move' ||
  verb === 'drain' ||
  verb === 'resume-host' ||
  verb === 'reboot-host'

/** Answers a request that was done before as it was answered then, waiting if it asks for it. */
async function again(service: Service, call: Call, kept: KeptReply): Promise<Reply> {
  const [kind = '', id = ''] = kept.subject.split(' ')
  const resource = service.reign.view.get(kind as Kind, id)
  const headers = { 'idempotency-replayed': 'true', 'remuda-changed': 'false' }
  if (!resource) return { status: 204, headers }
  const written = { resource, changed: false, deleting: false, gone: false, status: kept.status }
  const reply = await afterWrite(service, call, written)
  return { ...reply, headers: { ...reply.headers, ...headers } }
}

type Written = {
  /** As it was recorded. */
  readonly resource: Resource
  readonly changed: boolean
  readonly deleting: boolean
  /** Whether it was removed at once. */
  readonly gone: boolean
  readonly status: number
}

async function afterWrite(service: Service, call: Call, written: Written): Promise<Reply> {
  const { resource, deleting, gone, status } = written
  const headers: Record<string, string> = { 'remuda-changed': String(written.changed) }
  const waitMs = preferredWaitMs(call)
  if (waitMs === undefined) return replyOf(service, gone ? undefined : resource, status, headers)
  await waitFor(service, { resource, gone: deleting, waitMs, signal: call.signal })
  headers['preference-applied'] = `wait=${waitMs / 1000}`
  const { view } = service.reign
  return await service.ledger.settled(() =>
    replyOf(service, view.get(resource.kind, resource.id), status, headers)
  )
}

function replyOf(
  service: Service,
  resource: Resource | undefined,
  status: number,
  headers: Readonly<Record<string, string>>
): Reply {
  if (!resource) return { status: 204, headers }
  const document = documentOf(service.reign.view, resource, service.reign.now())
  const location = status === 201 ? { location: pathOf(document) } : {}
  return { status, headers: { ...headers, ...location, etag: etagOf(document) }, body: document }
}

/** The path by id, which stays right whatever the resource is called. */
export const pathOf = (document: Pick<ResourceDocument, 'kind' | 'id'>): string =>
  `/v1/${kinds[document.kind].plural}/${document.id}`

/** Reads a yes out of a query; everything else is a no. */
export const isFlag = (text: string | undefined): boolean => text === '1' || text === 'true'

function dryRun(service: Service, intent: Intent, by: string): Reply {
  const verdict = service.reign.judge(intent, by)
  if (isRefusal(verdict)) throw faultIn(service.reign, verdict)
  const { commit, placement, resource } = verdict
  const { view } = service.reign
  const rejected = refusals(placement?.rejected ?? new Map())
  const chosen = placement?.chosen?.name
  return {
    status: 200,
    body: {
      dryRun: true,
      changed: commit.changes.length > 0,
      resource: documentOf(view, resource, service.reign.now()),
      decision: {
        changes: commit.changes.flatMap(change =>
          change.op === 'put'
            ? [{ op: 'put', kind: change.resource.kind, name: change.resource.name }]
            : change.op === 'remove'
              ? [{ op: 'remove', kind: change.kind, name: change.subject.split('/').at(-1) ?? '' }]
              : []
        ),
        because: commit.decisions.map(({ because }) => because),
        ...(placement && { placement: { ...(chosen !== undefined && { chosen }), rejected } })
      }
    }
  }
}

/** Seconds of `Prefer: wait=30` (RFC 7240) as ms, at most five minutes. */
function preferredWaitMs(call: Call): number | undefined {
  const match = /(?:^|[,;\s])wait\s*=\s*"?(\d{1,4})"?/.exec(header(call, 'prefer') ?? '')
  return match ? Math.min(300, Number(match[1])) * 1000 : undefined
}

/** Finds what the path names, or answers 404. */
export function found(service: Service, call: Call, kind: Kind): Resource {
  const name = call.params['name'] ?? ''
  const { tenant } = call.query
  const result = find(service.reign.view, kind, {
    name,
    ...(tenant !== undefined && { tenant })
  })
  if (isRefusal(result)) throw faultOf(result)
  return result.resource
}
