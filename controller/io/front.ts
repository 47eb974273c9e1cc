import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import type { App } from './api/app.ts'
import type { Cluster } from './api/cluster-status.ts'
import type { Upgrade } from './api/console.ts'
import type { Caller } from './api/route.ts'
import type { Service } from './api/service.ts'
import { positionHeader, positionOf } from './position.ts'

/** What stands between the servers and the API: it may answer, pass on, or add to the answer. */
export type Front = {
  /** Answers requests of a server; `trusted` is who comes through it without a token. */
  readonly listener: (app: App, trusted: Caller | undefined) => RequestListener
  /** Answers upgrades of a server. */
  readonly upgrade: (own: Upgrade, trusted: Caller | undefined) => Upgrade
  /** For whom another candidate vouches that has passed this request on. */
  readonly callerOf: (request: IncomingMessage) => Caller | undefined
}

/** Passes everything on to the API. */
export const plainFront: Front = {
  listener: (app, trusted) => app.listener(trusted),
  upgrade: own => own,
  callerOf: () => undefined
}

/** Says with each answer which state it was made of, and who leads. */
export const soloFront = (service: Service, cluster: Pick<Cluster, 'leader'>): Front => ({
  ...plainFront,
  listener: (app, trusted) => {
    const answer = app.listener(trusted)
    return (request, response) => {
      setPosition(response, service, cluster)
      answer(request, response)
    }
  }
})

/** The state that an answer is made of is at least this one. */
export function setPosition(
  response: ServerResponse,
  { ledger }: Service,
  cluster: Pick<Cluster, 'leader'>
): void {
  const leader = cluster.leader()
  response.setHeader(positionHeader, positionOf(ledger))
  if (leader) response.setHeader('remuda-controller', `${leader.name} ${leader.apiUrl}`)
}
