import type { Clock } from '#shared/clock.ts'
import { isFault } from '#shared/fault.ts'
import type { HostId } from '#shared/ids.ts'
import type { Ms } from '#shared/units.ts'
import { beat } from '#shared/wire/beat.ts'
import type { Heartbeat } from '#shared/wire/messages.ts'
import type { Mesh } from '../core/ports.ts'
import type { View } from '../core/view.ts'

/** What the heartbeats to all hosts say; asked anew for each. */
export type HeartbeatValues = {
  readonly epoch: () => number
  /** Every host of the mesh, with the newest generation of its order. */
  readonly hosts: () => Iterable<HostToBeat>
}

/** One that is told, the newest generation of its order, and which of its heartbeats we heard. */
export type HostToBeat = {
  readonly host: HostId
  readonly generation: number
  readonly echo?: NonNullable<Heartbeat['echo']>
}

/**
 * Every host that is let in, also one that is taken for dead: an agent answers whoever speaks to
 * it, and that it speaks is news. But only one that is in use gets a lease, where it needs one: the
 * view knows of it before it leaves. If it leaves: the mesh asks whether we still lead. It is given
 * for the newest heartbeat that was heard until a moment of which others know; undefined: for none.
 */
export function* hostsToBeat(view: View, leasesUntil: Ms | undefined): Generator<HostToBeat> {
  for (const { name, decided } of view.all('host').values()) {
    if (decided.approval !== 'approved') continue
    const to = { host: decided.uuid as HostId, generation: view.indexes.hostGeneration(name) }
    const echo = view.leases.newest(name, leasesUntil)
    if (!echo || decided.recovery || decided.deletedAt !== undefined) {
      yield to
      continue
    }
    const { run, number, at } = echo
    view.fold({ type: 'echo', host: name, heardAt: at })
    yield { ...to, echo: { run, number } }
  }
}

/** Tells every host twice a second that this controller is alive, until the signal aborts. */
export async function sendHeartbeats(
  options: {
    readonly mesh: Pick<Mesh, 'send'>
    readonly clock: Clock
    readonly values: HeartbeatValues
    readonly everyMs?: Ms
  },
  signal: AbortSignal
): Promise<void> {
  const { mesh, values } = options
  using lag = options.clock.lag()
  const send = (number: number): void => {
    const epoch = values.epoch()
    const loopLagMs = lag.take()
    for (const { host, ...said } of values.hosts()) {
      sendUnlessGone(mesh, host, { type: 'heartbeat', number, loopLagMs, epoch, ...said })
    }
  }
  await beat(options, send, signal)
}

/** A host may have ceased to be a peer since it was named. */
function sendUnlessGone(mesh: Pick<Mesh, 'send'>, host: HostId, heartbeat: Heartbeat): void {
  try {
    mesh.send(host, heartbeat)
  } catch (thrown) {
    if (!isFault(thrown, 'unavailable')) throw thrown
  }
}
