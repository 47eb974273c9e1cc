import test from 'ava'
import { patience } from '../../../controller/core/suspicion-times.ts'
import { chanceAt } from '../../../tools/bench/suspicion/chance.ts'
import { play } from '../../../tools/bench/suspicion/play.ts'
import { plotOf } from '../../../tools/bench/suspicion/plot.ts'
import { type Extent, spellsOf, withoutHarmless } from '../../../tools/bench/suspicion/spells.ts'

/** All that the core has done and told, and how much was played for it. */
function played(extent: Extent, skips: boolean, suspectMs: number) {
  const deeds: string[] = []
  const hours = play(spellsOf(extent), {
    extent,
    patience: { ...patience, suspectMs, brakeMs: suspectMs / 2 },
    skips,
    told: ({ at, host, what, because }, isDead) =>
      void deeds.push(`${at} h${host} ${what} ${isDead}: ${because}`)
  })
  return { deeds, hours: hours / 3_600_000 }
}

test('a play that skips quiet stretches tells the same as one that skips nothing', t => {
  for (const [seed, suspectMs] of [
    [1, 2_500],
    [2, 1_000]
  ] as const) {
    const extent = { seed, hosts: 12, racks: 4, hours: 1, boost: 400 }
    const [short, full] = [played(extent, true, suspectMs), played(extent, false, suspectMs)]
    t.deepEqual(short.deeds, full.deeds)
    t.true(
      full.deeds.some(deed => / fencing true/.test(deed)),
      'some of them die'
    )
    t.true(
      full.deeds.some(deed => / shown-late false/.test(deed)),
      'some of them are only late'
    )
    t.true(short.hours < full.hours * 0.9)
  }
})

test('a short pause far from all else is left out, one that is near another thing is not', t => {
  const spell = (from: number, ms: number) => ({
    ...{ name: 'agent starved', kind: 'pause' as const, amount: 0 },
    ...{ whom: { scope: 'host' as const, number: 1 }, from, to: from + ms }
  })
  const spells = [spell(10_000, 300), spell(20_000, 300), spell(21_000, 300), spell(40_000, 500)]
  const froms = withoutHarmless(spells).map(({ from }) => from)
  t.deepEqual(froms, [20_000, 21_000, 40_000])
})

test('chance depends on what it is for, not on what was drawn before, and is even', t => {
  t.is(chanceAt(1, [2, 3, 4]), chanceAt(1, [2, 3, 4]))
  const draws = Array.from({ length: 10_000 }, (_, which) => chanceAt(1, [2, which, 4]))
  const mean = draws.reduce((sum, one) => sum + one, 0) / draws.length
  t.true(Math.abs(mean - 0.5) < 0.02, `${mean}`)
  t.true(draws.every(one => one >= 0 && one < 1))
})

test('a plot has each point once', t => {
  const points = [
    { letter: 'a', x: 1, y: 1_000 },
    { letter: 'b', x: 5, y: 10 }
  ]
  const lines = plotOf(points, { x: 's', y: 'false fences' })
  t.is(lines.filter(line => /\|.*a/.test(line)).length, 1)
  t.is(lines.filter(line => /\|.*b/.test(line)).length, 1)
  t.true(lines.findIndex(line => /\|.*a/.test(line)) < lines.findIndex(line => /\|.*b/.test(line)))
})
