import type { Host } from '#shared/model/host.ts'
import { type Kind, kinds, type Resource } from '#shared/model/index.ts'
import type { Report } from '#shared/wire/order.ts'
import type { Because, Commit } from '../core/commit.ts'
import { documentOf } from '../core/documents.ts'
import type { Entry } from '../core/ports.ts'
import { differing } from '../core/reported.ts'
import { defaultTenant, subjectOf } from '../core/subject.ts'
import type { Moment, View } from '../core/view.ts'
import type { Feed, FeedNews } from './feed.ts'

/** Turns commits and reports into items of the feed. With nobody listening it costs little. */
export class Announcer {
  readonly #view: View
  readonly #feed: Feed
  readonly #now: () => Moment

  constructor(options: {
    readonly view: View
    readonly feed: Feed
    readonly now: () => Moment
  }) {
    this.#view = options.view
    this.#feed = options.feed
    this.#now = options.now
  }

  /**
   * An entry of the journal is durable and folded. Each candidate that calls this for each entry,
   * in order, has the same items under the same ids. An entry that was told is passed over.
   */
  recorded(entry: Pick<Entry, 'position' | 'epoch' | 'commit'>): void {
    const { changes, decisions } = entry.commit
    const news: FeedNews[] = []
    for (const change of changes) {
      // As it was recorded: the view may hold a later change that is not durable yet.
      if (change.op === 'put') news.push(this.#changed('put', change.resource))
      else if (change.op === 'remove') {
        this.#feed.forgetStatus(`${change.kind}/${change.id}`)
        news.push(removed(change))
      }
    }
    this.#feed.record(entry, [...news, ...decisions.map(decided)])
  }

  /** A host has said something: its instances and volumes may stand differently. */
  reported(host: Host, before: Report | undefined, after: Report | undefined): void {
    if (before === after || !after) return
    const instances = differing(before?.instances ?? [], after.instances)
    const volumes = differing(before?.volumes ?? [], after.volumes)
    for (const [kind, ids] of [
      ['instance', instances],
      ['volume', volumes]
    ] as const) {
      for (const id of ids) {
        const resource = this.#view.get(kind, id)
        if (resource) this.#report(resource)
      }
    }
    if (before?.agentRun !== after.agentRun) this.hostChanged(host)
  }

  hostChanged(host: Host): void {
    this.#report(host)
  }

  #report(resource: Resource): void {
    this.#feed.report(`${resource.kind}/${resource.id}`, this.#changed('status', resource))
  }

  #changed(op: 'put' | 'status', resource: Resource): FeedNews {
    const { kind, id, name, tenant } = resource
    const document = documentOf(this.#view, resource, this.#now())
    return {
      type: 'change',
      kind,
      subjects: [subjectOf(resource)],
      ...(tenant !== undefined && { tenant }),
      json: JSON.stringify({ op, kind, id, name, tenant, resource: document })
    }
  }
}

function removed(change: Extract<Commit['changes'][number], { op: 'remove' }>): FeedNews {
  const { kind, id, subject } = change
  const name = subject.split('/').at(-1)
  const tenant = tenantOf(subject)
  const json = JSON.stringify({ op: 'remove', kind, id, name, tenant })
  return { type: 'change', kind, subjects: [subject], ...(tenant && { tenant }), json }
}

function decided(decision: Because): FeedNews {
  const [tenant, ...others] = new Set(decision.subjects.map(tenantOf))
  return {
    type: 'decision',
    subjects: decision.subjects,
    ...(tenant !== undefined && others.length === 0 && { tenant }),
    json: JSON.stringify(decision)
  }
}

/** Whose a subject is; undefined: the cloud's. */
function tenantOf(subject: string): string | undefined {
  const [kind = '', first, second] = subject.split('/')
  if (second !== undefined) return first
  return kinds[kind as Kind]?.scope === 'tenant' ? defaultTenant : undefined
}
