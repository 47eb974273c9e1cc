import test from 'ava'
import {
  allLogs,
  chooseLog,
  readLogPlace,
  unheardOf,
  writeLogPlace
} from '../../../../controller/core/boot/host-log.ts'
import { isRefusal } from '../../../../controller/core/refusal.ts'

const at = (minute: number): string => new Date(Date.UTC(2026, 0, 1, 0, minute)).toISOString()
const logOf = (boot: string, minute: number, bootd = 'c1') => ({
  ...{ boot, begunAt: at(minute), lastAt: at(minute + 1), bytes: 10, bootd }
})
const [first, second, third] = [logOf('a1', 1), logOf('a2', 2), logOf('a3', 3, 'c2')]
const logs = [first, second, third]

test('logs of several bootds are put in the order of the boots', t => {
  const said = [
    { bootd: 'c2', boots: [third, { ...first, lastAt: at(0) }] },
    { bootd: 'c1', boots: [first, second] }
  ]
  t.deepEqual(allLogs(said), logs)
})

const chosen: readonly {
  readonly title: string
  readonly boot: string
  readonly current?: string
  readonly log: string | RegExp
}[] = [
  { title: 'the boot that runs', boot: 'current', current: 'a2', log: 'a2' },
  { title: 'the newest where it is not known what runs', boot: 'current', log: 'a3' },
  { title: 'the boot before', boot: 'previous', current: 'a3', log: 'a2' },
  {
    title: 'the last one that spoke before one that says nothing yet',
    boot: 'previous',
    current: 'b0',
    log: 'a3'
  },
  { title: 'the boot before where it is not known what runs', boot: 'previous', log: 'a2' },
  { title: 'a boot by its name', boot: 'a1', current: 'a3', log: 'a1' },
  {
    title: 'the newest that was heard where the boot that runs says nothing yet',
    boot: 'current',
    current: 'b0',
    log: 'a3'
  },
  {
    title: 'a boot before the first',
    boot: 'previous',
    current: 'a1',
    log: /there is none of the boot before/
  },
  { title: 'a boot that nobody knows', boot: 'ff', current: 'a1', log: /there is none of boot ff/ }
]
for (const { title, boot, current, log } of chosen) {
  test(`asked for: ${title}`, t => {
    const found = chooseLog('h1', logs, { boot, current })
    if (!isRefusal(found)) {
      t.is(found.boot, String(log))
      return
    }
    if (typeof log === 'string') {
      t.fail(found.refused.message)
      return
    }
    t.regex(found.refused.message, log)
    t.is(found.refused.reasons.length, 3)
    t.deepEqual(found.refused.next, ['remuda host logs h1 --boot a3'])
  })
}

test('a boot is unheard of as long as there is no log of it', t => {
  t.is(unheardOf(logs, 'b0'), 'b0')
  t.is(unheardOf([], 'b0'), 'b0')
  t.is(unheardOf(logs, 'a2'), undefined)
  t.is(unheardOf(logs, undefined), undefined)
})

test('without any log it is said what hosts have one, and what else could be looked at', t => {
  const found = chooseLog('h1', [], { boot: 'current', current: undefined })
  if (!isRefusal(found)) return t.fail('there is none')
  t.regex(found.refused.message, /no bootd that is heard has one/)
  t.deepEqual(found.refused.next, ['remuda host boot-log h1', 'remuda power console h1'])
})

test('a place is read as it was written, and nothing else is one', t => {
  const place = { boot: 'a1', after: 12 }
  t.deepEqual(readLogPlace(writeLogPlace(place)), place)
  for (const text of ['', 'a1', 'a1:', ':1', '../a:1', 'a1:-1']) t.is(readLogPlace(text), undefined)
})
