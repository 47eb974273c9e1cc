import test from 'ava'
import { documentOf } from '../../../controller/core/documents.ts'
import { corroborationOf } from '../../../controller/core/silence.ts'
import {
  corroborate,
  corroborationSentence,
  reachSentence,
  type Testimony,
  testimonyMsMax
} from '../../../controller/core/witnesses.ts'
import { sampleCloud } from '../../world/sample-cloud.ts'

const now = 100_000
const silentSince = now - 6_000
const word = (by: string, reached: boolean, agoMs = 1_000): Testimony => ({
  by,
  reached,
  at: now - agoMs
})

for (const [what, words, verdict, says] of [
  ['nobody looks', [], 'unknown', 'no peer has looked for it since'],
  ['one does not reach it', [word('h1', false)], 'agreed', 'its peer h1 does not reach it either'],
  [
    'none reaches it',
    [word('h1', false), word('h3', false), word('h4', false)],
    'agreed',
    'its peers h1, h3 and h4 do not reach it either'
  ],
  ['one reaches it', [word('h1', false), word('h3', true)], 'one-sided', 'but h3 reaches it'],
  ['it was looked for before it fell silent', [word('h1', true, 7_000)], 'unknown', /no peer/],
  ['it was looked for too long ago', [word('h1', false, testimonyMsMax + 1)], 'unknown', /no peer/],
  ['a peer is not heard itself', [word('deaf', false)], 'unknown', /no peer/]
] as const) {
  test(`a silence of which ${what} is ${verdict}`, t => {
    const isHeard = (name: string): boolean => name !== 'deaf'
    const found = corroborate(words, { silentSince, now, isHeard })
    t.is(found.verdict, verdict)
    if (typeof says === 'string') t.is(corroborationSentence(found), says)
    else t.regex(corroborationSentence(found), says)
  })
}

test('who reaches a host is said with how long ago, and who does not', t => {
  t.is(
    reachSentence([word('h2', true), word('h3', true, 3_000), word('h4', false)], now),
    'reached by h2, h3 (1 s ago); not by h4'
  )
  t.is(reachSentence([word('h4', false)], now), 'not reached by h4')
  t.is(reachSentence([word('h4', false, testimonyMsMax + 1)], now), '')
})

const memory = { memoryMib: 4_608 }

test('reports tell who reaches whom, and the newest of each peer counts', t => {
  const cloud = sampleCloud({ h1: memory, h2: memory, h3: memory })
  const { now } = cloud.context
  const shown = () =>
    documentOf(cloud.view, cloud.host('h2'), now).conditions.find(
      ({ type }) => type === 'reached-by-peers'
    )
  t.is(shown(), undefined)
  const { uuid } = cloud.host('h2').decided
  cloud.report('h1', { number: 8, peers: [{ host: uuid, reached: true, ageMs: 500 }] })
  cloud.report('h3', { number: 8, peers: [{ host: uuid, reached: false, ageMs: 100 }] })
  t.like(shown(), {
    status: 'true',
    reason: 'by-some',
    message: 'reached by h1 (500 ms ago); not by h3'
  })
  cloud.report('h1', { number: 9, peers: [] })
  t.like(shown(), { status: 'false', reason: 'by-none', message: 'not reached by h3' })
  cloud.done({ verb: 'delete', kind: 'host', id: cloud.host('h3').id })
  t.is(shown(), undefined)
})

test('a host that falls silent is told with what its peers say', t => {
  const cloud = sampleCloud({ h1: memory, h2: memory })
  const { monotonic, wall } = cloud.context.now
  const later = { monotonic: monotonic + 6_000, wall: wall + 6_000 }
  const { uuid } = cloud.host('h2').decided
  Object.assign(cloud.context, { now: later })
  cloud.report('h1', { number: 8, peers: [{ host: uuid, reached: false, ageMs: 900 }] })
  t.is(corroborationOf(cloud.view, cloud.host('h2'), later.monotonic).verdict, 'agreed')
  const ready = documentOf(cloud.view, cloud.host('h2'), later).conditions[0]
  t.regex(
    ready?.message ?? '',
    /^not heard for 6 s; its peer h1 does not reach it either; it has no/
  )
})
