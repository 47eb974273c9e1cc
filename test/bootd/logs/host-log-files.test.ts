import test from 'ava'
import fc from 'fast-check'
import { allow, freshAllowance } from '../../../bootd/core/host-log-allowance.ts'
import {
  type BootLog,
  bytesOf,
  endOf,
  forgotten,
  grown,
  nameOfLogFile,
  readLogFileName,
  surplus
} from '../../../bootd/core/host-log-files.ts'

const host = '4c4c4544-0042-3510-8052-b4c04f4e3132'
const empty: BootLog = {
  ...{ host, boot: 'b1', hasJoined: true, begunAt: 1_700_000_000_000, lastAt: 0, files: [] }
}

test('a log grows in one file, then in a second one, and the first is given up for a third', t => {
  const bounds = { fileBytesMax: 100 }
  const one = grown(empty, 60, bounds)
  t.deepEqual(one.log.files, [{ start: 0, bytes: 60 }])
  const two = grown(one.log, 60, bounds)
  t.deepEqual(two.log.files, [
    { start: 0, bytes: 60 },
    { start: 60, bytes: 60 }
  ])
  const three = grown(two.log, 60, bounds)
  t.deepEqual(three.givenUp, [{ start: 0, bytes: 60 }])
  t.deepEqual(three.into, { start: 120, bytes: 60 })
  t.is(endOf(three.log), 180)
})

test('places in a log never change, and what is kept is its end without a gap', t => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 150 }), { maxLength: 40 }), sizes => {
      let log = empty
      let total = 0
      for (const bytes of sizes) {
        const after = grown(log, bytes, { fileBytesMax: 100 })
        log = after.log
        total += bytes
        t.is(endOf(log), total)
        t.true(log.files.length <= 2)
        t.true(bytesOf(log) >= Math.min(total, bytes))
        const [first, second] = log.files
        if (second) t.is(first!.start + first!.bytes, second.start)
      }
    })
  )
})

test('names of files say all that is needed to find a log again', t => {
  const name = nameOfLogFile({ ...empty, boot: 'abc123' }, { start: 4_096, bytes: 7 })
  t.is(name, '1700000000000.abc123.4096.log')
  t.deepEqual(readLogFileName(name), { begunAt: 1_700_000_000_000, boot: 'abc123', start: 4_096 })
  for (const other of ['x.log', '1.abc.0.log', `${name}.gz`, '1700000000000.../etc.0.log']) {
    t.is(readLogFileName(other), undefined)
  }
})

const logOf = (of: string, begunAt: number, bytes = 1): BootLog => ({
  ...{ host: of, boot: `b${begunAt}`, hasJoined: true, begunAt, lastAt: begunAt },
  files: [{ start: 0, bytes }]
})
const [everyHost, noHost] = [() => true, () => false]

test('of one host the newest boots are kept', t => {
  const logs = [1, 2, 3, 4, 5].map(at => logOf('a', at))
  const gone = forgotten([...logs, logOf('b', 0)], { bootsMax: 3, strangersMax: 1 }, everyHost)
  t.deepEqual(
    gone.map(({ begunAt }) => begunAt),
    [2, 1]
  )
})

test('boots that never joined take no place from those that did', t => {
  const joined = [1, 2, 3].map(at => logOf('a', at))
  const others = [4, 5, 6, 7, 8].map(at => ({ ...logOf('a', at), hasJoined: false }))
  const bounds = { bootsMax: 3, strangersMax: 1 }
  const gone = forgotten([...joined, ...others], bounds, everyHost)
  t.deepEqual(
    gone.map(({ begunAt }) => begunAt),
    [6, 5, 4]
  )
  t.is(forgotten(others, bounds, everyHost).length, 2)
})

test('of hosts that no plan knows only those are kept that spoke last', t => {
  const logs = [logOf('a', 1), logOf('b', 4), logOf('c', 3), logOf('c', 5), logOf('d', 2)]
  const gone = forgotten(logs, { bootsMax: 3, strangersMax: 1 }, of => of === 'a')
  t.deepEqual(gone.map(log => log.host).toSorted(), ['b', 'd'])
})

test('where all of it is too much, the host that has most gives its oldest', t => {
  const [first, second] = [
    { start: 0, bytes: 60 },
    { start: 60, bytes: 30 }
  ]
  const loud = { ...logOf('loud', 9), files: [first, second] }
  const logs = [logOf('dead', 1, 50), loud, logOf('loud', 2, 10), logOf('stranger', 8, 40)]
  const givenUp = (bytesMax: number, isPlanned: (host: string) => boolean) =>
    surplus(logs, { bytesMax }, isPlanned).map(({ log, file }) => `${log.boot} ${file.start}`)
  t.deepEqual(givenUp(190, noHost), [])
  t.deepEqual(givenUp(180, noHost), ['b2 0'])
  t.deepEqual(givenUp(120, noHost), ['b2 0', 'b9 0'])
  const isPlanned = (of: string) => of !== 'stranger'
  // The newest boots of hosts of the plan come last, also where they are largest.
  t.deepEqual(givenUp(140, isPlanned), ['b2 0', 'b8 0'])
  t.deepEqual(givenUp(139, isPlanned), ['b2 0', 'b8 0', 'b9 0'])
  t.is(givenUp(0, isPlanned).length, 5)
})

test('no words of hosts that live drive out the last ones of a host that is dead', t => {
  const live = Array.from({ length: 200 }, (_, index) => logOf(`live ${index}`, 9, 300))
  const gone = surplus([logOf('dead', 1, 10), ...live], { bytesMax: 50_000 }, everyHost)
  t.true(gone.length > 0)
  t.true(gone.every(({ log }) => log.host !== 'dead'))
})

test('a host may say much at once, and little for long; what is left out is counted', t => {
  const bounds = { burstBytes: 100, bytesPerS: 10 }
  let allowance = freshAllowance(bounds, 0)
  const ask = (bytes: number, now: number) => {
    const verdict = allow(allowance, { bytes, lines: 1, now }, bounds)
    allowance = verdict.after
    return [verdict.kept, verdict.leftOut]
  }
  t.deepEqual(ask(80, 0), [true, 0])
  t.deepEqual(ask(30, 0), [false, 0])
  t.deepEqual(ask(31, 100), [false, 0])
  t.deepEqual(ask(30, 1_000), [true, 2])
  t.deepEqual(ask(100, 1_000_000), [true, 0])
})
