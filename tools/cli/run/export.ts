import { type Kind, kinds, type ResourceDocument } from '#shared/model/index.ts'
import type { Api } from '../api/client.ts'
import { listResources } from '../api/resources.ts'
import type { Invocation } from '../invocation.ts'
import { kindWords, readKind } from '../kinds.ts'
import { writeJson } from '../output/results.ts'
import { writeYamlDocuments } from '../output/yaml.ts'
import { type SchemaNode, withoutDefaults } from './fields.ts'

/** Writes resources as documents that apply takes, those first that others refer to. */
export async function exportResources(invocation: Invocation): Promise<void> {
  const asked = invocation.given.positional('KIND')
  const chosen =
    asked === undefined
      ? kindWords.filter(words => words.creatable).map(words => words.kind)
      : [readKind(asked).kind]
  const api = await invocation.connect()
  const documents: unknown[] = []
  for (const kind of chosen) {
    const list = await listResources(
      api,
      kind,
      {
        tenant: invocation.settings.tenant,
        filter: invocation.given.text('filter'),
        sort: 'tenant,name'
      },
      invocation.signal
    )
    const made = kind === 'volume' ? await madeWithInstances(invocation, api) : undefined
    for (const document of list.items) {
      if (document.status['phase'] === 'deleting' || made?.(document)) continue
      documents.push(wishOf(document))
    }
  }
  const { format } = invocation.settings
  const text = format === 'json' ? writeJson(documents) : writeYamlDocuments(documents)
  invocation.write(documents.length === 0 ? '' : text)
  invocation.note(`${documents.length} resources exported\n`)
}

/** What users said of a resource, without what would be so anyway. */
function wishOf(document: ResourceDocument): Readonly<Record<string, unknown>> {
  const { kind, name, tenant, labels } = document
  // A count of what was done is no wish: given back to the same cloud later, it would be a new one.
  const { restarts: _restarts, ...spec } = document.spec
  const kept = withoutDefaults(kinds[kind].spec as SchemaNode, spec)
  return {
    kind,
    name,
    ...(tenant === undefined ? {} : { tenant }),
    ...(Object.keys(labels).length === 0 ? {} : { labels }),
    spec: kept ?? {}
  }
}

/**
 * Says which volumes are root volumes, made with their instance and again with it: an instance
 * uses them without naming them among the volumes that it was given.
 */
async function madeWithInstances(
  invocation: Invocation,
  api: Api
): Promise<(volume: ResourceDocument) => boolean> {
  const kind: Kind = 'instance'
  const { tenant } = invocation.settings
  const { items } = await listResources(api, kind, { tenant }, invocation.signal)
  const keyOf = (document: ResourceDocument, name: string) => `${document.tenant}/${name}`
  const given = new Map(
    items.map(item => [keyOf(item, item.name), (item.spec['volumes'] ?? []) as readonly string[]])
  )
  return volume => {
    const { instance } = volume.status
    if (typeof instance !== 'string') return false
    return !given.get(keyOf(volume, instance))?.includes(volume.name)
  }
}
