/** What a controller does as long as it leads: reigns, imports images, keeps checkpoints. */
import { sentence } from '#shared/fault.ts'
import type { Service } from './api/service.ts'
import type { Assembly } from './assembly.ts'
import { balanceByItself } from './balance/automatic.ts'
import { type CandidateSource, keepBootstrap } from './bootstrap.ts'
import { importImages } from './importer.ts'
import type { Keeper } from './keeper.ts'
import type { Ledger } from './ledger.ts'

/** How often checkpoints are thought of. Unit: ms. */
const checkpointMs = 1_000

/** Leads until the signal aborts; resolves once all of it has ended. */
export async function lead(
  assembly: Assembly,
  given: {
    readonly keepers: readonly Keeper[]
    /** Where candidates are seen, for the signed list; left out: none is kept. */
    readonly candidates?: CandidateSource | undefined
  },
  signal: AbortSignal
): Promise<void> {
  const { service, briefings } = assembly
  const { reign, clock, log } = service
  const { keepers, candidates } = given
  await Promise.all([
    reign.run(signal),
    balanceByItself({ reign, clock, log }, signal),
    keepCheckpoints(service, keepers, signal),
    importImages(service, signal),
    candidates && keepBootstrap({ ...candidates, reign, briefings, clock, log }, signal)
  ])
}

/** Writes checkpoints as they become due, until the signal aborts. */
export async function keepCheckpoints(
  service: Pick<Service, 'ledger' | 'clock'>,
  keepers: readonly Keeper[],
  signal: AbortSignal
): Promise<void> {
  const { ledger, clock } = service
  while (!signal.aborted) {
    for (const keeper of keepers) keeper.writeIfDue(clock.monotonic(), () => ledger.durable())
    await clock.sleep(checkpointMs, signal).catch(() => undefined)
  }
  for (const keeper of keepers) await keeper.idle()
}

/** Forgets image content that no image has, until the signal aborts. */
export async function keepImages(service: Service, signal: AbortSignal): Promise<void> {
  const { ledger, clock, images, log } = service
  while (!signal.aborted) {
    await images
      .keepOnly(
        () => contentsOf(ledger),
        () => ledger.durable()
      )
      .catch(thrown => {
        log.warn('cannot tidy the store of images', { because: sentence(thrown) })
      })
    await clock.sleep(checkpointMs, signal).catch(() => undefined)
  }
}

/** Contents that images have. While the journal fails there may be more than the view knows of. */
function contentsOf({ view, broken, isOpen }: Ledger): ReadonlySet<string> | undefined {
  if (broken && isOpen) return undefined
  const images = [...view.all('image').values()]
  return new Set(images.flatMap(({ decided }) => decided.content?.sha256 ?? []))
}

/** At a clean end the next start shall have little to read. */
export async function lastCheckpoint(service: Service, keeper: Keeper): Promise<void> {
  const { ledger, log } = service
  if (keeper.behind === 0 || (ledger.isOpen && ledger.broken)) return
  try {
    await keeper.write(() => ledger.durable())
  } catch (thrown) {
    log.warn('cannot write the last checkpoint', { because: sentence(thrown) })
  }
}
