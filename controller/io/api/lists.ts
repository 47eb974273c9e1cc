/** Lists: pages that are filtered and sorted, or all, a line each. Long ones hold up nobody. */
import { Readable } from 'node:stream'
import { Fault } from '#shared/fault.ts'
import { type Kind, kinds, type Resource, type ResourceDocument } from '#shared/model/index.ts'
import { documentOf } from '../../core/documents.ts'
import { parseFilter } from '../../core/query/filter.ts'
import { type PageWish, pager, parseSort, pickFields } from '../../core/query/page.ts'
import { defaultTenant } from '../../core/subject.ts'
import { breathing } from '../breath.ts'
import { type Call, header, type Reply } from './route.ts'
import type { Service } from './service.ts'

const limitDefault = 100
const limitMax = 1_000
/** Characters that are sent at once of a list without pages. */
const chunkCharacters = 64 * 1024

/** What a list is made of: resources, how each is shown, and which are wanted. */
type Listing = {
  readonly service: Service
  readonly resources: Iterable<Resource>
  readonly documents: (resource: Resource) => ResourceDocument
  readonly wish: PageWish
}

/** Answers a list of one kind. */
export async function list(service: Service, kind: Kind, call: Call): Promise<Reply> {
  const { view } = service.reign
  const { query } = call
  const tenant = kinds[kind].scope === 'tenant' ? (query['tenant'] ?? defaultTenant) : '*'
  knownTenant(service, tenant)
  const limit = Math.min(limitMax, Math.max(1, Number(query['limit'] ?? limitDefault)))
  const wish: PageWish = {
    limit,
    sort: parseSort(query['sort'] ?? ''),
    ...(query['filter'] !== undefined && { filter: parseFilter(query['filter']) }),
    ...(query['next'] !== undefined && { next: query['next'] })
  }
  const revision = service.feed.revision
  const now = service.reign.now()
  const documents = (resource: Resource): ResourceDocument => documentOf(view, resource, now)
  const listing = { service, resources: mineOf(service, kind, tenant), documents, wish }
  if (header(call, 'accept')?.includes('application/x-ndjson')) {
    return { body: Readable.from(lines(listing)), type: 'application/x-ndjson' }
  }
  const { items, next } = await pageOf(listing)
  await service.ledger.durable()
  const fields = query['fields']?.split(',').map(field => field.trim())
  return {
    headers: { 'remuda-revision': revision },
    body: {
      kind: 'list',
      items: fields ? items.map(item => pickFields(item, fields)) : items,
      ...(next !== undefined && { next }),
      revision
    }
  }
}

/** A tenant that is not there is no empty list: it is a name that was mistyped. */
function knownTenant(service: Service, tenant: string): void {
  if (tenant === '*' || service.reign.view.named('tenant', tenant)) return
  throw new Fault('not-found', `there is no tenant "${tenant}"`, { next: ['remuda tenant list'] })
}

/** Resources of one kind that a list is about. */
function* mineOf(service: Service, kind: Kind, tenant: string): Iterable<Resource> {
  for (const resource of service.reign.view.all(kind).values()) {
    if (tenant === '*' || resource.tenant === tenant || resource.tenant === undefined)
      yield resource
  }
}

/** Paths that a page can be sorted by without working out any document. */
const storedPath = /^(name|id|tenant|createdAt|generation|labels\..+|spec\..+)$/

async function pageOf(
  listing: Listing
): Promise<{ readonly items: readonly ResourceDocument[]; readonly next: string | undefined }> {
  const { wish, documents, service } = listing
  const simple = !wish.filter && wish.sort.every(({ path }) => storedPath.test(path))
  if (!simple) return await gather(listing, documents)
  const page = await gather(listing, resource => resource)
  const items: ResourceDocument[] = []
  const breathe = breathing(service.clock)
  for (const resource of page.items) {
    items.push(documents(resource))
    const pause = breathe()
    if (pause) await pause
  }
  return { items, next: page.next }
}

async function gather<Item extends { readonly id: string }>(
  { service, resources, wish }: Listing,
  itemOf: (resource: Resource) => Item
) {
  const collector = pager<Item>(wish)
  const breathe = breathing(service.clock)
  for (const resource of resources) {
    collector.add(itemOf(resource))
    const pause = breathe()
    if (pause) await pause
  }
  return collector.page()
}

/** Every document on a line of its own, without paging. */
async function* lines({ service, resources, documents, wish }: Listing): AsyncIterable<string> {
  const breathe = breathing(service.clock)
  let chunk = ''
  for (const resource of resources) {
    const pause = breathe()
    if (pause) await pause
    const document = documents(resource)
    if (wish.filter && !wish.filter(document)) continue
    chunk += `${JSON.stringify(document)}\n`
    if (chunk.length < chunkCharacters) continue
    await service.ledger.durable()
    yield chunk
    chunk = ''
  }
  await service.ledger.durable()
  if (chunk !== '') yield chunk
}
