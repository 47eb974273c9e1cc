import { monitorEventLoopDelay } from 'node:perf_hooks'

/** One metric of the Prometheus text format with its values, one for each set of labels. */
export type Sample = {
  readonly name: string
  readonly help: string
  readonly type: 'counter' | 'gauge'
  readonly values: readonly {
    readonly labels?: Readonly<Record<string, string>>
    readonly value: number
  }[]
}

/** Counters of some part that are shown under one name, each with its own label. */
export type Watched = {
  readonly name: string
  readonly help: string
  readonly label: string
  readonly counts: () => Readonly<Record<string, number>>
}

/** Counts requests and watches the event loop; others are read when somebody asks. */
export class Meters implements Disposable {
  readonly #requests = new Map<string, number>()
  readonly #delay = monitorEventLoopDelay({ resolution: 10 })

  readonly #watched = new Map<string, Watched>()

  constructor() {
    this.#delay.enable()
  }

  /** Shows the counters of a part from now on; the latest of one name holds. */
  watch(watched: Watched): void {
    this.#watched.set(watched.name, watched)
  }

  /** Counts one answered request. */
  requested(method: string, status: number): void {
    const key = `${method} ${status}`
    this.#requests.set(key, (this.#requests.get(key) ?? 0) + 1)
  }

  /** How late the event loop was since the last reading. Unit: ms. */
  eventLoopDelay(): { readonly p50Ms: number; readonly p99Ms: number; readonly maxMs: number } {
    const toMs = (ns: number): number => Math.max(0, Math.round((ns / 1e6 - 10) * 100) / 100)
    return {
      p50Ms: toMs(this.#delay.percentile(50)),
      p99Ms: toMs(this.#delay.percentile(99)),
      maxMs: toMs(this.#delay.max)
    }
  }

  samples(): readonly Sample[] {
    const delay = this.eventLoopDelay()
    return [
      ...[...this.#watched.values()].map(({ name, help, label, counts }) => ({
        name,
        help,
        type: 'counter' as const,
        values: Object.entries(counts()).map(([key, value]) => ({
          labels: { [label]: key },
          value
        }))
      })),
      {
        name: 'remuda_http_requests_total',
        help: 'Answered requests.',
        type: 'counter',
        values: [...this.#requests].map(([key, value]) => {
          const [method = '', status = ''] = key.split(' ')
          return { labels: { method, status }, value }
        })
      },
      {
        name: 'remuda_event_loop_delay_seconds',
        help: 'How late the event loop was, since the start.',
        type: 'gauge',
        values: [
          { labels: { quantile: '0.5' }, value: delay.p50Ms / 1000 },
          { labels: { quantile: '0.99' }, value: delay.p99Ms / 1000 },
          { labels: { quantile: '1' }, value: delay.maxMs / 1000 }
        ]
      },
      {
        name: 'process_resident_memory_bytes',
        help: 'Memory of the controller.',
        type: 'gauge',
        values: [{ value: process.memoryUsage.rss() }]
      }
    ]
  }

  [Symbol.dispose](): void {
    this.#delay.disable()
  }
}

/** Writes samples in the Prometheus text format, version 0.0.4. */
export function exposition(samples: readonly Sample[]): string {
  const lines: string[] = []
  for (const { name, help, type, values } of samples) {
    if (values.length === 0) continue
    lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`)
    for (const { labels, value } of values) {
      const pairs = Object.entries(labels ?? {}).map(([key, text]) => `${key}="${escaped(text)}"`)
      lines.push(`${name}${pairs.length > 0 ? `{${pairs.join(',')}}` : ''} ${value}`)
    }
  }
  return `${lines.join('\n')}\n`
}

const escaped = (text: string): string =>
  text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
