/**
 * What outlives the agent's process: the highest epoch and generation that it has seen, its last
 * order, and which instances may have to stay off. All of it is for the host's next boot too, with
 * one difference: an order of an earlier boot is only for looking at; see situation.ts.
 *
 * On a full disk an order cannot be kept, but what was seen can: its file has its room from the
 * start and is written over in place. Otherwise an agent that is started anew would listen to a
 * controller again that it knew to be deposed.
 */

import { constants } from 'node:fs'
import { open, readFile, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import Type from 'typebox'
import { Fault, sentence } from '#shared/fault.ts'
import type { Log } from '#shared/log.ts'
import { Strict, Words } from '#shared/model/resource.ts'
import { validator } from '#shared/model/validate.ts'
import { Order } from '#shared/wire/order.ts'
import { nothingSeen, type Seen } from '../core/acceptance.ts'
import { fingerprint } from '../core/fingerprint.ts'
import type { Mark } from '../core/memory.ts'
import type { OrderOrigin } from '../core/situation.ts'

const Kept = Strict({
  version: Type.Literal(1),
  /** The kernel's boot id when the order came. */
  bootId: Type.String({ maxLength: 64 }),
  order: Order
})
const Marks = Type.Record(
  Type.String({ maxLength: 256 }),
  Strict({
    restarts: Type.Integer({ minimum: 0 }),
    state: Type.Optional(Words(['running', 'done'], { description: 'How it was when last seen.' })),
    failed: Type.Optional(
      Strict({
        generation: Type.Integer({ minimum: 0 }),
        runs: Type.Integer({ minimum: 1 }),
        withinMs: Type.Integer({ minimum: 0 }),
        last: Type.String({ maxLength: 2048 })
      })
    )
  })
)
const SeenFile = Strict({
  version: Type.Literal(1),
  cloud: Type.String({ maxLength: 256 }),
  epoch: Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }),
  generation: Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })
})
/** Room of that file: one block, so that writing it over is whole or not at all. Unit: bytes. */
const seenBytes = 512
const checkKept = validator(Kept)
const checkSeen = validator(SeenFile)
const checkMarks = validator(Marks)

/** What was found at the start. */
export type Recalled = {
  readonly seen: Seen
  readonly order: Order | undefined
  readonly origin: OrderOrigin
  readonly marks: Readonly<Record<string, Mark>>
}

/** Keeps what outlives the process, in files or, for a test, in memory. */
export interface OrderKeeper {
  recall(): Promise<Recalled>
  keepOrder(order: Order): Promise<void>
  keepMarks(marks: Readonly<Record<string, Mark>>): Promise<void>
}

/** The three files; written whole, one write at a time, by the loop alone. */
export class KeptOrder implements OrderKeeper {
  readonly #orderFile: string
  readonly #marksFile: string
  readonly #seenFile: string
  readonly #bootId: string
  readonly #log: Log
  #order = ''
  #marks = fingerprint({})

  constructor(given: { readonly folder: string; readonly bootId: string; readonly log: Log }) {
    this.#orderFile = join(given.folder, 'order.json')
    this.#marksFile = join(given.folder, 'marks.json')
    this.#seenFile = join(given.folder, 'seen.json')
    this.#bootId = given.bootId
    this.#log = given.log
  }

  /**
   * Reads what an earlier run has kept. A file that cannot be used is put aside, and said loudly.
   */
  async recall(): Promise<Recalled> {
    const kept = (await this.#read(this.#orderFile, checkKept)) as
      | { readonly bootId: string; readonly order: Order }
      | undefined
    const marks = (await this.#read(this.#marksFile, checkMarks)) as
      | Readonly<Record<string, Mark>>
      | undefined
    this.#marks = fingerprint(marks ?? {})
    const beside = await this.#recallSeen()
    if (kept === undefined) {
      return { seen: beside, order: undefined, origin: 'fresh', marks: marks ?? {} }
    }
    const { order, bootId } = kept
    const isThisBoot = bootId === this.#bootId
    if (isThisBoot) this.#order = orderPrint(order)
    const { cloud, epoch, generation } = order
    return {
      seen: newerOf({ cloud, epoch, generation }, beside),
      order,
      origin: isThisBoot ? 'same-boot' : 'other-boot',
      marks: marks ?? {}
    }
  }

  /** Keeps an order; after it returns, it would survive a power cut. */
  async keepOrder(order: Order): Promise<void> {
    const print = orderPrint(order)
    if (print === this.#order) return
    try {
      await write(this.#orderFile, { version: 1, bootId: this.#bootId, order })
    } catch (thrown) {
      await this.#keepSeen(order)
      throw thrown
    }
    this.#order = print
  }

  /** What was seen of orders that could not be kept. Its file is made, while there is room. */
  async #recallSeen(): Promise<Seen> {
    const found = (await this.#read(this.#seenFile, checkSeen)) as Seen | undefined
    if (found === undefined) await this.#keepSeen({ cloud: '', epoch: 0, generation: 0 })
    if (found === undefined || found.cloud === '') return nothingSeen
    const { cloud, epoch, generation } = found
    return { cloud, epoch, generation }
  }

  /** Written over where it is, which takes no room. */
  async #keepSeen({ cloud, epoch, generation }: Order | (Seen & { cloud: string })): Promise<void> {
    const text = JSON.stringify({ version: 1, cloud, epoch, generation })
    try {
      const flags = constants.O_RDWR | constants.O_CREAT
      await using file = await open(this.#seenFile, flags, 0o600)
      await file.write(text.padEnd(seenBytes), 0)
      await file.sync()
    } catch (thrown) {
      const because = sentence(thrown)
      this.#log.error('what was seen is not kept', { epoch, generation, because })
    }
  }

  /** Keeps which instances may have to stay off. */
  async keepMarks(marks: Readonly<Record<string, Mark>>): Promise<void> {
    const print = fingerprint(marks)
    if (print === this.#marks) return
    await write(this.#marksFile, marks)
    this.#marks = print
  }

  async #read(
    path: string,
    check: (value: unknown) => readonly { readonly pointer: string; readonly detail: string }[]
  ): Promise<unknown> {
    let text: string
    try {
      text = await readFile(path, 'utf8')
    } catch (thrown) {
      if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return undefined
      throw new Fault('storage', `cannot read ${path}`, { cause: thrown })
    }
    const value = parse(text)
    const [problem] = check(value)
    if (problem === undefined) return value
    const aside = `${path}.unusable`
    await rename(path, aside)
    const because = `${problem.pointer || 'the whole'} ${problem.detail}`
    this.#log.error('kept file cannot be used, put aside', { path, aside, because })
    return undefined
  }
}

/** Of the same cloud the higher epoch, and in it the later generation. */
function newerOf(one: Seen, other: Seen): Seen {
  if (other.cloud !== one.cloud || other.epoch < one.epoch) return one
  return other.epoch > one.epoch || other.generation > one.generation ? other : one
}

// Notices are forgotten in memory; an order that differs in nothing else need not be written.
const orderPrint = (order: Order): string => fingerprint({ ...order, noticesKept: 0 })

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Writes a file whole or not at all. Tickets and user data are in it: nobody else may read it. */
async function write(path: string, value: unknown): Promise<void> {
  const draft = `${path}.new`
  try {
    const file = await open(draft, 'w', 0o600)
    try {
      await file.writeFile(`${JSON.stringify(value)}\n`)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(draft, path)
    const folder = await open(dirname(path), 'r')
    try {
      await folder.sync()
    } finally {
      await folder.close()
    }
  } catch (thrown) {
    await rm(draft, { force: true }).catch(() => undefined)
    throw new Fault('storage', `cannot keep ${path}: ${sentence(thrown)}`, { cause: thrown })
  }
}
