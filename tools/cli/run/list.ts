import type { Kind } from '#shared/model/index.ts'
import { listResources } from '../api/resources.ts'
import type { Run } from '../command.ts'
import type { Invocation } from '../invocation.ts'
import { wordsOf } from '../kinds.ts'
import { sortFields } from '../output/columns.ts'
import { renderList } from '../output/results.ts'
import { showLive } from './live.ts'

/** Lists the resources of a kind. */
export const listKind =
  (kind: Kind): Run =>
  invocation =>
    writeList(invocation, kind)

/** Writes a list with the options that all lists have, once or, with --watch, again and again. */
export async function writeList(
  invocation: Invocation,
  kind: Kind,
  extra: { readonly filter?: string } = {}
): Promise<void> {
  const { given, settings } = invocation
  const api = await invocation.connect()
  const columns = given.text('columns')
  const filters = [given.text('filter'), extra.filter].filter(one => one !== undefined)
  const query = {
    tenant: settings.tenant,
    filter: filters.length < 2 ? filters[0] : filters.map(one => `(${one})`).join(' and '),
    sort: sortFields(kind, given.text('sort'))
  }
  const look = async (signal: AbortSignal): Promise<string> => {
    const list = await listResources(api, kind, query, signal)
    if (list.items.length === 0 && !given.flag('watch')) noteEmpty(invocation, kind)
    return renderList(invocation, { kind, list, columns, now: Date.now() })
  }
  await showLive(invocation, { query: { kinds: kind }, look })
}

function noteEmpty(invocation: Invocation, kind: Kind): void {
  const { given, settings } = invocation
  if (given.text('filter') !== undefined) {
    invocation.note('none match the filter\n')
    return
  }
  const { scope, creatable, plural } = wordsOf(kind)
  const where = scope === 'tenant' ? ` in tenant ${settings.tenant ?? 'default'}` : ''
  const hint = creatable ? `; remuda ${kind} create --help` : ''
  invocation.note(`no ${plural}${where}${hint}\n`)
}
