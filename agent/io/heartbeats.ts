import type { Clock } from '#shared/clock.ts'
import type { Ms } from '#shared/units.ts'
import { beat } from '#shared/wire/beat.ts'
import type { AgentMesh } from '../core/ports.ts'

/** What the agent's heartbeats say; asked anew for each. */
export type HeartbeatValues = {
  /** The highest epoch that the agent has seen, and the generation that it last took on. */
  readonly seen: () => { readonly epoch: number; readonly generation: number }
  /** Notes that one is sent now; gives the run to name where a lease is needed. */
  readonly lease?: { sending(number: number): string | undefined }
}

/** Tells the controller twice a second that this agent is alive, until the signal aborts. */
export async function sendHeartbeats(
  options: {
    readonly mesh: Pick<AgentMesh, 'send'>
    readonly clock: Clock
    readonly values: HeartbeatValues
    readonly everyMs?: Ms
  },
  signal: AbortSignal
): Promise<void> {
  const { mesh, values } = options
  using lag = options.clock.lag()
  const send = (number: number): void => {
    const { epoch, generation } = values.seen()
    const run = values.lease?.sending(number)
    const loopLagMs = lag.take()
    const named = run === undefined ? {} : { run }
    mesh.send({ type: 'heartbeat', number, loopLagMs, epoch, generation, ...named })
  }
  await beat(options, send, signal)
}
