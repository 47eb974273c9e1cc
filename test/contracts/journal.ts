/**
 * What every journal promises, whatever it is kept in. A bed is one journal's storage, on which
 * handles are opened; the suite never looks behind the port.
 */
import test from 'ava'
import { appendPromises } from './journal-appends.ts'
import type { JournalBed } from './journal-bed.ts'
import { checkpointPromises } from './journal-checkpoints.ts'
import { failurePromises } from './journal-failures.ts'
import { type SharedJournalBed, sharedPromises } from './journal-shared.ts'

export type { JournalBed } from './journal-bed.ts'
export type { SharedJournalBed } from './journal-shared.ts'

/** Serial: one promise after another, where beds cannot lie side by side. */
type SuiteOptions = { readonly serial?: boolean }

/** Runs the contract of `Journal` on beds that are made for each promise. */
export function suite(
  name: string,
  makeBed: () => Promise<JournalBed>,
  { serial = false }: SuiteOptions = {}
): void {
  const run = serial ? test.serial : test
  for (const [title, check] of [...appendPromises, ...checkpointPromises, ...failurePromises]) {
    run(`${name}: ${title}`, async t => {
      await using bed = await makeBed()
      await check(t, bed)
    })
  }
}

/** Runs the contract of `SharedJournal`, which is that of `Journal` and more. */
export function sharedSuite(
  name: string,
  makeBed: () => Promise<SharedJournalBed>,
  options: SuiteOptions = {}
): void {
  suite(name, makeBed, options)
  const run = options.serial ? test.serial : test
  for (const [title, check] of sharedPromises) {
    run(`${name}: ${title}`, async t => {
      await using bed = await makeBed()
      await check(t, bed)
    })
  }
}
