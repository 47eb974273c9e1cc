import type { SharedJournal } from '../../core/ports.ts'

/**
 * A journal elsewhere, of candidates that are elected by the ensemble: the epoch is raised there
 * first, so that the lease is kept by it, and then in the journal, whose own epoch is what counts.
 * Either may fail alone; recovering is for both, or one that has failed once would stay so.
 */
export function leased(journal: SharedJournal, ensemble: SharedJournal): SharedJournal {
  return {
    opening: journal.opening,
    head: () => journal.head(),
    raiseEpoch: async above => {
      await ensemble.raiseEpoch()
      return await journal.raiseEpoch(above)
    },
    append: (commit, options) => journal.append(commit, options),
    entries: after => journal.entries(after),
    tail: (after, signal) => journal.tail(after, signal),
    recover: async () => {
      await ensemble.recover()
      return await journal.recover()
    },
    writeCheckpoint: checkpoint => journal.writeCheckpoint(checkpoint),
    readCheckpoint: () => journal.readCheckpoint(),
    prune: upTo => journal.prune(upTo),
    [Symbol.asyncDispose]: async () => {
      await journal[Symbol.asyncDispose]()
      await ensemble[Symbol.asyncDispose]()
    }
  }
}
