/** The resources of the API, in typed calls. */
import { randomUUID } from 'node:crypto'
import { Fault } from '#shared/fault.ts'
import type { Kind, ResourceDocument } from '#shared/model/index.ts'
import { UsageFault } from '../failure.ts'
import { type Reference, wordsOf, writeReference } from '../kinds.ts'
import type { Answer, Api, Ask } from './client.ts'

/** Most resources that one page of a list holds. */
const pageItemsMax = 500

/** All resources of a kind that a query found. */
export type ResourceList = {
  readonly kind: 'list'
  readonly items: readonly ResourceDocument[]
  readonly revision?: string
}

/** Which resources are wanted, and in which order. */
export type ListQuery = {
  readonly tenant?: string | undefined
  readonly filter?: string | undefined
  readonly sort?: string | undefined
  readonly fields?: string | undefined
}

/** What a dry run says would happen. */
export type DryRun = {
  readonly dryRun: true
  readonly changed: boolean
  readonly resource?: ResourceDocument
  readonly decision?: {
    readonly changes?: readonly {
      readonly op: string
      readonly kind: string
      readonly name: string
    }[]
    readonly because?: readonly string[]
    readonly placement?: Placement
  }
}

/** Where an instance is or would be, and why not elsewhere. */
export type Placement = {
  readonly chosen?: string
  readonly rejected?: readonly { readonly host: string; readonly because: string }[]
}

/** What became of a write: the document as it stands, or none when it is gone. */
export type Written = {
  readonly changed: boolean
  readonly document: ResourceDocument | undefined
  readonly dryRun: DryRun | undefined
}

/** Reads a JSON body; Fault `protocol` when it is none. */
export function readJson(answer: Answer, doing: string): unknown {
  try {
    return JSON.parse(answer.bytes.toString('utf8'))
  } catch (error) {
    throw new Fault('protocol', `cannot ${doing}: the answer is not JSON`, { cause: error })
  }
}

/** Path of a resource, or of its kind where no name is given. */
export function pathOf(kind: Kind, name?: string): string {
  const collection = `/v1/${wordsOf(kind).plural}`
  return name === undefined ? collection : `${collection}/${encodeURIComponent(name)}`
}

/** The tenant as the API wants it: only for what belongs to one. */
export const tenantQuery = (
  kind: Kind,
  tenant: string | undefined
): { readonly tenant?: string } =>
  tenant !== undefined && wordsOf(kind).scope === 'tenant' ? { tenant } : {}

const oneTenant = 'name one tenant: * is for lists'

const whereOf = (reference: Reference): Pick<Ask, 'path' | 'query'> => {
  if (reference.tenant === '*') {
    throw new UsageFault(`cannot address ${reference.kind}/${reference.name} in all tenants`, {
      next: [oneTenant]
    })
  }
  return {
    path: pathOf(reference.kind, reference.name),
    query: tenantQuery(reference.kind, reference.tenant)
  }
}

/** Lists all resources of a kind, page by page. */
export async function listResources(
  api: Api,
  kind: Kind,
  query: ListQuery = {},
  signal?: AbortSignal
): Promise<ResourceList> {
  const items: ResourceDocument[] = []
  const doing = `list ${wordsOf(kind).plural}`
  let next: string | undefined
  for (;;) {
    const answer = await api.ask({
      method: 'GET',
      path: pathOf(kind),
      query: {
        limit: String(pageItemsMax),
        filter: query.filter,
        sort: query.sort,
        fields: query.fields,
        ...tenantQuery(kind, query.tenant),
        next
      },
      doing,
      ...(signal ? { signal } : {})
    })
    const page = readJson(answer, doing) as ResourceList & { readonly next?: string }
    items.push(...page.items)
    if (page.next === undefined || page.next === next) {
      const { revision } = page
      return { kind: 'list', items, ...(revision === undefined ? {} : { revision }) }
    }
    next = page.next
  }
}

/** Reads one resource; Fault `not-found` when there is none. */
export async function readResource(
  api: Api,
  reference: Reference,
  signal?: AbortSignal,
  purpose = 'show'
): Promise<ResourceDocument> {
  const doing = `${purpose} ${writeReference(reference)}`
  const answer = await api.ask({
    method: 'GET',
    ...whereOf(reference),
    doing,
    ...(signal ? { signal } : {})
  })
  return readJson(answer, doing) as ResourceDocument
}

/** What users say of a resource. */
export type Wish = {
  readonly labels?: Readonly<Record<string, string>>
  readonly spec: Readonly<Record<string, unknown>>
}

type WriteOptions = { readonly dryRun?: boolean; readonly signal?: AbortSignal }

/** Creates a resource; said once more, under the same key, when the connection was lost. */
export async function createResource(
  api: Api,
  reference: Reference,
  wish: Wish,
  options: WriteOptions = {}
): Promise<Written> {
  const { kind, name, tenant } = reference
  if (tenant === '*') {
    throw new UsageFault(`cannot create ${kind}/${name} in all tenants`, { next: [oneTenant] })
  }
  return write(
    api,
    {
      method: 'POST',
      path: pathOf(kind),
      query: tenantQuery(kind, tenant),
      headers: { 'idempotency-key': randomUUID() },
      body: { name, ...wish },
      doing: `create ${kind}/${name}`
    },
    options
  )
}

/** Replaces the whole wish; what is left out takes its default. */
export const replaceResource = (
  api: Api,
  reference: Reference,
  wish: Wish,
  options: WriteOptions & { readonly generation: number }
): Promise<Written> =>
  write(
    api,
    {
      method: 'PUT',
      ...whereOf(reference),
      headers: { 'if-match': `"${options.generation}"` },
      body: wish,
      doing: `change ${writeReference(reference)}`
    },
    options
  )

/** Changes some fields (JSON merge patch: null takes one away). */
export const patchResource = (
  api: Api,
  reference: Reference,
  patch: Partial<Wish>,
  options: WriteOptions = {}
): Promise<Written> =>
  write(
    api,
    {
      method: 'PATCH',
      ...whereOf(reference),
      headers: { 'if-match': '*', 'content-type': 'application/merge-patch+json' },
      body: patch,
      doing: `change ${writeReference(reference)}`
    },
    options
  )

/** Asks for a resource to go; it is gone at once, or its document says that it is going. */
export const deleteResource = (
  api: Api,
  reference: Reference,
  options: WriteOptions & { readonly generation?: number; readonly force?: boolean } = {}
): Promise<Written> => {
  const { path, query } = whereOf(reference)
  return write(
    api,
    {
      method: 'DELETE',
      path,
      query: { ...query, ...(options.force && { force: '1' }) },
      headers: { 'if-match': options.generation === undefined ? '*' : `"${options.generation}"` },
      doing: `delete ${writeReference(reference)}`
    },
    options
  )
}

/** Says one of the verbs that a resource has, such as start. */
export function sayVerb(
  api: Api,
  reference: Reference,
  verb: string,
  options: WriteOptions & { readonly force?: boolean; readonly body?: object } = {}
): Promise<Written> {
  const { path, query } = whereOf(reference)
  return write(
    api,
    {
      method: 'POST',
      path: `${path}/${verb}`,
      query: { ...query, force: options.force ? '1' : undefined },
      ...(options.body && { body: options.body }),
      doing: `${verb} ${writeReference(reference)}`
    },
    options
  )
}

async function write(api: Api, ask: Ask, options: WriteOptions): Promise<Written> {
  const answer = await api.ask({
    ...ask,
    query: { ...ask.query, dryRun: options.dryRun ? '1' : undefined },
    ...(options.signal ? { signal: options.signal } : {})
  })
  const body = answer.bytes.length === 0 ? undefined : readJson(answer, ask.doing)
  if (options.dryRun) {
    const dryRun = body as DryRun
    return { changed: dryRun.changed, document: dryRun.resource, dryRun }
  }
  return {
    changed: answer.headers['remuda-changed'] !== 'false',
    document: body as ResourceDocument | undefined,
    dryRun: undefined
  }
}
