/** When an operator's word that a host is off is not taken. */
import test from 'ava'
import { confirmOff } from '../../../controller/core/admission/host-off.ts'
import type { Commit } from '../../../controller/core/commit.ts'
import { isRefusal } from '../../../controller/core/refusal.ts'
import { View } from '../../../controller/core/view.ts'
import { Rack } from '../../world/rack.ts'
import { type SampleCloud, sampleCloud } from '../../world/sample-cloud.ts'

/** A refusal as JSON; empty: there is none. */
function refusalOf(view: View, { context }: Pick<SampleCloud, 'context'>): string {
  const said = confirmOff(view, view.named('host', 'h1')!, context)
  if (!isRefusal(said)) return ''
  return JSON.stringify(said)
}

test('the word is not taken of a host that peers reach, until they miss it', t => {
  const { cloud, ...rack } = heard()
  const reached = (is: boolean) => ({ peers: [{ host: 'uuid-h1', reached: is, ageMs: 0 }] })
  rack.pass(25_000, reached(true))
  t.regex(
    refusalOf(cloud.view, cloud),
    /h2, h3 reached it just now.*it lives.*if its power is cut: say it again in 8 s/
  )
  rack.pass(1_000, reached(false))
  t.is(refusalOf(cloud.view, cloud), '')
})

test('nor by a controller that has not listened for it for long enough', t => {
  const kept: Commit[] = []
  const cloud = sampleCloud({ h1: { memoryMib: 4_608 } }, one => kept.push(one))
  const view = new View()
  for (const [at, commit] of kept.entries()) {
    view.fold({ type: 'commit', position: at + 1, commit })
  }
  const begun = cloud.context.now
  const passed = (ms: number): string => {
    const now = { monotonic: begun.monotonic + ms, wall: begun.wall + ms }
    view.fold({ type: 'turn', at: now })
    return refusalOf(view, { context: { ...cloud.context, now } })
  }
  t.regex(passed(0), /nobody has listened for it yet.* 0 ms ago.*say it again in 4 s/)
  for (let ms = 500; ms < 4_000; ms += 500) t.regex(passed(ms), /nobody has listened/)
  t.is(passed(4_000), '')
})

/** h1 has been heard, and from now on only its peers are. */
function heard() {
  const rack = new Rack()
  rack.pass(500)
  const pass = (ms: number, words: object) => rack.pass(ms, ['h2', 'h3'], words)
  return { cloud: rack.cloud, pass }
}
