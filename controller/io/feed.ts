/**
 * The feed of what happens, for `GET /v1/events`: changes of resources and decisions, which are
 * recorded, and the status of resources and how machines boot, which is reported.
 * `core/feed-place.ts` says how they are numbered.
 *
 * A client that was away goes on where it was, at this candidate or another one. It gets every
 * recorded item that it has not seen, once, from a ring of the last ones. Of status only the last
 * item of each resource is kept: that is what it is told. When something that it has not seen is
 * no longer kept it is told `reset`: look at everything again.
 */
import type { Epoch } from '#shared/ids.ts'
import type { Kind } from '#shared/model/index.ts'
import {
  type Cursor,
  comparePlaces,
  compareWithin,
  nowhere,
  type Place,
  partMax,
  readCursor,
  wholeEntry,
  writeCursor,
  writePlace
} from '../core/feed-place.ts'
import type { Entry, Position } from '../core/ports.ts'

/** One thing that has happened, with what a listener may choose it by. */
export type FeedItem = {
  readonly id: string
  readonly at: Place
  readonly type: 'change' | 'decision' | 'boot'
  readonly kind?: Kind | 'boot'
  readonly subjects: readonly string[]
  readonly tenant?: string
  /** What is sent: serialised once for all who listen. */
  readonly json: string
}
/** An item that has no place yet. */
export type FeedNews = Omit<FeedItem, 'id' | 'at'>

/** Recorded items that are kept for those who were away, and their characters. */
const ringMax = 5_000
const ringCharactersMax = 64 * 2 ** 20
/** Resources whose last status is kept, and its characters. */
const statusesMax = 20_000
const statusCharactersMax = 32 * 2 ** 20
/** Items that may wait for one listener, and theirs; a slower one is told to start anew. */
const backlogMax = 5_000
const backlogCharactersMax = 16 * 2 ** 20
/** Items of what was missed that are told at once. */
const missedPerBatch = 500
/** Reigns whose beginning is known; ids of earlier ones are not checked against it. */
const reignsMax = 1_000

type Listener = {
  readonly queue: FeedItem[]
  characters: number
  lost: boolean
  /** What it has seen elsewhere and is still to come here. */
  ahead: Place | undefined
  /** Up to where it knows what hosts have reported. */
  status: Place
  wake: () => void
}

/** Telling never waits for a listener. */
export class Feed {
  readonly #ring: FeedItem[] = []
  readonly #statuses = new Map<string, FeedItem>()
  readonly #listeners = new Set<Listener>()
  /** The first position of each epoch, in order. */
  readonly #reigns: { readonly epoch: Epoch; readonly from: Position }[] = []
  #leads = false
  #at: Place = { epoch: 0, position: 0, part: wholeEntry }
  /** Nothing recorded up to here is kept; nor is status. */
  #recordedFloor: Omit<Place, 'epoch'> = { position: 0, part: wholeEntry }
  #statusFloor: Place | undefined
  #characters = 0
  #statusCharacters = 0

  /** Says from where on entries will come; those that are told already stay. */
  begin({ epoch, position }: { readonly epoch: Epoch; readonly position: Position }): void {
    if (position !== this.#at.position) this.#jump(position)
    this.#at = { ...this.#at, epoch: Math.max(epoch, this.#at.epoch) }
  }

  /** This candidate leads now: what hosts report is told with its epoch. */
  start(epoch: Epoch): void {
    this.#leads = true
    this.#at = { ...this.#at, epoch: Math.max(epoch, this.#at.epoch) }
    // What it does not have now is in no journal.
    for (const listener of this.#listeners) if (listener.ahead) lose(listener)
  }

  /** What was told may not be so: everybody is to start anew. */
  reset(): void {
    this.#at = { ...this.#at, part: Math.min(this.#at.part + 1, partMax) }
    this.#forget(this.#at)
    this.#statusFloor = this.#at
  }

  /** Id of the newest item: where a list stands. */
  get revision(): string {
    return writeCursor({ recorded: this.#at, status: this.#leads ? this.#at : nowhere })
  }

  get listeners(): number {
    return this.#listeners.size
  }

  /** Tells what an entry has recorded. Entries come in order; one that was told is passed over. */
  record(entry: Pick<Entry, 'position' | 'epoch'>, news: readonly FeedNews[]): void {
    const { position, epoch } = entry
    if (position <= this.#at.position) return
    if (position > this.#at.position + 1) this.#jump(position - 1)
    if (epoch !== this.#reigns.at(-1)?.epoch) {
      this.#reigns.push({ epoch, from: position })
      if (this.#reigns.length > reignsMax) this.#reigns.shift()
    }
    const reign = this.#leads ? Math.max(epoch, this.#at.epoch) : epoch
    this.#at = { epoch: reign, position, part: wholeEntry }
    for (const listener of this.#listeners) {
      const { ahead } = listener
      if (ahead && this.#judge({ recorded: ahead, status: ahead }) === 'lost') lose(listener)
    }
    for (const [index, one] of news.entries()) {
      const at = { epoch, position, part: index === news.length - 1 ? wholeEntry : index + 1 }
      const item = { ...one, at, id: writePlace(at) }
      this.#ring.push(item)
      this.#characters += item.json.length
      this.#tell(item)
    }
    while (this.#ring.length > ringMax || this.#characters > ringCharactersMax) {
      const gone = this.#ring.shift()!
      this.#characters -= gone.json.length
      this.#recordedFloor = gone.at
    }
  }

  /** Tells the status of something; `key` says of what: only the last item of each is kept. */
  report(key: string, news: FeedNews): void {
    const at = { ...this.#at, part: Math.min(this.#at.part + 1, partMax) }
    const item = { ...news, at, id: writePlace(at) }
    this.#at = at
    this.forgetStatus(key)
    this.#statuses.set(key, item)
    this.#statusCharacters += item.json.length
    this.#tell(item)
    for (const [old, { at: floor }] of this.#statuses) {
      const full = this.#statuses.size > statusesMax
      if (!full && this.#statusCharacters <= statusCharactersMax) break
      this.forgetStatus(old)
      this.#statusFloor = floor
    }
  }

  /** What is gone has no status any more. */
  forgetStatus(key: string): void {
    this.#statusCharacters -= this.#statuses.get(key)?.json.length ?? 0
    this.#statuses.delete(key)
  }

  /**
   * Yields what happens from after an id on, in batches; from now on without one. Yields `reset`
   * when something after that id is not kept any more, or the listener was too slow: it must list
   * again. An id that this candidate has not come to yet is waited for.
   */
  async *follow(
    after: string | undefined,
    signal: AbortSignal
  ): AsyncGenerator<readonly FeedItem[] | 'reset'> {
    const cursor = readCursor(after ?? this.revision)
    const judged = cursor ? this.#judge(cursor) : 'lost'
    const missed = cursor && after !== undefined && judged === 'here' ? this.#since(cursor) : []
    const listener: Listener = {
      queue: [],
      characters: 0,
      lost: judged === 'lost',
      ahead: judged === 'ahead' ? cursor?.recorded : undefined,
      status: cursor?.status ?? nowhere,
      wake: () => {}
    }
    this.#listeners.add(listener)
    const stop = (): void => listener.wake()
    signal.addEventListener('abort', stop)
    try {
      while (missed.length > 0 && !signal.aborted && !listener.lost) {
        yield missed.splice(0, missedPerBatch)
      }
      while (!signal.aborted) {
        if (listener.lost) {
          listener.lost = false
          yield 'reset'
        } else if (listener.queue.length > 0) {
          listener.characters = 0
          yield listener.queue.splice(0)
        } else {
          await new Promise<void>(resolve => {
            listener.wake = resolve
          })
        }
      }
    } finally {
      signal.removeEventListener('abort', stop)
      this.#listeners.delete(listener)
    }
  }

  /** Everything after a cursor that is kept, in order, each with the id to go on from. */
  #since({ recorded, status }: Cursor): FeedItem[] {
    const after =
      (place: Place) =>
      ({ at }: FeedItem): boolean =>
        comparePlaces(at, place) > 0 || (at.part === partMax && comparePlaces(at, place) === 0)
    const entries = this.#ring.filter(after(recorded))
    const statuses = [...this.#statuses.values()].filter(after(status))
    const items = [...entries, ...statuses].sort((a, b) => comparePlaces(a.at, b.at))
    return items.map(item => {
      const past = comparePlaces(item.at, recorded) > 0
      const cursor = {
        recorded: past ? item.at : recorded,
        status: this.#leads ? item.at : status
      }
      return { ...item, id: writeCursor(cursor) }
    })
  }

  /**
   * Whether a client may go on from a place: it is on our way and nothing after it is lost; or it
   * lies ahead, as where the controller tells sooner than we read.
   */
  #judge({ recorded, status }: Cursor): 'here' | 'ahead' | 'lost' {
    const { epoch, position } = this.#at
    const isBehind = recorded.position < position
    if (recorded.epoch > epoch) return this.#leads || isBehind ? 'lost' : 'ahead'
    if (recorded.position > position) {
      return this.#leads || recorded.epoch < epoch ? 'lost' : 'ahead'
    }
    if (compareWithin(recorded, this.#recordedFloor) < 0) return 'lost'
    if (this.#leads) {
      if (this.#statusFloor && comparePlaces(status, this.#statusFloor) < 0) return 'lost'
      if (comparePlaces(recorded, this.#at) > 0 || comparePlaces(status, this.#at) > 0) {
        return 'lost'
      }
    }
    const earliest = this.#epochAt(recorded.position)
    const next = recorded.position === position ? epoch : this.#epochAt(recorded.position + 1)
    if (earliest !== undefined && recorded.epoch < earliest) return 'lost'
    const isInside = recorded.part < wholeEntry
    if (isInside && earliest !== undefined && recorded.epoch !== earliest) return 'lost'
    return next !== undefined && recorded.epoch > next ? 'lost' : 'here'
  }

  /** The epoch in which an entry was recorded; undefined: that is not known here. */
  #epochAt(position: Position): Epoch | undefined {
    return this.#reigns.findLast(({ from }) => from <= position)?.epoch
  }

  #tell(item: FeedItem): void {
    for (const listener of this.#listeners) {
      if (listener.ahead) {
        if (comparePlaces(item.at, listener.ahead) <= 0) continue
        listener.ahead = undefined
      }
      const mine = this.#leads
        ? item
        : { ...item, id: writeCursor({ ...listener, recorded: item.at }) }
      listener.characters += item.json.length
      const full = listener.queue.length >= backlogMax || listener.characters > backlogCharactersMax
      if (full) lose(listener)
      else listener.queue.push(mine)
      listener.wake()
    }
  }

  /** What lies between will not be told. */
  #jump(position: Position): void {
    this.#at = { ...this.#at, position, part: wholeEntry }
    this.#forget(this.#at)
  }

  #forget(floor: Omit<Place, 'epoch'>): void {
    this.#recordedFloor = floor
    this.#ring.length = 0
    this.#characters = 0
    this.#statuses.clear()
    this.#statusCharacters = 0
    this.#reigns.length = 0
    for (const listener of this.#listeners) lose(listener)
  }
}

/** What waits for it is let go of at once: it will list what there is. */
function lose(listener: Listener): void {
  listener.lost = true
  listener.ahead = undefined
  listener.queue.length = 0
  listener.characters = 0
  listener.wake()
}
