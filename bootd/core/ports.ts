/**
 * What bootd needs from the outside. Each port has real ones under `io/` and a fake under
 * `test/world/`, and all pass the same contract in `test/contracts/`.
 */
import type { Power } from '#shared/wire/fence.ts'

/** Only some of several outlets are on; `dark` says of the others how they read. */
export type PartlyOn = { readonly power: 'on'; readonly dark: string }

/** What is read of a host's power. */
export type Reading = Power | PartlyOn

/** Leave to give power beside what is on already; it is told what was given so. */
export type Beside = (did: string) => void

/**
 * Cuts and gives the power of one host. What it says about its own deeds proves nothing, only what
 * it reads. Each call ends soon after its signal aborts, and leaves no process behind.
 */
export interface FenceDevice<Said extends Reading = Power> extends AsyncDisposable {
  /** What it is and where, for sentences. */
  readonly name: string
  /** How the power is now, read from the device. Faults when it gives no answer. */
  power(signal: AbortSignal): Promise<Said>
  /** Cuts the power at once, without asking the host; does no harm where it is off. */
  off(signal: AbortSignal): Promise<void>
  /**
   * Gives the power; does no harm where it is on. Where only some of several outlets are on the
   * others are switched on `beside` them, with leave; else that is a Fault.
   */
  on(signal: AbortSignal, beside?: Beside): Promise<void>
}
