/** What becomes of a move, by what both hosts say; and which wishes to move are refused. */
import test from 'ava'
import type { InstanceMove } from '#shared/model/instance.ts'
import type { Report, ReportMove } from '#shared/wire/order.ts'
import { crossingTriesMax, nextOfMove } from '../../../controller/core/moves.ts'
import { orderFor } from '../../../controller/core/orders.ts'
import { isRefusal } from '../../../controller/core/refusal.ts'
import { instanceIntent, type SampleCloud, sampleCloud, wishOf } from '../../world/sample-cloud.ts'

type Word = `${ReportMove['stand']}${'' | ' before'}` | '-'

/** Phase, live or cold, what source and target say, and what comes next. */
const rows: readonly (readonly [InstanceMove['phase'], 'live' | 'cold', Word, Word, string])[] = [
  ['preparing', 'live', 'stays', '-', 'nothing'],
  ['preparing', 'live', 'stays', 'preparing', 'nothing'],
  ['preparing', 'live', 'stays', 'ready', 'sending'],
  ['preparing', 'cold', 'gone', 'ready', 'sending'],
  ['preparing', 'cold', 'gone', 'preparing', 'nothing'],
  ['preparing', 'live', 'gone', 'preparing', 'stays'],
  ['sending', 'live', '-', 'ready', 'nothing'],
  ['sending', 'live', 'stays', 'receiving', 'nothing'],
  ['sending', 'live', 'sending', 'here', 'nothing'],
  ['sending', 'live', 'gone', 'here', 'moved'],
  ['sending', 'live', 'gone before', 'here before', 'moved'],
  ['sending', 'live', 'gone', 'ready before', 'asking'],
  ['sending', 'live', 'gone before', 'ready', 'nothing'],
  ['sending', 'live', 'failed', 'receiving', 'withdrawing'],
  ['sending', 'live', 'failed before', 'ready', 'nothing'],
  ['sending', 'live', 'held', 'here', 'withdrawing'],
  ['sending', 'live', 'crossing', 'receiving', 'crossing'],
  ['sending', 'live', 'broken', '-', 'crossing'],
  ['sending', 'live', 'crossing before', 'receiving', 'nothing'],
  ['crossing', 'live', 'crossing', 'receiving', 'nothing'],
  ['crossing', 'live', 'crossing', 'here', 'nothing'],
  ['crossing', 'live', 'broken', 'receiving', 'nothing'],
  ['crossing', 'live', 'broken', 'ready before', 'nothing'],
  ['crossing', 'live', 'broken', 'ready', 'withdrawing'],
  ['crossing', 'live', 'crossing', 'preparing', 'withdrawing'],
  ['crossing', 'live', 'gone', 'receiving', 'asking'],
  ['crossing', 'live', 'gone', 'here', 'moved'],
  ['crossing', 'live', 'gone before', 'here', 'moved'],
  ['crossing', 'live', 'gone before', 'receiving', 'nothing'],
  ['crossing', 'live', 'held', 'receiving', 'withdrawing'],
  ['withdrawing', 'live', 'crossing', 'receiving', 'crossing'],
  ['withdrawing', 'live', 'broken', 'receiving', 'crossing'],
  ['sending', 'cold', 'sending', 'ready', 'nothing'],
  ['sending', 'cold', 'gone', '-', 'moved'],
  ['sending', 'cold', 'gone before', 'ready', 'nothing'],
  ['withdrawing', 'live', 'sending', 'receiving', 'nothing'],
  ['withdrawing', 'live', 'stays before', 'ready', 'nothing'],
  ['withdrawing', 'live', 'stays', '-', 'stays'],
  ['withdrawing', 'live', 'held', 'here', 'asking'],
  ['withdrawing', 'live', 'gone', 'ready', 'asking'],
  ['withdrawing', 'live', 'gone', 'here', 'moved'],
  ['withdrawing', 'cold', 'gone', 'ready', 'asking'],
  ['asking', 'live', 'held', 'here before', 'nothing'],
  ['asking', 'live', 'held', 'here', 'moved'],
  ['asking', 'live', 'held', 'ready', 'stays'],
  ['asking', 'live', 'gone', 'ready before', 'nothing'],
  ['asking', 'live', 'gone', 'preparing', 'stays'],
  ['asking', 'live', 'gone', 'receiving', 'nothing'],
  ['asking', 'live', '-', '-', 'nothing']
]

const step = 3

function wordOf(text: Word): ReportMove | undefined {
  if (text === '-') return undefined
  const [stand = '', before] = text.split(' ')
  const at = before === undefined ? step : step - 1
  return { move: 'mv-1', step: at, stand: stand as ReportMove['stand'], message: text }
}

for (const [phase, how, source, target, expected] of rows) {
  test(`${phase}, ${how}: source ${source}, target ${target}: ${expected}`, t => {
    const move = { phase, step, live: how === 'live' }
    const next = nextOfMove(move, { source: wordOf(source), target: wordOf(target) })
    t.is(next?.next ?? 'nothing', expected)
  })
}

/** Phase, which hosts are off, what source and target say, and what comes next. */
const offRows: readonly (readonly [
  InstanceMove['phase'],
  'source' | 'target' | 'both',
  Word,
  Word,
  string
])[] = [
  ['sending', 'target', 'crossing', '-', 'withdrawing'],
  ['withdrawing', 'target', 'crossing', '-', 'crossing'],
  ['crossing', 'source', '-', 'receiving', 'asking, lost'],
  ['crossing', 'source', '-', 'here', 'moved'],
  ['crossing', 'target', 'broken', '-', 'withdrawing, lost'],
  ['crossing', 'target', 'crossing', '-', 'withdrawing, lost'],
  ['crossing', 'both', '-', '-', 'stays']
]

for (const [phase, which, source, target, expected] of offRows) {
  test(`${phase}, ${which} off: source ${source}, target ${target}: ${expected}`, t => {
    const off = { source: which !== 'target', target: which !== 'source' }
    const words = { source: wordOf(source), target: wordOf(target) }
    const next = nextOfMove({ phase, step, live: true }, words, off)
    const isLost = next && 'lost' in next && next.lost
    t.is(`${next?.next ?? 'nothing'}${isLost ? ', lost' : ''}`, expected)
  })
}

test('what is left of an instance is given up once it was tried in vain often enough', t => {
  const move = { phase: 'crossing', step, live: true } as const
  const next = (tries: number) =>
    nextOfMove(move, { source: { ...wordOf('broken')!, tries }, target: undefined })
  t.is(next(crossingTriesMax - 1), undefined)
  t.like(next(crossingTriesMax), { next: 'withdrawing', lost: true })
})

test('what is lost is not sent again, however its host finds it, until it is gone', t => {
  const move = { phase: 'withdrawing', step, live: true, lost: true } as const
  const next = (source: Word) => nextOfMove(move, { source: wordOf(source), target: undefined })
  t.is(next('broken'), undefined)
  t.is(next('crossing'), undefined)
  t.is(next('gone')?.next, 'asking')
})

const memoryMib = 4_608
const migration = { uri: 'qemu+tls://10.0.0.2/system', address: '10.0.0.2', folder: '/f' }
const pools = [
  { name: 'shared', phase: 'ready' as const, message: '', capacityMib: 9_999, freeMib: 9_999 }
]

/** Two hosts that see a pool, and an instance in it on the first one. */
function movingCloud(spec: object = {}, said: Partial<Report> = {}): SampleCloud {
  const cloud = sampleCloud({ h1: { memoryMib }, h2: { memoryMib } })
  const pool = wishOf('pool', { path: '/shared', shared: true })
  cloud.done({ verb: 'create', kind: 'pool', name: 'shared', spec: pool })
  for (const name of ['h1', 'h2']) cloud.report(name, { number: 2, pools, migration, ...said })
  cloud.done(instanceIntent('web', { pool: 'shared', ...spec }))
  return cloud
}

const webOf = ({ view }: SampleCloud) => view.named('instance', 'web', 'default')!

test('a move has its room on both hosts, and an order for each of them', t => {
  const cloud = movingCloud()
  const { id } = webOf(cloud)
  cloud.done({ verb: 'move', id, to: 'h2' })
  const { view } = cloud
  t.is(view.indexes.promised('h1').memoryMib, 128)
  t.is(view.indexes.promised('h2').memoryMib, 128)
  t.is(view.indexes.promised('h2').count, 0)
  const context = { epoch: 1, imageUrl: () => 'http://c/i' }
  const [from, to] = ['h1', 'h2'].map(name => orderFor(view, cloud.host(name), context))
  t.like(from?.instances[0]?.leaving, { to: 'h2', live: true, go: false })
  t.like(to?.instances[0]?.arriving, { from: 'h1', over: false })
  t.is(from?.volumes[0]?.elsewhere, undefined)
  t.is(to?.volumes[0]?.elsewhere, true)
  cloud.done({ verb: 'cancel-move', id })
  t.is(view.indexes.promised('h2').memoryMib, 0)
  t.deepEqual(orderFor(view, cloud.host('h2'), context).instances, [])
})

test('how fast a running instance is sent is told to the host that sends it', t => {
  for (const live of [true, false]) {
    const cloud = movingCloud()
    const pace = { bandwidthMib: 100, downtimeMs: 50 }
    cloud.done({ verb: 'move', id: webOf(cloud).id, to: 'h2', live, pace })
    const context = { epoch: 1, imageUrl: () => 'http://c/i' }
    const { instances } = orderFor(cloud.view, cloud.host('h1'), context)
    t.deepEqual(instances[0]?.leaving?.pace, live ? pace : undefined)
  }
})

const refusals: readonly {
  readonly title: string
  readonly spec?: object
  readonly said?: Partial<Report>
  readonly wish?: { readonly to?: string; readonly live?: boolean }
  readonly because: RegExp
}[] = [
  { title: 'to the host where it is', wish: { to: 'h1' }, because: /it is there/ },
  { title: 'to a host that is not there', wish: { to: 'h9' }, because: /no host "h9"/ },
  {
    title: 'of local volumes',
    spec: { pool: 'local' },
    because: /local volumes cannot move yet/
  },
  {
    title: 'of a container that runs',
    spec: { type: 'container', image: 'tiny-container' },
    because: /cannot send a running container/
  },
  {
    title: 'to a host that takes none in',
    said: { migration: { ...migration, fault: 'libvirt does not listen' } },
    because: /takes no running instances in: libvirt does not listen/
  },
  {
    title: 'to a host without room',
    wish: { to: 'h2' },
    spec: { memoryMib: 4_000, host: 'h1' },
    because: /its spec says so/
  }
]

for (const { title, spec, said, wish, because } of refusals) {
  test(`a move ${title} is refused`, t => {
    const cloud = movingCloud(spec, said)
    const verdict = cloud.judged({ verb: 'move', id: webOf(cloud).id, ...wish })
    if (!isRefusal(verdict)) return t.fail('it was admitted')
    t.regex([verdict.refused.message, ...verdict.refused.reasons].join('; '), because)
  })
}

test('what is on its way is neither changed nor deleted nor moved elsewhere', t => {
  const cloud = movingCloud()
  const { id } = webOf(cloud)
  cloud.done({ verb: 'move', id, to: 'h2' })
  for (const intent of [
    { verb: 'power', id, power: 'stopped' },
    { verb: 'restart', id },
    { verb: 'delete', kind: 'instance', id },
    { verb: 'move', id, to: 'h1' }
  ] as const) {
    const verdict = cloud.judged(intent)
    t.true(isRefusal(verdict), intent.verb)
  }
  t.false(isRefusal(cloud.judged({ verb: 'move', id, to: 'h2' })), 'the same wish is no news')
})

test('how one is sent is wished of a move, or of the instance', t => {
  const of = (cloud: SampleCloud) => webOf(cloud).decided.moving?.pace
  const spec = { migration: { downtimeMs: 30, bandwidthMib: 10 } }
  const [own, asked] = [movingCloud(spec), movingCloud(spec)]
  own.done({ verb: 'move', id: webOf(own).id, to: 'h2' })
  t.deepEqual(of(own), spec.migration)
  asked.done({ verb: 'move', id: webOf(asked).id, to: 'h2', pace: { downtimeMs: 500 } })
  t.deepEqual(of(asked), { downtimeMs: 500, bandwidthMib: 10 })
})
