import test from 'ava'
import {
  forgetNotices,
  type Notices,
  noNotices,
  note,
  noticesKeptMax,
  noticesPerWindowMax
} from '../../agent/core/notices.ts'

const say = (notices: Notices, monotonic: number, subject = 'i-1'): Notices =>
  note(
    notices,
    { subject, reason: 'instance-ended', message: 'ended', severity: 'warning' },
    { monotonic, wall: Date.UTC(2026, 0, 1) + monotonic }
  )

test('notices are numbered from 1 and carry the time', t => {
  const { waiting } = say(say(noNotices, 0), 1_500)
  t.deepEqual(
    waiting.map(({ number, at }) => [number, at]),
    [
      [1, '2026-01-01T00:00:00.000Z'],
      [2, '2026-01-01T00:00:01.500Z']
    ]
  )
})

test(`of one sort about one subject ${noticesPerWindowMax} pass in a minute`, t => {
  let notices = noNotices
  for (let at = 0; at < 50; at++) notices = say(notices, at * 1_000)
  t.is(notices.waiting.length, noticesPerWindowMax)
  t.is(say(notices, 50_000, 'i-2').waiting.length, noticesPerWindowMax + 1)
  notices = say(notices, 60_000)
  t.is(notices.waiting.at(-1)?.message, 'ended (and 46 times before)')
})

test(`at most ${noticesKeptMax} wait, the oldest are dropped`, t => {
  let notices = noNotices
  for (let at = 0; at < 300; at++) notices = say(notices, at, `i-${at}`)
  t.is(notices.waiting.length, noticesKeptMax)
  t.is(notices.waiting.at(-1)?.number, 300)
})

test('what is kept elsewhere is forgotten', t => {
  const notices = say(say(say(noNotices, 0), 1), 2)
  t.deepEqual(
    forgetNotices(notices, 2).waiting.map(({ number }) => number),
    [3]
  )
  t.is(forgetNotices(notices, 0), notices)
})

test('the memory of what passed does not grow with the number of subjects', t => {
  let notices = noNotices
  for (let at = 0; at < 1_000; at++) notices = say(notices, at * 1_000, `i-${at}`)
  t.true(notices.flows.size <= 61)
})
