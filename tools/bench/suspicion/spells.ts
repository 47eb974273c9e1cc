/**
 * What befalls hosts, their lines and their controller, and how often. These are assumptions, on
 * the bad side of what a cared-for cloud sees, so that the curve promises too little rather than
 * too much; each line says why. Deaths come far more often than hosts die, so that there are enough
 * of them to measure: they cost no false suspicion, since who is dead is none.
 */
import type { Ms } from '#shared/units.ts'
import { chanceAt, lognormal, waitOf } from './chance.ts'

/** What can befall somebody. */
export type SpellKind =
  /** No program of the machine runs; its kernel takes calls. */
  | 'pause'
  /** Nothing of the machine runs, not even its kernel. */
  | 'freeze'
  /** The agent has ended and is started again: the kernel refuses calls for it. */
  | 'absent'
  /** Its link is down. */
  | 'flap'
  /** It and the controller do not reach each other; all others do. */
  | 'path'
  /** A share of its packets is lost. */
  | 'loss'
  /** Its event loop is late. */
  | 'lag'
  /** It has lost its power. */
  | 'death'
  /** Its kernel answers, and no program will ever run again. */
  | 'hang'
  /** It was switched off by a fence. */
  | 'off'

/** Whom it befalls: a host by its number, all hosts of a rack, the controller, or everybody. */
export type Whom =
  | { readonly scope: 'host'; readonly number: number }
  | { readonly scope: 'rack'; readonly number: number }
  | { readonly scope: 'controller' }
  | { readonly scope: 'cloud' }

/** One thing that befalls somebody. `amount`: the share that is lost, or how late on average. */
export type Spell = {
  /** Name of its source. */
  readonly name: string
  readonly kind: SpellKind
  readonly whom: Whom
  readonly from: Ms
  readonly to: Ms
  readonly amount: number
}

/** How often something happens and how long it lasts. */
export type Source = {
  readonly name: string
  readonly kind: SpellKind
  readonly scope: Whom['scope']
  readonly everyHours: number
  readonly lasts: { readonly median: Ms; readonly sigma: number }
  /** From this to that, each alike. */
  readonly amount?: readonly [number, number]
  /** Meanwhile somebody pauses so often, too; as long as others pause. */
  readonly pausesEveryMs?: Ms
  readonly because: string
}

const day = 24
const year = 365 * day
const pauses = { median: 300, sigma: 1.3 }

/** All of it, of one cloud. */
export const sources: readonly Source[] = [
  {
    name: 'agent starved',
    kind: 'pause',
    scope: 'host',
    everyHours: day,
    lasts: pauses,
    because: 'collections, reclaim, disks that stand: 5 % over 2.5 s, 1 in 800 over 15 s'
  },
  {
    name: 'busy host',
    kind: 'lag',
    scope: 'host',
    everyHours: 30 * day,
    lasts: { median: 30_000, sigma: 0.7 },
    amount: [20, 250],
    pausesEveryMs: 30_000,
    because: 'all processors taken for half a minute: each beat late, and a pause in most of them'
  },
  {
    name: 'machine frozen',
    kind: 'freeze',
    scope: 'host',
    everyHours: 30 * day,
    lasts: { median: 500, sigma: 1.2 },
    because: 'firmware, a lock in the kernel, steal: 9 % over 2.5 s, 3 % over 5 s'
  },
  {
    name: 'agent restarts',
    kind: 'absent',
    scope: 'host',
    everyHours: 30 * day,
    lasts: { median: 3_000, sigma: 0.5 },
    because: 'an upgrade a month'
  },
  {
    name: 'link flaps',
    kind: 'flap',
    scope: 'host',
    everyHours: 90 * day,
    lasts: { median: 2_000, sigma: 0.7 },
    because: 'a link is trained anew in 1 to 4 s, a bond notices within one'
  },
  {
    name: 'link waits for a tree',
    kind: 'flap',
    scope: 'host',
    everyHours: year,
    lasts: { median: 30_000, sigma: 0.1 },
    because: '802.1D: twice 15 s until a port forwards, where portfast was forgotten'
  },
  {
    name: 'path to the controller',
    kind: 'path',
    scope: 'host',
    everyHours: 90 * day,
    lasts: { median: 5_000, sigma: 1 },
    because: 'one-sided: a wrong entry in a table until it ages'
  },
  {
    name: 'lossy link',
    kind: 'loss',
    scope: 'host',
    everyHours: 30 * day,
    lasts: { median: 30_000, sigma: 0.7 },
    amount: [0.01, 0.2],
    because: 'a dirty connector, an overfull queue'
  },
  {
    name: 'rack switch restarts',
    kind: 'flap',
    scope: 'rack',
    everyHours: year / 2,
    lasts: { median: 8_000, sigma: 1 },
    because: 'two a year and rack: most short (another path takes over), some until it has started'
  },
  {
    name: 'controller starved',
    kind: 'pause',
    scope: 'controller',
    everyHours: day,
    lasts: pauses,
    because: 'as any agent'
  },
  {
    name: 'link of the controller flaps',
    kind: 'flap',
    scope: 'controller',
    everyHours: 30 * day,
    lasts: { median: 2_000, sigma: 0.7 },
    because: 'three times as often as any, since it matters to all'
  },
  {
    name: 'all hosts starved',
    kind: 'pause',
    scope: 'cloud',
    everyHours: 10 * day,
    lasts: pauses,
    because: 'storage that all share stands: half of the hosts pause, each for its own time'
  },
  {
    name: 'lossy network',
    kind: 'loss',
    scope: 'cloud',
    everyHours: 10 * day,
    lasts: { median: 20_000, sigma: 0.7 },
    amount: [0.005, 0.05],
    because: 'a storm of backups or migrations fills the queues of all switches'
  },
  {
    name: 'power lost',
    kind: 'death',
    scope: 'host',
    everyHours: 1_000,
    lasts: { median: 12_000, sigma: 0 },
    because: 'a real death, twenty times as often as in life'
  },
  {
    name: 'kernel hangs',
    kind: 'hang',
    scope: 'host',
    everyHours: 4_000,
    lasts: { median: 35_000, sigma: 0 },
    because: 'a real death whose kernel goes on taking calls'
  }
]

/** Packets that are lost at all times, in parts of one: 10⁻⁵ to 10⁻⁴ within a data centre. */
export const lossAlways = 1e-4

/** The cloud in which it happens. */
export type Extent = {
  readonly seed: number
  readonly hosts: number
  readonly racks: number
  readonly hours: number
  /** Everything happens so many times as often, so that a short run shows something, too. */
  readonly boost: number
}

/** All that befalls a cloud, in order of time. */
export function spellsOf(extent: Extent): readonly Spell[] {
  const spells = sources.flatMap((source, number) =>
    everyoneIn(source.scope, extent).flatMap((whom, place) =>
      drawn(source, { whom, extent, key: number * 4_096 + place })
    )
  )
  return spells.sort((a, b) => a.from - b.from)
}

function everyoneIn(scope: Whom['scope'], { hosts, racks }: Extent): readonly Whom[] {
  switch (scope) {
    case 'host':
    case 'rack':
      return Array.from({ length: scope === 'host' ? hosts : racks }, (_, number) => ({
        scope,
        number
      }))
    case 'controller':
    case 'cloud':
      return [{ scope }]
    default:
      return scope satisfies never
  }
}

/** A pause that is no longer, of one machine, and so far from all else, makes nobody silent. */
const [harmlessMs, apartMs]: readonly [Ms, Ms] = [400, 3_000]

/**
 * Without the pauses that cannot matter: a beat that one holds up comes 900 ms after the one before
 * it, which is sooner than the shortest silence that is judged, and nothing else is late by then.
 */
export function withoutHarmless(spells: readonly Spell[]): readonly Spell[] {
  const kept: Spell[] = []
  let untilBefore: Ms = Number.NEGATIVE_INFINITY
  for (const [place, spell] of spells.entries()) {
    const { kind, from, to } = spell
    const nextFrom = spells[place + 1]?.from ?? Number.POSITIVE_INFINITY
    const isAlone = from - untilBefore > apartMs && nextFrom - to > apartMs
    if (!(isAlone && kind === 'pause' && to - from <= harmlessMs)) kept.push(spell)
    untilBefore = Math.max(untilBefore, to)
  }
  return kept
}

/** Nothing that lasts less is of interest, and it begins after the cloud has come to rest. */
const [shortestMs, calmMs]: readonly [Ms, Ms] = [50, 20_000]

function drawn(
  source: Source,
  { whom, extent, key }: { readonly whom: Whom; readonly extent: Extent; readonly key: number }
): readonly Spell[] {
  const { seed, hours, hosts, boost } = extent
  const { name, kind, everyHours, lasts, amount: [least, most] = [0, 0], pausesEveryMs } = source
  const chance = (which: number, draw: number): number => chanceAt(seed, [key, which, draw])
  const spells: Spell[] = []
  let at = calmMs
  for (let which = 0; ; which += 1) {
    at += waitOf((everyHours * 3_600_000) / boost, chance(which, 0))
    if (at >= hours * 3_600_000) return spells
    const lasting = lognormal(lasts, [chance(which, 1), chance(which, 2)])
    const to = at + Math.max(shortestMs, lasting)
    if (kind === 'pause' && whom.scope === 'cloud') {
      for (let number = 0; number < hosts; number += 1) {
        if (chance(which, 10 + 3 * number) < 0.5) continue
        const own = lognormal(lasts, [
          chance(which, 11 + 3 * number),
          chance(which, 12 + 3 * number)
        ])
        const one = { scope: 'host', number } as const
        spells.push({
          name,
          kind,
          whom: one,
          from: at,
          to: at + Math.max(shortestMs, own),
          amount: 0
        })
      }
      continue
    }
    spells.push({
      name,
      kind,
      whom,
      from: at,
      to,
      amount: least + chance(which, 3) * (most - least)
    })
    if (pausesEveryMs === undefined) continue
    let pauseAt = at + waitOf(pausesEveryMs, chance(which, 4))
    for (let draw = 5; pauseAt < to; draw += 3) {
      const ms = lognormal(pauses, [chance(which, draw), chance(which, draw + 1)])
      spells.push({ name, kind: 'pause', whom, from: pauseAt, to: pauseAt + ms, amount: 0 })
      pauseAt += waitOf(pausesEveryMs, chance(which, draw + 2))
    }
  }
}
