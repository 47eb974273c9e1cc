import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openLevelJournal } from '../../../controller/io/journal/level.ts'
import { openLevelStore } from '../../../controller/io/journal/level-store.ts'
import { type JournalBed, suite } from '../../contracts/journal.ts'
import { FaultyStores } from '../../world/faulty-store.ts'

suite('the Level journal', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'remuda-journal-'))
  const stores = new FaultyStores(openLevelStore)
  return {
    shared: false,
    open: () => openLevelJournal(folder, { openStore: stores.open }),
    failNext: fate => stores.failNext(fate),
    heal: () => stores.heal(),
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true })
  } satisfies JournalBed
})
