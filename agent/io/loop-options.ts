/** What the agent's loop stands on. */
import type { Clock } from '#shared/clock.ts'
import type { Log } from '#shared/log.ts'
import type { HostFacts } from '#shared/model/host-facts.ts'
import type { Report } from '#shared/wire/order.ts'
import type { OwnDomain } from '../core/metadata.ts'
import type { Hardware } from '../core/ports.ts'
import type { Beside, Reporter } from '../core/report.ts'
import type { Hands } from './act.ts'
import type { OrderKeeper } from './kept-order.ts'
import type { SelfFence } from './self-fence.ts'

/** What the loop stands on. */
export type LoopOptions = {
  readonly hands: Hands
  readonly hardware: Hardware
  readonly kept: OrderKeeper
  readonly reporter: Reporter
  /** The machine's facts as they were at the start. */
  readonly facts: HostFacts
  readonly consoleFolder: string
  readonly send: (report: Report) => void
  /** What a report says beside what the loop knows. */
  readonly beside?: () => Beside
  /** Instances, by id, that may be started before any controller is there. */
  readonly services?: () => ReadonlySet<string>
  readonly cutOff?: SelfFence['cutOff']
  /** Told of our domains at each look, so that consoles can be attached. */
  readonly onDomains: (own: readonly OwnDomain[]) => void
  readonly clock: Clock
  readonly log: Log
}
