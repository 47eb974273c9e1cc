/** How much each score counts, as operators set it for the whole cloud. */
import type { View } from '../view.ts'

/** The scores by name, and what each counts where nobody has said otherwise. */
export const weightsElse = {
  memory: 100,
  cpu: 0,
  memoryMeasured: 0,
  cpuMeasured: 0,
  disk: 0,
  diskMeasured: 0,
  networkMeasured: 0,
  scarcity: 30,
  softAffinity: 200,
  spread: 50,
  imageCached: 0,
  packing: 0
} as const

/** The name of a score. */
export type ScoreName = keyof typeof weightsElse
/** Each score's weight; 0: it is not looked at. */
export type Weights = Readonly<Record<ScoreName, number>>

/** All of them, in the order in which they are shown. */
export const scoreNames = Object.keys(weightsElse) as readonly ScoreName[]

/** Largest weight that can be set. */
export const weightMax = 1_000

/** The weights in force. */
export const weightsOf = (view: View): Weights => ({ ...weightsElse, ...view.cloud?.weights })
