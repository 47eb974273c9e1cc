import test from 'ava'
import { patience } from '../../../controller/core/suspicion-times.ts'
import { type Deed, Judge, uuidOf } from '../../../tools/bench/suspicion/judge.ts'

const [hosts, perRack] = [12, 3]

/** Some hosts fall silent; when each is taken for dead, while the others miss them. */
function fencedAt(silent: readonly number[], forMs: number): ReadonlyMap<number, number> {
  const deeds: Deed[] = []
  const rackOf = (host: number) => Math.floor(host / perRack)
  const judge = new Judge({ hosts, rackOf, patience, told: deed => void deeds.push(deed) })
  for (let now = 500; now <= forMs; now += 500) {
    for (let host = 0; host < hosts; host += 1) {
      if (silent.includes(host)) continue
      const peers = silent.map(each => ({
        ...{ host: uuidOf(each), reached: false, sign: 'silent' as const, ageMs: 0 }
      }))
      judge.hear(host, { boot: 0, peers }, now)
    }
    judge.turn(now)
    judge.judge(now)
    for (const host of silent) judge.proveOff(host, now)
  }
  return new Map(deeds.filter(({ what }) => what === 'fencing').map(({ host, at }) => [host, at]))
}

test('a whole rack that falls silent has the time that its switch needs', t => {
  const at = fencedAt([0, 1, 2], 20_000)
  t.deepEqual([...at.keys()].sort(), [0, 1, 2], 'in the end they are dead all the same')
  t.true(Math.min(...at.values()) >= patience.hungMs)
})

test('two hosts of a rack whose third is heard are taken for dead at once', t => {
  const at = fencedAt([0, 1], 5_000)
  t.deepEqual([...at.keys()].sort(), [0, 1])
  t.true(Math.max(...at.values()) <= patience.suspectMs + 1_500)
})
