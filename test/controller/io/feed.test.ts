import { setImmediate } from 'node:timers/promises'
import test from 'ava'
import { readPlace, writePlace } from '../../../controller/core/feed-place.ts'
import { Feed, type FeedItem, type FeedNews } from '../../../controller/io/feed.ts'

const news = (json: string): FeedNews => ({ type: 'decision', subjects: [], json })

/** A feed of a controller that leads in an epoch; each text is an entry of its own. */
class Told {
  readonly feed = new Feed()
  position = 0

  constructor(epoch: number) {
    this.epoch = epoch
    this.feed.start(epoch)
  }
  readonly epoch: number

  entry(...texts: readonly string[]): void {
    this.position += 1
    this.feed.record({ position: this.position, epoch: this.epoch }, texts.map(news))
  }
}

/** What follows at once; the feed says nothing more by itself. */
async function taken(feed: Feed, after: string): Promise<readonly string[] | 'reset'> {
  const stop = new AbortController()
  const texts: string[] = []
  const news = feed.follow(after, stop.signal)
  for (;;) {
    const next = news.next()
    const first = await Promise.race([next, setImmediate(undefined)])
    if (first && !first.done && first.value !== 'reset') {
      texts.push(...first.value.map(({ json }) => json))
      continue
    }
    stop.abort()
    await next
    await news.return(undefined)
    return first?.value === 'reset' ? 'reset' : texts
  }
}

test('an id is an epoch, a position and a part of it, and is read as it was written', t => {
  for (const [id, epoch, position, part] of [
    ['7.104000000002', 7, 104, 2],
    ['1.500000000', 1, 0, 500_000_000],
    ['12.9007199500500000001', 12, 9_007_199_500, 500_000_001]
  ] as const) {
    t.deepEqual(readPlace(id), { epoch, position, part })
    t.is(writePlace({ epoch, position, part }), id)
  }
  for (const id of ['', '7', '7.1', 'x.500000000', '-7.104000000002', '7.104000000002 ']) {
    t.is(readPlace(id), undefined, id)
  }
})

test('who was away goes on after the last item that it has seen', async t => {
  const told = new Told(7)
  told.entry('a', 'b')
  told.entry('c')
  t.deepEqual(await taken(told.feed, '7.500000000'), ['a', 'b', 'c'])
  t.deepEqual(await taken(told.feed, '7.1000000001'), ['b', 'c'])
  t.deepEqual(await taken(told.feed, '7.1500000000'), ['c'])
  t.deepEqual(await taken(told.feed, '7.2500000000'), [])
  for (const unknown of [
    '6.1000000001',
    '7.2500000001',
    '7.3500000000',
    '8.1000000001',
    '7',
    '',
    'x.y'
  ]) {
    t.is(await taken(told.feed, unknown), 'reset', unknown)
  }
})

test('few items are kept when they are long, and many when they are short', async t => {
  const told = new Told(1)
  for (let number = 0; number < 4_000; number += 1) told.entry('x')
  t.is((await taken(told.feed, '1.1500000000')).length, 3_999)
  for (let number = 0; number < 100; number += 1) told.entry('x'.repeat(2 ** 20))
  t.is(await taken(told.feed, '1.4000500000000'), 'reset')
  t.is((await taken(told.feed, '1.4090500000000')).length, 10)
})

test('a listener that does not read long items is told to start anew', async t => {
  const told = new Told(1)
  const stop = new AbortController()
  const news = told.feed.follow(undefined, stop.signal)
  const first = news.next()
  told.entry('a')
  t.is((await first).value?.[0] && 'read', 'read')
  for (let number = 0; number < 100; number += 1) told.entry('x'.repeat(2 ** 20))
  t.is((await news.next()).value, 'reset')
  stop.abort()
  await news.return(undefined)
})

test('when what was told may not be so, all start anew, and no id is given twice', async t => {
  const told = new Told(1)
  told.entry('a')
  const { revision } = told.feed
  told.feed.reset()
  t.not(told.feed.revision, revision)
  t.is(await taken(told.feed, revision), 'reset')
  told.entry('b')
  t.is(await taken(told.feed, revision), 'reset')
})

test('of a status that has changed often only the last is kept, in its place', async t => {
  const told = new Told(3)
  const { feed } = told
  told.entry('made')
  feed.report('instance/a', news('a starts'))
  feed.report('instance/b', news('b starts'))
  const { revision } = feed
  feed.report('instance/a', news('a runs'))
  told.entry('label')
  feed.report('instance/b', news('b runs'))
  t.deepEqual(await taken(feed, '3.500000000'), ['made', 'a runs', 'label', 'b runs'])
  t.deepEqual(await taken(feed, revision), ['a runs', 'label', 'b runs'])
  feed.forgetStatus('instance/a')
  t.deepEqual(await taken(feed, revision), ['label', 'b runs'])
})

test('who has missed the status of more than is kept starts anew', async t => {
  const told = new Told(1)
  told.entry('made')
  const { revision } = told.feed
  for (let number = 0; number < 20_001; number += 1) {
    told.feed.report(`instance/${number}`, news('runs'))
  }
  t.is(await taken(told.feed, revision), 'reset')
})

test('a candidate that begins at a checkpoint knows only what comes after it', async t => {
  const feed = new Feed()
  feed.begin({ position: 100, epoch: 6 })
  t.is(feed.revision, '6.100500000000~0', 'it hears no host')
  t.deepEqual(await taken(feed, '5.100500000000'), [])
  t.deepEqual(await taken(feed, '5.100500000007'), [])
  t.is(await taken(feed, '5.100000000001'), 'reset', 'in the middle of an entry that it has not')
  t.is(await taken(feed, '5.99500000000'), 'reset')
  feed.record({ position: 101, epoch: 6 }, [news('a')])
  t.deepEqual(await taken(feed, '5.100500000007'), ['a'])
  t.is(await taken(feed, '5.101500000000'), 'reset', 'an entry of a history that is not ours')
})

test('who has seen more than a candidate has read is told only the rest', async t => {
  const feed = new Feed()
  feed.begin({ position: 10, epoch: 2 })
  const stop = new AbortController()
  const rest = feed.follow('2.12500000003', stop.signal)
  const next = rest.next()
  for (const position of [11, 12, 13]) {
    feed.record({ position, epoch: 2 }, [news(`entry ${position}`)])
  }
  const said = (await next).value
  t.deepEqual(Array.isArray(said) ? said.map(({ json }: FeedItem) => json) : said, ['entry 13'])
  stop.abort()
  await rest.return(undefined)
})

test('who was told what is in no journal starts anew as soon as that is known', async t => {
  for (const [learn, after] of [
    ['an entry of a later epoch', '2.12500000000'],
    ['it leads', '2.12500000000'],
    ['it leads', '9.10500000001']
  ] as const) {
    const feed = new Feed()
    feed.begin({ position: 10, epoch: 2 })
    const stop = new AbortController()
    const rest = feed.follow(after, stop.signal)
    const next = rest.next()
    if (learn === 'it leads') feed.start(3)
    else feed.record({ position: 11, epoch: 3 }, [news('a')])
    t.is((await next).value, 'reset', `${after}: ${learn}`)
    stop.abort()
    await rest.return(undefined)
  }
})

test('who has listened where no host is heard is told later how things stand', async t => {
  const told = new Told(4)
  told.entry('made')
  told.feed.report('instance/a', news('a starts'))
  const follower = new Feed()
  for (const position of [1, 2]) {
    follower.record({ position, epoch: 4 }, [news(`entry ${position}`)])
  }
  const stop = new AbortController()
  const rest = follower.follow('4.1500000000', stop.signal)
  const said = (await rest.next()).value as readonly FeedItem[]
  t.deepEqual(
    said.map(({ id, json }) => [id, json]),
    [['4.2500000000~4.1500000000', 'entry 2']]
  )
  stop.abort()
  await rest.return(undefined)
  told.entry('label')
  told.feed.report('instance/a', news('a runs'))
  t.deepEqual(await taken(told.feed, said[0]!.id), ['a runs'])
  t.deepEqual(await taken(told.feed, '4.1500000000~0'), ['label', 'a runs'])
  for (const bad of ['4.1500000000~', '4.1500000000~x', '4.1500000000~0~0']) {
    t.is(await taken(told.feed, bad), 'reset', bad)
  }
})
