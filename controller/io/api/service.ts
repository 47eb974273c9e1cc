import type { Duplex, Readable } from 'node:stream'
import type { Clock } from '#shared/clock.ts'
import type { Log } from '#shared/log.ts'
import type { Host } from '#shared/model/host.ts'
import type { Image } from '#shared/model/image.ts'
import type { Instance } from '#shared/model/instance.ts'
import type { Answer, Question } from '#shared/wire/messages.ts'
import type { ImageContent } from '../../core/admission/image.ts'
import type { BootdQuestions } from '../bootd-questions.ts'
import type { Briefings } from '../briefings.ts'
import type { Feed } from '../feed.ts'
import type { Ledger } from '../ledger.ts'
import type { MachineConsoles } from '../machine-consoles.ts'
import type { Meters } from '../metrics.ts'
import type { Reign } from '../reign.ts'
import type { Cluster } from './cluster-status.ts'

/** What the API stands on. */
export type Service = {
  readonly reign: Reign
  readonly ledger: Ledger
  readonly feed: Feed
  readonly clock: Clock
  readonly log: Log
  readonly meters: Meters
  readonly images: ImageStore
  readonly agents: Agents
  /** Serial consoles of hosts' machines. */
  readonly machines: MachineConsoles
  /** What bootds know. */
  readonly bootds: Pick<BootdQuestions, 'ask' | 'askAll' | 'bootds' | 'serve'>
  readonly cluster: Cluster
  /** What hosts are told beside their orders. */
  readonly briefings: Pick<Briefings, 'renewed' | 'noteVersion'>
  readonly version: string
  /** When this controller began to lead, RFC 3339. */
  readonly startedAt: string
  /** Seed of the tickets by which agents fetch images. */
  readonly ticketSecret: string
}

/** Keeps the content of images, each under its SHA-256. */
export type ImageStore = {
  /**
   * Stores a stream whole or not at all, and has it recorded; until that has ended it stays,
   * though no image has it. Fault `invalid` when it is not what was announced.
   */
  readonly store: <Result>(
    content: Readable,
    expected: { readonly image: Image; readonly signal: AbortSignal },
    record: (stored: ImageContent) => Promise<Result>
  ) => Promise<Result>
  /** Whether content is here. */
  readonly has: (sha256: string) => Promise<boolean>
  /** Opens stored content; undefined: it is not here. */
  readonly open: (sha256: string) => Promise<Readable | undefined>
  /**
   * Removes content that no image has, once that is durable. `wanted` says what images have;
   * undefined: it cannot be told at the moment.
   */
  readonly keepOnly: (
    wanted: () => ReadonlySet<string> | undefined,
    durable: () => Promise<void>
  ) => Promise<void>
}

/** Asks agents, and opens consoles through them. */
export type Agents = {
  readonly ask: (
    host: Host,
    question: Pick<Question, 'ask' | 'subject'>,
    signal: AbortSignal
  ) => Promise<Answer>
  readonly console: (host: Host, instance: Instance) => Duplex
}
