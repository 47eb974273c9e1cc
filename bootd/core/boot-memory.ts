/**
 * What bootd remembers of boots over its own restarts: a machine that boots just then goes on with
 * its token, and one that fails again and again is not forgotten to have. Moments on the monotonic
 * clock mean nothing to the next run, so they are written as those of the wall clock.
 */
import { validator } from '#shared/model/validate.ts'
import { BootState, type BootState as State } from '#shared/wire/boot.ts'
import { type MachineBoot, type Moment, spoken } from './boot-progress.ts'

/** A boot as it is written down. */
export type KeptBoot = {
  readonly state: State
  readonly token?: string
  readonly unapproved?: string
  readonly awaits?: { readonly version: string; readonly sinceWall: number }
  readonly untilWall?: number
  readonly stageWall: number
  readonly hasFailed: boolean
}

const check = validator(BootState)

/** Writes boots down. */
export const keptBoots = (boots: readonly MachineBoot[], now: Moment): readonly KeptBoot[] =>
  boots.map(boot => {
    const { token, until, stageAt, hasFailed, because, unapproved, awaits } = boot
    const { because: _, isUnapproved: __, ...state } = spoken(boot, now.monotonic)
    return {
      state: { ...state, ...(because !== undefined && { because }) },
      ...(token !== undefined && { token }),
      ...(unapproved !== undefined && { unapproved }),
      ...(awaits && {
        awaits: { version: awaits.version, sinceWall: now.wall - (now.monotonic - awaits.since) }
      }),
      ...(until !== undefined && { untilWall: now.wall + until - now.monotonic }),
      ...{ stageWall: stageAt.wall, hasFailed }
    }
  })

/** Reads what was written down; what is not as it should be is left out. */
export function recalledBoots(value: unknown, now: Moment): readonly MachineBoot[] {
  if (!Array.isArray(value)) return []
  return value.flatMap((one: Partial<KeptBoot> | null) => {
    if (one === null || typeof one !== 'object' || check(one.state).length > 0) return []
    const { stages, isUnapproved: _, ...state } = one.state as State
    const { token, untilWall, stageWall, unapproved, awaits } = one
    if (typeof stageWall !== 'number' || (token !== undefined && typeof token !== 'string'))
      return []
    // A clock that was set meanwhile gives nobody more time than a boot may have at all.
    const left =
      typeof untilWall === 'number' ? Math.min(untilWall - now.wall, leftMsMax) : undefined
    return [
      {
        ...state,
        stages: stages.map(({ stage, at }) => ({ stage, wall: Date.parse(at) || now.wall })),
        stageAt: {
          wall: stageWall,
          monotonic: now.monotonic - Math.max(0, now.wall - stageWall)
        },
        ...(token !== undefined && { token }),
        ...(typeof unapproved === 'string' && { unapproved }),
        ...(typeof awaits?.sinceWall === 'number' && {
          awaits: {
            version: String(awaits.version),
            since: now.monotonic - Math.max(0, now.wall - awaits.sinceWall)
          }
        }),
        ...(left !== undefined && { until: now.monotonic + left }),
        hasFailed: one.hasFailed === true
      }
    ]
  })
}

const leftMsMax = 7_200_000
