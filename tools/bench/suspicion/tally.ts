/** What comes of a play, in numbers. */
import type { Ms } from '#shared/units.ts'
import type { Patience } from '../../../controller/core/suspicion-times.ts'
import { play } from './play.ts'
import { type Extent, spellsOf } from './spells.ts'

/** One cloud, judged by one patience. */
export type Task = { readonly extent: Extent; readonly patience: Patience }

/** How it went. */
export type Tally = {
  /** From each real death until it was taken for one. Unit: ms. */
  readonly deaths: { readonly power: readonly Ms[]; readonly hang: readonly Ms[] }
  /** Deaths that were over before anybody was taken for dead. */
  readonly missed: number
  /** Living hosts that were taken for dead, by what was the matter with them. */
  readonly falseBy: Readonly<Record<string, number>>
  /** Of these, who was switched off. */
  readonly falseFences: number
  /** Living hosts that were told of as silent, or as held from being fenced. */
  readonly alarms: number
  readonly playedHours: number
}

/** Plays it and counts. */
export function tallyOf({ extent, patience }: Task): Tally {
  const spells = spellsOf(extent)
  const power: Ms[] = []
  const hang: Ms[] = []
  const falseBy: Record<string, number> = {}
  const falsely = new Set<number>()
  let falseFences = 0
  let alarms = 0
  const playedMs = play(spells, {
    extent,
    patience,
    skips: true,
    told: ({ at, host, what }, isDead, around) => {
      const death = around.find(
        ({ kind, from, to }) => (kind === 'death' || kind === 'hang') && from <= at && at < to
      )
      if (what === 'fencing' && death) (death.kind === 'death' ? power : hang).push(at - death.from)
      if (what === 'fencing' && !isDead) {
        falsely.add(host)
        const name = around.find(({ kind }) => kind !== 'off')?.name ?? 'lines that recover'
        falseBy[name] = (falseBy[name] ?? 0) + 1
      }
      if (what === 'fenced' && falsely.has(host)) falseFences += 1
      if (what === 'fenced' || what === 'fence-withdrawn') falsely.delete(host)
      if (!isDead && (what === 'host-silent' || what.startsWith('fence-held-'))) alarms += 1
    }
  })
  const dead = spells.filter(({ kind }) => kind === 'death' || kind === 'hang').length
  const missed = dead - power.length - hang.length
  const playedHours = playedMs / 3_600_000
  return { deaths: { power, hang }, missed, falseBy, falseFences, alarms, playedHours }
}
