/**
 * What bootd needs from the outside. Each port has real ones under `io/` and a fake under
 * `test/world/`, and all pass the same contract in `test/contracts/`.
 */
import type { Power } from '#shared/wire/fence.ts'

/**
 * Cuts and gives the power of one host. What it says about its own deeds proves nothing, only what
 * it reads. Each call ends soon after its signal aborts, and leaves no process behind.
 */
export interface FenceDevice extends AsyncDisposable {
  /** What it is and where, for sentences. */
  readonly name: string
  /** How the power is now, read from the device. Faults when it gives no answer. */
  power(signal: AbortSignal): Promise<Power>
  /** Cuts the power at once, without asking the host; does no harm where it is off. */
  off(signal: AbortSignal): Promise<void>
  /** Gives the power; does no harm where it is on. */
  on(signal: AbortSignal): Promise<void>
}
