/** What every write has in common: dry run, preconditions, waiting, and the reply. */
import { createHash } from 'node:crypto'
import { type Kind, kinds, type Resource, type ResourceDocument } from '#shared/model/index.ts'
import type { Intent } from '../../core/admission/admit.ts'
import type { Admitted } from '../../core/admission/context.ts'
import { documentOf } from '../../core/documents.ts'
import { find } from '../../core/paths.ts'
import { isRefusal } from '../../core/refusal.ts'
import { faultOf } from '../reign.ts'
import { HttpFault } from './problem.ts'
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
  if (isFlag(call.query['dryRun'])) return dryRun(service, intent, by)
  const keptKey = header(call, 'idempotency-key')
  const kept = intent.verb === 'create' ? keptReply(service, call, keptKey) : undefined
  if (kept) return kept
  const outcome = await service.reign.submit(intent, by, admitted =>
    intent.verb === 'create' && keptKey !== undefined
      ? [{ op: 'reply-put', reply: replyToKeep(service, call, { key: keptKey, admitted, status }) }]
      : []
  )
  return await afterWrite(service, call, {
    resource: outcome.resource,
    changed: outcome.changed,
    deleting: intent.verb === 'delete',
    status
  })
}

async function afterWrite(
  service: Service,
  call: Call,
  written: {
    readonly resource: Resource
    readonly changed: boolean
    readonly deleting: boolean
    readonly status: number
  }
): Promise<Reply> {
  const { resource, deleting, status } = written
  const headers: Record<string, string> = { 'remuda-changed': String(written.changed) }
  const waitMs = preferredWaitMs(call)
  if (waitMs !== undefined) {
    await waitFor(service, { resource, gone: deleting, waitMs, signal: call.signal })
    headers['preference-applied'] = `wait=${waitMs / 1000}`
  }
  const now = service.reign.view.get(resource.kind, resource.id)
  if (!now) return { status: 204, headers }
  const document = documentOf(service.reign.view, now, service.reign.now())
  const location = status === 201 ? { location: pathOf(document) } : {}
  return { status, headers: { ...headers, ...location, etag: etagOf(document) }, body: document }
}

/** The generation in quotes: status may change as often as it likes, and a write still fits. */
export const etagOf = ({ generation }: { readonly generation: number }): string => `"${generation}"`

/** The path by id, which stays right whatever the resource is called. */
export const pathOf = (document: Pick<ResourceDocument, 'kind' | 'id'>): string =>
  `/v1/${kinds[document.kind].plural}/${document.id}`

/** Reads a yes out of a query; everything else is a no. */
export const isFlag = (text: string | undefined): boolean => text === '1' || text === 'true'

function dryRun(service: Service, intent: Intent, by: string): Reply {
  const verdict = service.reign.judge(intent, by)
  if (isRefusal(verdict)) throw faultOf(verdict)
  const { commit, placement, resource } = verdict
  const { view } = service.reign
  const rejected = [...(placement?.rejected ?? [])].map(([host, because]) => ({ host, because }))
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

/** Reads If-Match; undefined: any generation. Without the header the write is refused. */
export function ifGeneration(call: Call, resource: Resource): number | undefined {
  const text = header(call, 'if-match')
  if (text === undefined) {
    throw new HttpFault(
      428,
      'precondition-required',
      `cannot change ${resource.kind} ${resource.name}: the request does not say what it has read`,
      {
        reasons: [`it is at generation ${resource.generation}`],
        next: [`send If-Match: ${etagOf(resource)}`, 'or If-Match: * to change it whatever it is']
      }
    )
  }
  if (text.trim() === '*') return undefined
  const match = /^\s*"(\d+)"\s*$/.exec(text)
  if (!match) {
    throw new HttpFault(400, 'invalid', `cannot read If-Match: ${text.slice(0, 80)}`, {
      next: [`send If-Match: ${etagOf(resource)}, or *`]
    })
  }
  return Number(match[1])
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

const bodyHash = (call: Call): string =>
  createHash('sha256')
    .update(`${call.url}\n${JSON.stringify(call.body)}`)
    .digest('hex')

/** The reply to an earlier request with this key; the same key with another body is refused. */
function keptReply(service: Service, call: Call, key: string | undefined): Reply | undefined {
  if (key === undefined) return undefined
  if (key.length > 255 || key === '') {
    throw new HttpFault(400, 'invalid', 'cannot use this Idempotency-Key', {
      reasons: [`it has ${key.length} characters, 1 to 255 are allowed`]
    })
  }
  const kept = service.reign.view.replies().get(`${call.caller.name} ${key}`)
  if (!kept) return undefined
  if (kept.bodySha256 !== bodyHash(call)) {
    throw new HttpFault(422, 'invalid', 'cannot repeat the request: it is another one', {
      reasons: [
        `Idempotency-Key ${key} was used at ${kept.at} with another body, for ${kept.subject}`
      ],
      next: ['use a new key for a new request']
    })
  }
  const [kind = '', id = ''] = kept.subject.split(' ')
  const resource = service.reign.view.get(kind as Kind, id)
  const headers = { 'idempotency-replayed': 'true', 'remuda-changed': 'false' }
  if (!resource) return { status: 204, headers }
  const document = documentOf(service.reign.view, resource, service.reign.now())
  return { status: kept.status, headers: { ...headers, etag: etagOf(document) }, body: document }
}

const replyToKeep = (
  service: Service,
  call: Call,
  made: { readonly key: string; readonly admitted: Admitted; readonly status: number }
) => ({
  key: `${call.caller.name} ${made.key}`,
  bodySha256: bodyHash(call),
  status: made.status,
  subject: `${made.admitted.resource.kind} ${made.admitted.resource.id}`,
  at: new Date(service.clock.wall()).toISOString()
})
