/** The journal that the configuration of a controller names, opened while no controller runs. */
import { join } from 'node:path'
import { realClock } from '#shared/clock.ts'
import { Fault } from '#shared/fault.ts'
import { silentLog } from '#shared/log.ts'
import type { Journal } from '../../../controller/core/ports.ts'
import type { Connection } from '../../../controller/io/candidate-parts.ts'
import { type ControllerConfig, readConfig, serversOf } from '../../../controller/io/config.ts'
import { connectionsOf } from '../../../controller/io/connections.ts'
import { openLevelJournal } from '../../../controller/io/journal/level.ts'

/** Whoever has just ended is missed by the ensemble after a session; longer it cannot take. */
const sessionsMax = 3

/** A journal, where it is, and how to become the one who may write it. */
export type JournalPlace = AsyncDisposable & {
  readonly journal: Journal
  /** In words, such as `the journal on ZooKeeper at 10.0.0.1:2181`. */
  readonly where: string
  /** Waits until nobody else may write it. Fault `conflict`: candidates run. */
  readonly take: () => Promise<void>
}

/** Opens it; `flags` and `environment` are as those of the controller. */
export async function openJournalPlace(
  flags: readonly string[],
  environment: NodeJS.ProcessEnv,
  signal: AbortSignal
): Promise<JournalPlace> {
  const config = await readConfig(flags, environment)
  if (config.journal !== 'level' || config.ensemble !== undefined) {
    return await openShared(config, signal)
  }
  const folder = join(config.state, 'controller', 'journal')
  const journal = await openLevelJournal(folder)
  return {
    journal,
    where: `the journal in ${folder}`,
    take: async () => {},
    [Symbol.asyncDispose]: () => journal[Symbol.asyncDispose]()
  }
}

async function openShared(config: ControllerConfig, signal: AbortSignal): Promise<JournalPlace> {
  if (config.ensemble === undefined) {
    throw new Fault('invalid', 'cannot open a journal in PostgreSQL without an ensemble', {
      reasons: ['nothing says whether a controller runs that has it open'],
      next: ['name the ensemble of its candidates in the configuration']
    })
  }
  await using opened = new AsyncDisposableStack()
  const connect = connectionsOf(config, { log: silentLog, clock: realClock })
  const connection = opened.use(await connect(signal))
  const servers = serversOf(config.ensemble).join(', ')
  const place = config.journal === 'postgres' ? 'in PostgreSQL, led through' : 'on ZooKeeper at'
  const all = opened.move()
  return {
    journal: connection.journal,
    where: `the journal ${place} ${servers}`,
    take: async () => {
      all.use(await lead(connection, { config, signal }))
    },
    [Symbol.asyncDispose]: () => all.disposeAsync()
  }
}

/** Stands for election, and waits until it is won. */
async function lead(
  connection: Connection,
  given: { readonly config: ControllerConfig; readonly signal: AbortSignal }
): Promise<AsyncDisposable> {
  const { config, signal } = given
  await using opened = new AsyncDisposableStack()
  const election = opened.use(await connection.stand())
  const others = await election.candidates()
  if (others.length > 0) throw candidatesRun(others.map(({ name }) => name))
  const late = AbortSignal.timeout(sessionsMax * config.sessionMs)
  try {
    await election.lead(AbortSignal.any([signal, late]))
  } catch (thrown) {
    if (!late.aborted) throw thrown
    throw candidatesRun((await election.candidates()).map(({ name }) => name))
  }
  return opened.move()
}

const candidatesRun = (names: readonly string[]): Fault =>
  new Fault('conflict', 'cannot write into the journal: candidates run that have it open', {
    reasons: [names.length === 0 ? 'one that does not say its name' : names.join(', ')],
    next: ['stop the controller on each of them']
  })
