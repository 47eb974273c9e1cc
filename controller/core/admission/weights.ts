import type { Cloud, Commit } from '../commit.ts'
import { overheadSetting } from '../overhead.ts'
import { scoreNames, type Weights, weightsElse, weightsOf } from '../placement/weights.ts'
import { type Refusal, refuse } from '../refusal.ts'
import type { View } from '../view.ts'
import { type Context, decision } from './context.ts'

/** What is to be set; null takes a setting back, and what is left out stays. */
export type WeightsWish = Readonly<Partial<Record<keyof Weights, number | null>>> & {
  readonly overhead?: Cloud['overhead']
}

/** Judges other weights of the scores; what is placed already stays where it is. */
export function setWeights(view: View, wish: WeightsWish, context: Context): Commit | Refusal {
  if (!view.cloud) {
    return refuse('unavailable', 'cannot set weights: the cloud is not founded yet', {
      next: ['try again in a moment']
    })
  }
  const before = weightsOf(view)
  const { weights: _, overhead: __, ...rest } = view.cloud
  const set = Object.fromEntries(
    scoreNames.flatMap(name => {
      const value = wish[name] === undefined ? before[name] : (wish[name] ?? weightsElse[name])
      return value === weightsElse[name] ? [] : [[name, value]]
    })
  ) as Partial<Weights>
  const after: Weights = { ...weightsElse, ...set }
  const changed = scoreNames.filter(name => before[name] !== after[name])
  const counts = overheadSetting(view)
  const overhead = wish.overhead ?? counts
  if (changed.length === 0 && overhead === counts) return { changes: [], decisions: [] }
  const cloud: Cloud = {
    ...rest,
    ...(Object.keys(set).length > 0 && { weights: set }),
    ...(overhead !== 'ignored' && { overhead })
  }
  const said = [
    ...changed.map(name => `${name} ${before[name]} → ${after[name]}`),
    ...(overhead === counts ? [] : [`overhead ${counts} → ${overhead}`])
  ].join(', ')
  const because = `asked for: new instances are placed otherwise: ${said}`
  return {
    changes: [{ op: 'cloud-put', cloud }],
    decisions: [decision(context, 'weights-set', because, 'cluster/placement')]
  }
}
