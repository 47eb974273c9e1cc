/**
 * Mistakes that are put into the program's own text as it is loaded. Each names the words that it
 * takes out, which must be there exactly once: so a mistake that can no longer be made is noticed.
 */
import { readFileSync } from 'node:fs'
import { registerHooks } from 'node:module'

/** A mistake in one file. */
export type SourceMutant = {
  readonly says: string
  /** A seed that finds it; left out: none is known that does. */
  readonly seed?: number
  /** Whether it is found within moments. */
  readonly isQuick?: true
  /** Faults that bring it to light; left out: those that each seed draws. */
  readonly faults?: readonly string[]
  readonly file: string
  readonly from: string
  readonly to: string
}

/** All of them, by name. */
export const sourceMutants: Readonly<Record<string, SourceMutant>> = {
  'step-ignored': {
    says: 'what a host said before a phase of a move counts as an answer in it',
    seed: 20,
    file: 'controller/core/moves.ts',
    from: '(word?.step === move.step ? word : undefined)',
    to: 'word'
  },
  'failed-stays': {
    says: 'a move whose sending has failed is over at once',
    seed: 4,
    file: 'controller/core/moves.ts',
    from:
      "return { next: 'asking', because: source.message }\n    case 'failed':\n    case 'held':\n" +
      "      return { next: 'withdrawing'",
    to:
      "return { next: 'asking', because: source.message }\n    case 'failed':\n    case 'held':\n" +
      "      return { next: 'stays'"
  },
  'target-starts': {
    says: 'a host starts an instance that is on its way to it',
    seed: 1,
    isQuick: true,
    file: 'agent/core/diff-instance.ts',
    from: 'if (instance.leaving || instance.arriving)',
    to: 'if (instance.leaving)'
  },
  'held-believed': {
    says: 'a copy that libvirt holds still is taken for one that lives',
    file: 'agent/core/diff-move.ts',
    from: 'if (own !== undefined && !isHeld(own.domain) && !isCrossing(own.domain))',
    to: 'if (own !== undefined && !isCrossing(own.domain))'
  },
  'generation-ignored': {
    says: 'an agent goes back to an older order of the same epoch',
    seed: 52,
    file: 'agent/core/acceptance.ts',
    from: 'order.generation < seen.generation',
    to: 'false'
  },
  'late-report-believed': {
    says: 'a report that comes late counts as the newest one',
    file: 'controller/core/view.ts',
    from: 'before.report.number > report.number',
    to: 'false'
  },
  'old-proof-believed': {
    says: 'a report from before an order proves that the order was carried out',
    file: 'controller/core/decide.ts',
    from: 'report.generation < since',
    to: 'false'
  },
  'never-sent-again': {
    says: 'an order that was lost is not sent again',
    file: 'controller/io/sent-orders.ts',
    from: '(news || sentMs >= repeatMs)',
    to: 'news'
  },
  'rest-unread': {
    says: 'who takes the lead does not read the rest of the journal',
    seed: 11,
    file: 'controller/io/candidate.ts',
    from: 'for await (const entry of journal.entries(before)) this.#follower.take(entry)',
    to: ''
  },
  'failed-writes-kept': {
    says: 'what could not be recorded stays in the view',
    seed: 2,
    isQuick: true,
    file: 'controller/io/ledger.ts',
    from: 'this.view.unfold(lost.map(({ undo }) => undo))',
    to: ''
  },
  'unknown-in-same-epoch': {
    says: 'after an unknown outcome the epoch is not raised',
    file: 'controller/io/ledger.ts',
    from: 'this.#epoch = await journal.raiseEpoch()\n        this.#broken',
    to: 'this.#broken'
  },
  'lease-from-answer': {
    says: 'the lease counts from the answer, not from when it was asked for',
    file: 'test/world/fake-zookeeper-session.ts',
    from: 'this.#lease.confirmed(sentAt)',
    to: 'this.#lease.answered(this.#now()), this.#lease.confirmed(this.#now())'
  }
}

/** Puts a mistake into its file, which must not be loaded yet. Fails where its words are not. */
export function mutate({ file, from, to }: SourceMutant): void {
  const mutated = new URL(`../../${file}`, import.meta.url)
  const parts = readFileSync(mutated, 'utf8').split(from)
  if (parts.length !== 2)
    throw new Error(`${file} has "${from}" ${parts.length - 1} times, not once`)
  registerHooks({
    load: (url, context, next) =>
      url === mutated.href ? { ...next(url, context), source: parts.join(to) } : next(url, context)
  })
}
