/** Routes of every kind: list, read, create, replace, patch, delete, history, why. */
import { Fault } from '#shared/fault.ts'
import { type Kind, kindNames, kinds, type Resource } from '#shared/model/index.ts'
import { Strict } from '#shared/model/resource.ts'
import { validator, withDefaults } from '#shared/model/validate.ts'
import { documentOf } from '../../core/documents.ts'
import { historySubject } from '../../core/paths.ts'
import { defaultTenant, subjectOf } from '../../core/subject.ts'
import { whyOf } from '../../core/why.ts'
import { etagOf, ifGeneration, isAmong } from './etags.ts'
import { list } from './lists.ts'
import { HttpFault } from './problem.ts'
import { type Call, header, type Reply, type Route } from './route.ts'
import {
  createSchema,
  DryRun,
  DryRunReply,
  documentSchema,
  Force,
  HistoryReply,
  ListQuery,
  ListReply,
  PatchBody,
  replaceSchema,
  TenantQuery,
  WhyReply
} from './schemas.ts'
import type { Service } from './service.ts'
import { found, isFlag, write } from './writes.ts'

/** The same routes for each kind; kinds that nobody creates still answer why not. */
export const resourceRoutes = (service: Service): readonly Route[] =>
  kindNames.flatMap(kind => [...readRoutes(service, kind), ...writeRoutes(service, kind)])

function readRoutes(service: Service, kind: Kind): readonly Route[] {
  const { plural } = kinds[kind]
  const document = documentSchema(kind)
  const common = { tag: plural, role: 'reader' as const, method: 'GET' as const }
  const one = Strict(TenantQuery)
  return [
    {
      ...common,
      path: `/v1/${plural}`,
      operation: `list-${plural}`,
      summary: `List ${plural}.`,
      query: ListQuery,
      replies: { 200: ListReply(document) },
      answer: call => list(service, kind, call)
    },
    {
      ...common,
      path: `/v1/${plural}/:name`,
      operation: `get-${kind}`,
      summary: `Read one ${kind}, by its name or id.`,
      query: one,
      replies: { 200: document, 304: null },
      answer: async call => await read(service, kind, call)
    },
    {
      ...common,
      path: `/v1/${plural}/:name/history`,
      operation: `history-${kind}`,
      summary: `What was decided about a ${kind}, oldest first; also of one that is gone.`,
      query: one,
      replies: { 200: HistoryReply },
      answer: async call => {
        const items = await service.ledger.settled(() => historyOf(service, kind, call))
        return { body: { items } }
      }
    },
    {
      ...common,
      path: `/v1/${plural}/:name/why`,
      operation: `why-${kind}`,
      summary: `How a ${kind} stands, and why.`,
      query: one,
      replies: { 200: WhyReply },
      answer: async call => {
        const { view } = service.reign
        const why = () => whyOf(view, found(service, call, kind), service.reign.now())
        return { body: await service.ledger.settled(why) }
      }
    }
  ]
}

function writeRoutes(service: Service, kind: Kind): readonly Route[] {
  const { plural, creatable } = kinds[kind]
  const document = documentSchema(kind)
  const common = {
    tag: plural,
    role: 'admin' as const,
    query: Strict({ ...TenantQuery, ...DryRun })
  }
  const path = `/v1/${plural}/:name`
  const dry = { 200: DryRunReply(document) }
  const create: Route = {
    ...common,
    method: 'POST',
    path: `/v1/${plural}`,
    operation: `create-${kind}`,
    summary: `Create a ${kind}.`,
    body: createSchema(kind),
    replies: { 201: document, ...dry },
    answer: call => createOne(service, kind, call)
  }
  const replace: Route = {
    ...common,
    method: 'PUT',
    path,
    operation: `replace-${kind}`,
    summary: `Replace the wish of a ${kind}; fields left out take their defaults.`,
    body: replaceSchema(kind),
    replies: { 200: document },
    answer: call => replaceOne(service, kind, call)
  }
  const patch: Route = {
    ...common,
    method: 'PATCH',
    path,
    operation: `patch-${kind}`,
    summary: `Change some fields of a ${kind} (merge patch, RFC 7396).`,
    body: PatchBody,
    replies: { 200: document },
    answer: call => patchOne(service, kind, call)
  }
  const remove: Route = {
    ...common,
    method: 'DELETE',
    path,
    operation: `delete-${kind}`,
    summary: `Delete a ${kind}.`,
    ...(kind === 'host' && { query: Strict({ ...TenantQuery, ...DryRun, ...Force }) }),
    replies: { 202: document, 204: null },
    answer: call => removeOne(service, kind, call)
  }
  const changeable = creatable || kind === 'host'
  return [create, ...(changeable ? [replace, patch] : []), remove]
}

async function read(service: Service, kind: Kind, call: Call): Promise<Reply> {
  const { view } = service.reign
  const document = await service.ledger.settled(() =>
    documentOf(view, found(service, call, kind), service.reign.now())
  )
  const etag = etagOf(document)
  if (isAmong(etag, header(call, 'if-none-match'))) return { status: 304, headers: { etag } }
  return { headers: { etag }, body: document }
}

function historyOf(service: Service, kind: Kind, call: Call) {
  const { view } = service.reign
  const name = call.params['name'] ?? ''
  const tenant = kinds[kind].scope === 'tenant' ? call.query['tenant'] : undefined
  const byName = view.history(historySubject(kind, name, tenant))
  if (byName.length > 0) return byName
  const byId = name.startsWith(`${kinds[kind].prefix}-`) ? view.historyOfEnded(name) : []
  return byId.length > 0 ? byId : view.history(subjectOf(found(service, call, kind)))
}

async function createOne(service: Service, kind: Kind, call: Call): Promise<Reply> {
  const body = checked(createSchema(kind), withSpec(call.body)) as {
    readonly name: string
    readonly tenant?: string
    readonly labels?: Readonly<Record<string, string>>
    readonly spec: object
  }
  const tenant = tenantOf(kind, call, body.tenant)
  const { name, labels, spec } = body
  const intent = { verb: 'create' as const, kind, name, labels: labels ?? {}, spec }
  return await write(service, call, tenant === undefined ? intent : { ...intent, tenant }, 201)
}

async function replaceOne(service: Service, kind: Kind, call: Call): Promise<Reply> {
  const resource = found(service, call, kind)
  const generation = ifGeneration(call, resource)
  const body = checked(replaceSchema(kind), keepingCount(withSpec(call.body), resource)) as {
    readonly name?: string
    readonly tenant?: string
    readonly labels?: Readonly<Record<string, string>>
    readonly spec: object
  }
  if (body.tenant !== undefined && body.tenant !== resource.tenant) {
    throw new Fault('invalid', `cannot give ${kind} ${resource.name} to tenant ${body.tenant}`, {
      reasons: [
        resource.tenant === undefined
          ? `a ${kind} is the cloud's, it has no tenant`
          : `it is of tenant ${resource.tenant} since it was made`
      ],
      next: [`create a ${kind} in that tenant, and delete this one`]
    })
  }
  if (body.name !== undefined && body.name !== resource.name) {
    throw new Fault('invalid', `cannot rename ${kind} ${resource.name} to ${body.name}`, {
      reasons: ['names never change'],
      next: [`create a ${kind} ${body.name}, and delete this one`]
    })
  }
  const { labels, spec } = body
  return await change(service, call, { resource, generation, labels: labels ?? {}, spec })
}

async function patchOne(service: Service, kind: Kind, call: Call): Promise<Reply> {
  const resource = found(service, call, kind)
  const generation = ifGeneration(call, resource)
  const patch = checked(PatchBody, call.body) as {
    readonly labels?: object
    readonly spec?: object
  }
  const merged = merge({ labels: resource.labels, spec: resource.spec }, patch)
  const body = checked(replaceSchema(kind), merged) as {
    readonly labels?: Readonly<Record<string, string>>
    readonly spec: object
  }
  const { labels, spec } = body
  return await change(service, call, { resource, generation, labels: labels ?? {}, spec })
}

async function change(
  service: Service,
  call: Call,
  wish: {
    readonly resource: Resource
    readonly generation: number | undefined
    readonly labels: Readonly<Record<string, string>>
    readonly spec: object
  }
): Promise<Reply> {
  const { resource, generation, labels, spec } = wish
  const intent = {
    verb: 'change' as const,
    kind: resource.kind,
    id: resource.id,
    labels,
    spec,
    ...(generation !== undefined && { ifGeneration: generation })
  }
  return await write(service, call, intent, 200)
}

async function removeOne(service: Service, kind: Kind, call: Call): Promise<Reply> {
  const resource = found(service, call, kind)
  const generation = ifGeneration(call, resource)
  const { id } = resource
  const force = kind === 'host' && isFlag(call.query['force'])
  const intent = { verb: 'delete' as const, kind, id, ...(force && { force }) }
  const precise = generation === undefined ? intent : { ...intent, ifGeneration: generation }
  return await write(service, call, precise, 202)
}

/** Fills in defaults and checks; every fault is told at once, each with its pointer. */
function checked(schema: Parameters<typeof validator>[0], value: unknown): unknown {
  const filled = withDefaults(schema, value)
  const problems = validator(schema)(filled)
  if (problems.length === 0) return filled
  const [first] = problems
  const fault = new HttpFault(422, 'invalid', 'cannot accept the body', {
    reasons: problems.slice(0, 10).map(({ pointer, detail }) => `${pointer || 'body'} ${detail}`),
    next: [first?.pointer ? `mend ${first.pointer} and send it again` : 'send a JSON object']
  })
  throw Object.assign(fault, { errors: problems })
}

const withSpec = (body: unknown): unknown =>
  typeof body === 'object' && body !== null && !Array.isArray(body) && !('spec' in body)
    ? { ...body, spec: {} }
    : body

/** The count of restarts is no wish that lasts: who does not name it, does not set it back. */
function keepingCount(body: unknown, resource: Resource): unknown {
  if (resource.kind !== 'instance') return body
  const { spec } = body as { readonly spec?: unknown }
  if (typeof spec !== 'object' || spec === null || 'restarts' in spec) return body
  return { ...(body as object), spec: { ...spec, restarts: resource.spec.restarts } }
}

/** The tenant of the query and of the body must agree. */
function tenantOf(kind: Kind, call: Call, said: string | undefined): string | undefined {
  if (kinds[kind].scope === 'cloud') return undefined
  const asked = call.query['tenant']
  if (said !== undefined && asked !== undefined && said !== asked) {
    throw new Fault('invalid', 'cannot tell which tenant is meant', {
      reasons: [`the query says ${asked}, the body says ${said}`]
    })
  }
  return said ?? asked ?? defaultTenant
}

/** JSON merge patch, RFC 7396. */
function merge(base: unknown, patch: unknown): unknown {
  if (typeof patch !== 'object' || patch === null || Array.isArray(patch)) return patch
  const start = typeof base === 'object' && base !== null && !Array.isArray(base) ? base : {}
  const result: Record<string, unknown> = { ...start }
  for (const [key, value] of Object.entries(patch)) {
    if (key === '__proto__') continue
    if (value === null) delete result[key]
    else result[key] = merge(result[key], value)
  }
  return result
}
