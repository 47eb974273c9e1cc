/**
 * Tells in the feed how far machines have come that boot, so that who watches need not ask again
 * and again. Only the last word on each machine is kept, as of everything that is reported.
 */
import type { BootReport, BootState } from '#shared/wire/boot.ts'
import { keyOfMachine } from '../core/boot/boots.ts'
import { bootSubject } from '../core/boot/news.ts'
import { bootNamed } from '../core/boot/shown.ts'
import { subjectOf } from '../core/subject.ts'
import type { View } from '../core/view.ts'
import type { Feed } from './feed.ts'

/** What it stands on. */
export type BootFeedOptions = {
  readonly view: View
  readonly feed: Pick<Feed, 'report' | 'forgetStatus'>
}

/** Remembers what each bootd has said last. */
export class BootFeed {
  readonly #options: BootFeedOptions
  readonly #said = new Map<string, ReadonlyMap<string, BootState>>()

  constructor(options: BootFeedOptions) {
    this.#options = options
  }

  /** Tells what is new in a report; of the first one of a bootd only what is under way. */
  hear(bootd: string, { boots }: Pick<BootReport, 'boots'>): void {
    const before = this.#said.get(bootd)
    const now = new Map(boots.map(boot => [keyOfMachine(boot), boot]))
    this.#said.set(bootd, now)
    // It is known by something better since, as its UUID, or was forgotten there.
    for (const key of before?.keys() ?? []) {
      if (!now.has(key)) this.#options.feed.forgetStatus(`boot/${key}`)
    }
    for (const boot of boots) {
      const last = before?.get(keyOfMachine(boot))
      if (before ? last === undefined || isOther(last, boot) : !isOver(boot)) {
        this.#tell(boot, bootd)
      }
    }
  }

  #tell(boot: BootState, bootd: string): void {
    const { view, feed } = this.#options
    const { host, shown } = bootNamed(view, { ...boot, bootd })
    feed.report(`boot/${keyOfMachine(boot)}`, {
      type: 'boot',
      kind: 'boot',
      subjects: [host ? subjectOf(host) : bootSubject],
      json: JSON.stringify(shown)
    })
  }
}

const isOver = ({ stage }: BootState): boolean => ['joined', 'waiting', 'failed'].includes(stage)

/** What can change of a boot, without writing all of it down to compare. */
const told = ({ boot, stage, percent, because, address, failures, stages, stolen }: BootState) =>
  [boot, stage, percent, because, address, failures, stages.length, stolen?.at] as const

function isOther(last: BootState, boot: BootState): boolean {
  const before = told(last)
  return told(boot).some((value, index) => value !== before[index])
}
