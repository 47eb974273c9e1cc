/**
 * The resources of the fake API, in memory: wishes are taken as they come, and what should be so
 * is so at once, unless a test holds it back to watch somebody wait.
 */
import { type Kind, kinds, type ResourceDocument } from '#shared/model/index.ts'
import { withDefaults } from '#shared/model/validate.ts'
import { parseFilter } from '../../controller/core/query/filter.ts'

export type FakeEvent = { readonly id: string; readonly event: string; readonly text: string }

type Key = { readonly kind: Kind; readonly name: string; readonly tenant?: string | undefined }

const phaseOfKind: Readonly<Partial<Record<Kind, string>>> = {
  tenant: 'active',
  host: 'online',
  event: '',
  job: 'done'
}

export class FakeResources {
  readonly #documents = new Map<string, ResourceDocument>()
  readonly #listeners = new Set<(event: FakeEvent) => void>()
  readonly #events: FakeEvent[] = []
  #generation = 0
  /** While true, what is wished stays pending until `settle`. */
  isHeld = false
  epoch = 1

  keyOf({ kind, name, tenant }: Key): string {
    const owner = kinds[kind].scope === 'tenant' ? (tenant ?? 'default') : ''
    return `${kind}/${owner}/${name}`
  }

  find(key: Key): ResourceDocument | undefined {
    const byName = this.#documents.get(this.keyOf(key))
    return byName ?? this.all(key.kind).find(one => one.id === key.name)
  }

  all(kind: Kind): readonly ResourceDocument[] {
    return [...this.#documents.values()].filter(one => one.kind === kind)
  }

  list(kind: Kind, query: URLSearchParams): readonly ResourceDocument[] {
    const tenant = query.get('tenant') ?? 'default'
    const mine = this.all(kind).filter(
      one => one.tenant === undefined || tenant === '*' || one.tenant === tenant
    )
    const filter = query.get('filter')
    return filter === null ? mine : mine.filter(parseFilter(filter))
  }

  /** Puts a resource there as a test wants it, complete with its status. */
  put(
    key: Key,
    parts: {
      readonly spec?: Readonly<Record<string, unknown>>
      readonly labels?: Readonly<Record<string, string>>
      readonly status?: Readonly<Record<string, unknown>>
      readonly conditions?: ResourceDocument['conditions']
    } = {}
  ): ResourceDocument {
    const before = this.find(key)
    this.#generation += 1
    const scope = kinds[key.kind].scope
    const number = String(this.#generation).padStart(12, '0')
    const document: ResourceDocument = {
      kind: key.kind,
      id: before?.id ?? `${kinds[key.kind].prefix}-00000000-0000-7000-8000-${number}`,
      name: key.name,
      ...(scope === 'tenant' ? { tenant: key.tenant ?? 'default' } : {}),
      labels: parts.labels ?? before?.labels ?? {},
      spec: (parts.spec ?? before?.spec ?? {}) as ResourceDocument['spec'],
      status: parts.status ?? before?.status ?? {},
      conditions: parts.conditions ?? before?.conditions ?? [],
      generation: this.#generation,
      observedGeneration: this.#generation,
      createdAt: before?.createdAt ?? '2026-11-20T10:00:00.000Z'
    }
    this.#documents.set(this.keyOf(key), document)
    this.#announce('put', document)
    return document
  }

  /** Takes a wish as the API does: with defaults filled in, and settled unless it is held. */
  wish(
    key: Key,
    parts: {
      readonly spec: Readonly<Record<string, unknown>>
      readonly labels: Readonly<Record<string, string>>
    }
  ): ResourceDocument {
    const spec = withDefaults(kinds[key.kind].spec, parts.spec) as ResourceDocument['spec']
    const before = this.find(key)
    const said = JSON.stringify([spec, parts.labels])
    if (before && JSON.stringify([before.spec, before.labels]) === said) return before
    const document = this.put(key, {
      spec,
      labels: parts.labels,
      status: before?.status ?? { phase: 'pending' },
      conditions: [ready('false', 'its host has not taken it on yet')]
    })
    return this.isHeld ? document : this.settle(key)
  }

  /** Makes so what is wished. */
  settle(key: Key): ResourceDocument {
    const { spec } = this.find(key)!
    const phase =
      key.kind === 'instance'
        ? String(spec['desiredPower'])
        : key.kind === 'image' && spec['source'] === undefined
          ? 'pending'
          : (phaseOfKind[key.kind] ?? 'ready')
    const isThere = phase !== 'pending'
    return this.observe(key, {
      status: {
        phase,
        ...(key.kind === 'instance'
          ? {
              host: 'h1',
              vcpus: spec['vcpus'] ?? 1,
              memoryMib: spec['memoryMib'] ?? 128,
              addresses: ['10.66.0.5'],
              volumes: [`${key.name}-root`]
            }
          : {})
      },
      conditions: [ready(isThere ? 'true' : 'false', isThere ? 'as desired' : 'waits')]
    })
  }

  /** Changes what is observed, as reports of agents do. */
  observe(
    key: Key,
    parts: {
      readonly status: Readonly<Record<string, unknown>>
      readonly conditions: ResourceDocument['conditions']
    }
  ): ResourceDocument {
    const document = { ...this.find(key)!, ...parts }
    this.#documents.set(this.keyOf(key), document)
    this.#announce('status', document)
    return document
  }

  remove(key: Key): void {
    const document = this.find(key)
    if (!document) return
    this.#documents.delete(this.keyOf(document as Key))
    this.#announce('remove', document)
  }

  #announce(op: string, document: ResourceDocument): void {
    const { kind, id, name, tenant } = document
    const resource = op === 'remove' ? {} : { resource: document }
    this.publish('change', { op, kind, id, name, tenant, ...resource })
  }

  /** Says something on the stream of events. */
  publish(event: string, said: object): void {
    const id = `${this.epoch}.${this.#events.length + 1}`
    const item = { id, event, text: JSON.stringify(said) }
    this.#events.push(item)
    for (const listener of this.#listeners) listener(item)
  }

  get revision(): string {
    return `${this.epoch}.${this.#events.length}`
  }

  /** Events after an id; undefined: that id is of another epoch. */
  since(id: string | undefined): readonly FakeEvent[] | undefined {
    if (id === undefined) return []
    const [epoch, sequence] = id.split('.').map(Number)
    return epoch === this.epoch ? this.#events.slice(sequence) : undefined
  }

  listen(listener: (event: FakeEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  get listeners(): number {
    return this.#listeners.size
  }
}

export const ready = (
  status: 'true' | 'false' | 'unknown',
  message: string
): ResourceDocument['conditions'][number] => ({
  type: 'ready',
  status,
  reason: status === 'true' ? 'as-desired' : 'not-yet',
  message
})
