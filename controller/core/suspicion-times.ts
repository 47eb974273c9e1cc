/** After which silence a host is thought to be dead; see suspicion.ts. */
import type { Ms } from '#shared/units.ts'

/** Five heartbeats. */
export const suspectMs: Ms = 2_500
/** A machine that takes calls may only be slow. */
export const hungMs: Ms = 15_000
/** One that this controller has never heard gets the time to be dialled. */
export const newcomerMs: Ms = 4_000
/** Nobody could look for it, though others are heard. */
export const unwitnessedMs: Ms = 20_000
