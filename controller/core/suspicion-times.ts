/**
 * After which silence a host is thought to be dead; see suspicion.ts. They are chosen by the curve
 * of detection time against false suspicions in docs/benchmarks.md.
 */
import type { Ms } from '#shared/units.ts'

/** The times of a judgement; a measurement may take other ones than a cloud does. */
export type Patience = {
  /** Silence of a machine at whose address nothing answers. */
  readonly suspectMs: Ms
  /** Silence of an agent whose machine takes calls: it may only be slow; or of a whole rack. */
  readonly hungMs: Ms
  /** One that this controller has never heard gets the time to be dialled. */
  readonly newcomerMs: Ms
  /** The same, of one that peers have missed for long: whoever lives is heard by then. */
  readonly witnessedMs: Ms
  /** Nobody could look for it, though others are heard. */
  readonly unwitnessedMs: Ms
  /**
   * Who is silent for so long counts for the brake: hosts that go missing in one moment were last
   * heard a heartbeat apart, and the first of them shall not be fenced for being the first.
   */
  readonly brakeMs: Ms
}

/** A gap between two of our turns that is longer is a time in which nobody was listened to. */
export const inattentiveMs: Ms = 1_500

/** What clouds go by; `suspectMs` is five heartbeats. */
export const patience: Patience = {
  suspectMs: 2_500,
  hungMs: 15_000,
  newcomerMs: 4_000,
  witnessedMs: 2_000,
  unwitnessedMs: 20_000,
  brakeMs: 1_250
}
