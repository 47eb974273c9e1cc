import test from 'ava'
import { Feed, type FeedItem } from '../../../controller/io/feed.ts'

const item = (json: string): Omit<FeedItem, 'id'> => ({ type: 'decision', subjects: [], json })

/** What follows at once; the feed says nothing more by itself. */
async function taken(feed: Feed, after: string): Promise<readonly string[] | 'reset'> {
  const stop = new AbortController()
  const news = feed.follow(after, stop.signal)
  const first = await news.next()
  stop.abort()
  await news.return(undefined)
  if (first.done || first.value === 'reset') return 'reset'
  return first.value.map(({ json }) => json)
}

test('who was away goes on after the last item that it has seen', async t => {
  const feed = new Feed()
  feed.start(7)
  for (const json of ['a', 'b', 'c']) feed.publish(item(json))
  t.deepEqual(await taken(feed, '7.1'), ['b', 'c'])
  for (const unknown of ['6.1', '7.4', '7', '', 'x.y', '7.-1']) {
    t.is(await taken(feed, unknown), 'reset', unknown)
  }
})

test('few items are kept when they are long, and many when they are short', async t => {
  const feed = new Feed()
  feed.start(1)
  for (let number = 0; number < 4_000; number += 1) feed.publish(item('x'))
  t.is((await taken(feed, '1.1')).length, 3_999)
  for (let number = 0; number < 100; number += 1) feed.publish(item('x'.repeat(2 ** 20)))
  t.is(await taken(feed, '1.4000'), 'reset')
  t.is((await taken(feed, '1.4090')).length, 10)
})

test('a listener that does not read long items is told to start anew', async t => {
  const feed = new Feed()
  feed.start(1)
  const stop = new AbortController()
  const news = feed.follow(undefined, stop.signal)
  const first = news.next()
  feed.publish(item('a'))
  t.is((await first).value?.[0] && 'read', 'read')
  for (let number = 0; number < 100; number += 1) feed.publish(item('x'.repeat(2 ** 20)))
  t.is((await news.next()).value, 'reset')
  stop.abort()
  await news.return(undefined)
})

test('when what was told may not be so, all start anew, and no id is given twice', async t => {
  const feed = new Feed()
  feed.start(1)
  feed.publish(item('a'))
  const { revision } = feed
  feed.reset()
  t.not(feed.revision, revision)
  t.is(await taken(feed, revision), 'reset')
  feed.publish(item('b'))
  t.is(await taken(feed, revision), 'reset')
})
