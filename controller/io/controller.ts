/**
 * A controller that is alone, from its start to its end: opens the journal, reads it, takes the
 * epoch, and then serves until it is told to stop. One of several candidates: see candidate.ts.
 */
import { join } from 'node:path'
import type { Clock } from '#shared/clock.ts'
import type { Fault } from '#shared/fault.ts'
import type { Log } from '#shared/log.ts'
import type { Doorkeeper, Election, Journal, Mesh } from '../core/ports.ts'
import { soloCluster } from './api/cluster-status.ts'
import type { Service } from './api/service.ts'
import { assemble } from './assembly.ts'
import type { FenceLine } from './bootds.ts'
import type { CandidateSource } from './bootstrap.ts'
import type { ControllerConfig } from './config.ts'
import { doorkeeperOf } from './doorkeeper.ts'
import { keepFences } from './fences.ts'
import { found } from './founding.ts'
import { soloFront } from './front.ts'
import { Keeper } from './keeper.ts'
import { keepImages, lastCheckpoint, lead } from './leading.ts'

/** What a controller stands on; each part has another one in tests. */
export type Parts = {
  readonly journal: Journal
  readonly election: Election
  readonly mesh: Mesh
  readonly clock: Clock
  readonly log: Log
  /** CURVE public keys that agents shall admit. */
  readonly controllerKeys: readonly string[]
  /** Left out: nobody can be fenced from here. */
  readonly fences?: FenceLine
  /** Where candidates are seen, for the signed list; left out: none is kept. */
  readonly candidates?: CandidateSource
}

/** A controller that leads and answers; disposing of it ends its loops and closes its sockets. */
export type Running = AsyncDisposable & {
  readonly service: Service
  readonly doorkeeper: Doorkeeper
  readonly port: number
  /** How others reach its API. */
  readonly url: string
  /** Resolves when somebody else has taken the journal: nothing can be recorded here any more. */
  readonly deposed: Promise<Fault>
}

/** Starts a controller; resolves once it leads and answers. */
export async function startController(
  config: ControllerConfig,
  parts: Parts,
  stop: AbortSignal
): Promise<Running> {
  const { journal, election, mesh, clock, log, candidates } = parts
  const ending = new AbortController()
  const signal = AbortSignal.any([stop, ending.signal])
  const cluster = soloCluster(config, { service: () => assembly.service, url: () => listening.url })
  const deposed = Promise.withResolvers<Fault>()
  const given = { mesh, election, clock, log, cluster, onDeposed: deposed.resolve }
  const assembly = await assemble(config, given, signal)
  const { service, announcer } = assembly
  const { ledger, feed } = service
  const keeper = new Keeper({ journal, view: ledger.view, log })
  await keeper.load(entry => announcer.recorded(entry))
  await election.lead(signal)
  const epoch = await journal.raiseEpoch()
  await ledger.open(epoch, journal)
  feed.begin({ position: ledger.durablePosition, epoch })
  feed.start(epoch)
  await found(config, { ledger, clock, log })
  log.info('leading', { epoch, position: ledger.durablePosition, cloud: ledger.view.cloud?.id })
  const listening = await assembly.listen(soloFront(service, cluster))
  const leading = Promise.all([
    lead(assembly, { keepers: [keeper], candidates }, signal),
    fenceAlone(config, { ...parts, service }, signal),
    keepImages(service, signal)
  ])
  return {
    service,
    doorkeeper: doorkeeperOf(service, {
      tokenFile: join(config.state, 'join.token'),
      controllerKeys: parts.controllerKeys
    }),
    port: listening.port,
    url: listening.url,
    deposed: deposed.promise,
    [Symbol.asyncDispose]: async () => {
      await listening.close()
      ending.abort()
      await leading
      await lastCheckpoint(service, keeper)
      service.meters[Symbol.dispose]()
    }
  }
}

/** Has hosts fenced through the bootd of this machine. */
async function fenceAlone(
  { name: own }: ControllerConfig,
  given: Pick<Parts, 'fences' | 'election' | 'clock' | 'log'> & { readonly service: Service },
  signal: AbortSignal
): Promise<void> {
  const { fences, election, clock, log, service } = given
  if (!fences) return
  const { ledger, reign, feed, machines, bootds: questions } = service
  const bootds = async () => {
    const bootd = fences.bootd()
    return bootd ? [{ name: own, ...bootd }] : []
  }
  const mayAct = (): boolean => election.holds(clock.monotonic()) && !ledger.broken
  const { mesh } = fences
  const kept = { mesh, feed, bootds, own, mayAct, ledger, reign, machines, questions, clock, log }
  await keepFences(kept, signal)
}
