/**
 * Looks which servers of the ensemble answer, for the sentence that a client gets while nobody
 * leads. Those who ask at about the same time share one look.
 */
import type { Clock } from '#shared/clock.ts'
import { sentence } from '#shared/fault.ts'
import type { Ms } from '#shared/units.ts'
import { askServer } from '#shared/zookeeper/four-letters.ts'
import { readTls } from '#shared/zookeeper/tls-files.ts'
import { type HttpFault, noLeader } from './api/problem.ts'
import { type ControllerConfig, serversOf, tlsOf } from './config.ts'

/** A server must have answered after so long. Unit: ms. */
const answerMsMax: Ms = 500
/** One look is good for so long. Unit: ms. */
const goodMs: Ms = 1_000

/** What was seen: each server, and why it did not answer. */
export type EnsembleSeen = readonly {
  readonly server: string
  /** Undefined: it has answered. */
  readonly silent: string | undefined
}[]

/** Makes the look at the servers that a configuration names. */
export function ensembleLook(config: ControllerConfig, clock: Clock): () => Promise<EnsembleSeen> {
  let last: { readonly at: Ms; readonly seen: Promise<EnsembleSeen> } | undefined
  return () => {
    const now = clock.monotonic()
    if (!last || now - last.at > goodMs) last = { at: now, seen: look(config) }
    return last.seen
  }
}

async function look(config: ControllerConfig): Promise<EnsembleSeen> {
  const files = tlsOf(config)
  const tls = files && (await readTls(files))
  const options = { deadlineMs: answerMsMax, ...(tls && { tls }) }
  return await Promise.all(
    serversOf(config.ensemble).map(async server => {
      const silent = await askServer(server, 'srvr', options).then(
        () => undefined,
        thrown => sentence(thrown)
      )
      return { server, silent }
    })
  )
}

/** Says that nobody can do what was asked for, and what of the ensemble is missing. */
export function nobodyLeads(what: string, seen: EnsembleSeen | undefined): HttpFault {
  const next = ['remuda cluster status', 'try again in a moment']
  const said = `cannot ${what}: nobody leads at the moment`
  if (!seen) {
    const reasons = ['a controller is elected as soon as most servers of the ensemble answer']
    return noLeader(said, { reasons, next })
  }
  const answering = seen.filter(({ silent }) => silent === undefined).length
  const majority = Math.floor(seen.length / 2) + 1
  const count = `${answering} of ${seen.length} servers of the ensemble answer`
  if (answering >= majority) {
    const reasons = [`${count}: a controller is being elected`]
    return noLeader(said, { reasons, next })
  }
  return noLeader(`${said}: ${count}, ${majority} must`, {
    reasons: seen.flatMap(({ silent }) => silent ?? []),
    next: ['start the servers that are down', 'remuda doctor', ...next]
  })
}
