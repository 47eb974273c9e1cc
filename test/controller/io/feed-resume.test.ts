/**
 * Two candidates over one journal. One leads, the other follows it, with a lag; they change
 * places; and a client goes from one to the other, cut off wherever it may be.
 */
import { setImmediate } from 'node:timers/promises'
import test from 'ava'
import fc from 'fast-check'
import { writePlace } from '../../../controller/core/feed-place.ts'
import type { Position } from '../../../controller/core/ports.ts'
import { View } from '../../../controller/core/view.ts'
import { Announcer } from '../../../controller/io/announcer.ts'
import { Feed, type FeedItem } from '../../../controller/io/feed.ts'
import { FakeJournalDisk } from '../../world/fake-journal.ts'

type Action =
  | { readonly act: 'commit'; readonly changes: number; readonly decisions: number }
  | { readonly act: 'report'; readonly of: number }
  | { readonly act: 'follow'; readonly entries: number }
  | { readonly act: 'change-controller' }
  | { readonly act: 'read'; readonly items: number }
  | { readonly act: 'cut'; readonly to: number }

const action: fc.Arbitrary<Action> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ act: fc.constant('commit'), changes: fc.nat(3), decisions: fc.nat(2) })
  },
  { weight: 4, arbitrary: fc.record({ act: fc.constant('report'), of: fc.nat(3) }) },
  { weight: 3, arbitrary: fc.record({ act: fc.constant('follow'), entries: fc.nat(4) }) },
  { weight: 1, arbitrary: fc.record({ act: fc.constant('change-controller') }) },
  { weight: 4, arbitrary: fc.record({ act: fc.constant('read'), items: fc.nat(5) }) },
  { weight: 4, arbitrary: fc.record({ act: fc.constant('cut'), to: fc.nat(1) }) }
) as fc.Arbitrary<Action>

/** A process: when it no longer leads it ends, and another one comes in its place. */
class Candidate {
  readonly feed = new Feed()
  readonly view = new View()
  readonly announcer = new Announcer({
    view: this.view,
    feed: this.feed,
    now: () => ({ monotonic: 0, wall: 0 })
  })
  position: Position = 0
  readonly #disk: FakeJournalDisk

  constructor(disk: FakeJournalDisk) {
    this.#disk = disk
  }

  follow(entries: number): void {
    for (const entry of this.#disk.entries.slice(this.position, this.position + entries)) {
      this.view.fold({ type: 'commit', position: entry.position, commit: entry.commit })
      this.announcer.recorded(entry)
      this.position = entry.position
    }
  }

  report(of: number): void {
    const json = JSON.stringify({ of, number: statusNumber++ })
    this.feed.report(`size/${of}`, { type: 'change', kind: 'size', subjects: [], json })
  }
}
let statusNumber = 0

class Client {
  readonly seen: FeedItem[] = []
  resets = 0
  #last: string
  #stop = new AbortController()
  #news: AsyncGenerator<readonly FeedItem[] | 'reset'>
  #next: Promise<IteratorResult<readonly FeedItem[] | 'reset'>>
  #waiting: FeedItem[] = []

  constructor(feed: Feed) {
    this.#last = feed.revision
    this.#news = feed.follow(this.#last, this.#stop.signal)
    this.#next = this.#news.next()
  }

  async read(items: number): Promise<void> {
    while (this.#waiting.length < items) {
      const first = await Promise.race([this.#next, setImmediate(undefined)])
      if (first === undefined || first.done) break
      this.#next = this.#news.next()
      if (first.value === 'reset') this.resets += 1
      else this.#waiting.push(...first.value)
    }
    for (const item of this.#waiting.splice(0, items)) {
      this.seen.push(item)
      this.#last = item.id
    }
  }

  async cut(): Promise<void> {
    this.#stop.abort()
    await this.#next
    this.#waiting = []
  }

  async goOnAt(feed: Feed): Promise<void> {
    await this.cut()
    this.#stop = new AbortController()
    this.#news = feed.follow(this.#last, this.#stop.signal)
    this.#next = this.#news.next()
  }
}

/** Plays a story and gives what was seen of it and what there was to see. */
async function play(actions: readonly Action[]) {
  const disk = new FakeJournalDisk()
  let journal = disk.open()
  let epoch = await journal.raiseEpoch()
  let number = 0
  const commit = async (changes: number, decisions: number): Promise<void> => {
    number += 1
    const resource = (index: number) => ({
      op: 'put' as const,
      resource: {
        kind: 'size' as const,
        id: `z-${index}`,
        name: `size-${index}`,
        labels: { number: String(number) },
        spec: { vcpus: 1, memoryMib: 16 },
        decided: {},
        generation: number,
        createdAt: ''
      }
    })
    const because = { at: '', by: 'test', verb: 'changed', subjects: [], because: String(number) }
    await journal.append(
      {
        changes: Array.from({ length: changes }, (_, index) => resource(index)),
        decisions: Array.from({ length: decisions }, () => because)
      },
      { epoch }
    )
  }
  let [leader, other] = [new Candidate(disk), new Candidate(disk)]
  leader.feed.start(epoch)
  const client = new Client(leader.feed)
  for (const one of actions) {
    switch (one.act) {
      case 'commit':
        await commit(one.changes, one.decisions)
        leader.follow(1)
        break
      case 'report':
        leader.report(one.of)
        break
      case 'follow':
        other.follow(one.entries)
        break
      case 'change-controller':
        await client.cut()
        journal = disk.open()
        epoch = await journal.raiseEpoch()
        ;[leader, other] = [other, new Candidate(disk)]
        leader.follow(Number.POSITIVE_INFINITY)
        leader.feed.start(epoch)
        await client.goOnAt(leader.feed)
        break
      case 'read':
        await client.read(one.items)
        break
      case 'cut':
        await client.goOnAt(one.to === 0 ? leader.feed : other.feed)
        break
      default:
        one satisfies never
    }
  }
  other.follow(Number.POSITIVE_INFINITY)
  await client.read(1_000)
  await client.goOnAt(leader.feed)
  await client.read(1_000)
  await client.cut()
  return { disk, client, leader }
}

const isStatus = ({ at }: FeedItem): boolean => at.part > 500_000_000

test('a client cut off anywhere sees what is recorded once, wherever it goes on', async t => {
  await fc.assert(
    fc.asyncProperty(fc.array(action, { maxLength: 40 }), async actions => {
      const { disk, client, leader } = await play(actions)
      t.is(client.resets, 0)
      const wanted: string[] = []
      for (const { position, epoch, commit } of disk.entries) {
        const count = commit.changes.length + commit.decisions.length
        for (let part = 1; part <= count; part += 1) {
          const last = part === count ? 500_000_000 : part
          wanted.push(`${epoch}.${position}${String(last).padStart(9, '0')}`)
        }
      }
      const recorded = client.seen.filter(item => !isStatus(item)).map(({ at }) => writePlace(at))
      t.deepEqual(recorded, wanted)
      const statuses = client.seen.filter(isStatus).map(({ json }) => json)
      t.is(new Set(statuses).size, statuses.length, 'no status is told twice')
      // Of each status the client knows the last one that whoever leads now has told.
      const told = await statusesOf(leader.feed)
      const known = new Map(
        client.seen.filter(isStatus).map(({ json }) => [JSON.parse(json).of, json])
      )
      for (const [of, json] of told) t.is(known.get(of), json)
    }),
    { numRuns: 300 }
  )
})

/** The last status of each thing, as a feed tells it to who has seen nothing. */
async function statusesOf(feed: Feed): Promise<ReadonlyMap<number, string>> {
  const stop = new AbortController()
  const news = feed.follow('0.500000000', stop.signal)
  const next = news.next()
  const first = await Promise.race([next, setImmediate(undefined)])
  stop.abort()
  await next
  const items = first === undefined || first.done || first.value === 'reset' ? [] : first.value
  return new Map(items.filter(isStatus).map(({ json }) => [JSON.parse(json).of, json]))
}
