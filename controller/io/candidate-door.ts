/**
 * Who knocks at the door of a candidate that does not lead is judged by the controller, as if it
 * had knocked there; where none can be asked, it is told so, and tries again later.
 */

import type { IncomingMessage } from 'node:http'
import Type from 'typebox'
import { Fault, isFault, sentence } from '#shared/fault.ts'
import { Strict } from '#shared/model/resource.ts'
import type { DeepReadonly } from '#shared/model/types.ts'
import { validator } from '#shared/model/validate.ts'
import { Join, Joined } from '#shared/wire/messages.ts'
import type { Doorkeeper } from '../core/ports.ts'
import type { Cluster } from './api/cluster-status.ts'
import type { Service } from './api/service.ts'
import type { CandidateFront } from './candidate-front.ts'

/** The controller must have judged after so long. Unit: ms. */
const judgeMsMax = 3_000
/** Longest answer that is read. Unit: bytes. */
const answerBytesMax = 256 * 1024

/** Where candidates bring who has knocked at their doors; no part of the API. */
export const joinPath = '/v1/cluster/joins'

/** Who has knocked there, and whether that candidate knows the token. */
export const BroughtJoin = Strict({ join: Join, vouched: Type.Boolean() })
/** The same, as it is read. */
export type BroughtJoin = DeepReadonly<Type.Static<typeof BroughtJoin>>

const problemsOf = validator(Joined)

/** The doorkeeper of a candidate: `own` judges while it leads. */
export function candidateDoorkeeper(
  service: Service,
  given: {
    readonly own: Doorkeeper
    /** Whether the token is that of this candidate's own machine, which no other one knows. */
    readonly vouches: (token: string | undefined) => Promise<boolean>
    readonly leads: () => boolean
    readonly cluster: Pick<Cluster, 'leader'>
    readonly front: Pick<CandidateFront, 'ask'>
  }
): Doorkeeper {
  const { own, leads, cluster, front, vouches } = given
  return async join => {
    if (leads()) return await own(join)
    const leader = cluster.leader()
    const pending = (because: string): Joined => {
      const cloud = service.ledger.view.cloud?.id ?? ''
      return { type: 'joined', verdict: 'pending', because, cloud, controllerKeys: [] }
    }
    if (!leader) return pending('no controller leads at the moment: it will be asked again')
    try {
      const body: BroughtJoin = { join, vouched: await vouches(join.token) }
      const wanted = { method: 'POST', path: joinPath, body }
      const signal = AbortSignal.timeout(judgeMsMax)
      return await joinedOf(await front.ask(leader, wanted, signal))
    } catch (thrown) {
      if (!isFault(thrown)) throw thrown
      return pending(`cannot ask the controller ${leader.name}: ${sentence(thrown)}`)
    }
  }
}

async function joinedOf(answer: IncomingMessage): Promise<Joined> {
  const text = await textOf(answer, answerBytesMax)
  if (answer.statusCode !== 200) {
    throw new Fault('unavailable', `it answered ${answer.statusCode}: ${text.slice(0, 200)}`)
  }
  const said = parsed(text)
  if (problemsOf(said).length > 0) throw new Fault('protocol', 'its answer cannot be read')
  return said as Joined
}

/** Reads the body of a request or an answer whole; Fault `protocol` when it is too long. */
export async function textOf(message: IncomingMessage, bytesMax: number): Promise<string> {
  const parts: Buffer[] = []
  let bytes = 0
  try {
    for await (const part of message as AsyncIterable<Buffer>) {
      bytes += part.length
      if (bytes > bytesMax) throw new Fault('protocol', `it is longer than ${bytesMax} bytes`)
      parts.push(part)
    }
  } catch (cause) {
    if (cause instanceof Fault) throw cause
    throw new Fault('unavailable', 'it was cut off', { cause })
  }
  return Buffer.concat(parts).toString()
}

/** Reads JSON; undefined: it is none. */
export function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
