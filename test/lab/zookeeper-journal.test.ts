/**
 * The journal and the election on a real ensemble: their contracts, and what becomes of them when
 * who leads is killed or stopped.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import test, { type ExecutionContext } from 'ava'
import { realClock } from '#shared/clock.ts'
import { isFault } from '#shared/fault.ts'
import { silentLog } from '#shared/log.ts'
import type { Ms } from '#shared/units.ts'
import { connectZooKeeper } from '#shared/zookeeper/connect.ts'
import type { Operation, ZooKeeperSession } from '#shared/zookeeper/session.ts'
import { zooKeeperElection } from '../../controller/io/election/zookeeper.ts'
import { openZooKeeperJournal } from '../../controller/io/journal/zookeeper.ts'
import { electionSuite } from '../contracts/election.ts'
import { sharedSuite } from '../contracts/journal.ts'
import { FaultySession } from '../world/faulty-zookeeper.ts'
import { numbered, read } from '../world/numbered-commits.ts'
import type { HolderLine } from './journal-holder.ts'
import { startEnsemble, type ZooKeeperEnsemble } from './zookeeper-ensemble.ts'

const secret = 'remuda:journal'
/**
 * A patient one for the contracts; what dies and pauses is missed soon, but nobody loses it while
 * the servers of a busy machine elect another leader.
 */
const sessionMs = { contracts: 12_000, holders: 6_000, elections: 20_000 } as const
/** Znodes that are removed in one transaction. */
const removedMax = 500
const patienceMs = 60_000
let ensemble: ZooKeeperEnsemble
let cleaner: ZooKeeperSession

test.before(async () => {
  ensemble = await startEnsemble()
  cleaner = await connect()
})
test.after.always(async () => {
  await cleaner?.[Symbol.asyncDispose]()
  await ensemble?.[Symbol.asyncDispose]()
})

const connect = (): Promise<ZooKeeperSession> =>
  connectZooKeeper({
    servers: ensemble.servers,
    sessionMs: sessionMs.contracts,
    secret,
    log: silentLog,
    clock: realClock
  })

/** A znode and all below it, those below first. */
async function pathsFrom(path: string): Promise<readonly string[]> {
  const names = (await cleaner.children(path)) ?? []
  const below = await Promise.all(names.map(name => pathsFrom(`${path}/${name}`)))
  return [...below.flat(), path]
}

/** Removes all that a test has left, many znodes at once, so that the next one finds nothing. */
async function clearAll(): Promise<void> {
  if (cleaner.ended.aborted) cleaner = await connect()
  await cleaner.sync('/')
  while ((await cleaner.children('/remuda')) !== undefined) {
    const paths = await pathsFrom('/remuda')
    const removes = paths.map((path): Operation => ({ op: 'remove', path, version: 'any' }))
    for (let at = 0; at < removes.length; at += removedMax) {
      // What has ended with its session meanwhile is listed no more the next time.
      await cleaner.transact(removes.slice(at, at + removedMax)).catch(ignoreGone)
    }
  }
}

function ignoreGone(thrown: unknown): void {
  if (!isFault(thrown, 'not-found') && !isFault(thrown, 'conflict')) throw thrown
}

sharedSuite(
  'the journal on a real ensemble',
  async () => {
    const sessions: FaultySession[] = []
    await clearAll()
    return {
      shared: true,
      open: async () => {
        const session = new FaultySession(await connect())
        sessions.push(session)
        return openZooKeeperJournal(session, { log: silentLog })
      },
      failNext: fate => {
        for (const session of sessions) session.failNext(fate)
      },
      heal: () => {
        for (const session of sessions) session.heal()
      },
      [Symbol.asyncDispose]: async () => {
        for (const session of sessions) await session[Symbol.asyncDispose]()
      }
    }
  },
  { serial: true }
)

electionSuite(
  'the election on a real ensemble',
  async () => {
    const sessions = new Map<AsyncDisposable, ZooKeeperSession>()
    await clearAll()
    return {
      stand: async name => {
        const session = await connect()
        const election = zooKeeperElection(session, { name, log: silentLog, clock: realClock })
        sessions.set(election, session)
        return election
      },
      kill: async election => sessions.get(election)?.[Symbol.asyncDispose](),
      [Symbol.asyncDispose]: async () => {
        for (const [election, session] of sessions) {
          await election[Symbol.asyncDispose]()
          await session[Symbol.asyncDispose]()
        }
      }
    }
  },
  { serial: true }
)

/** A candidate's process, and what it has said. */
class Holder implements AsyncDisposable {
  readonly lines: HolderLine[] = []
  readonly #child: ChildProcess
  #grown = Promise.withResolvers<void>()

  constructor(name: string, livesMs: Ms) {
    const program = join(import.meta.dirname, 'journal-holder.ts')
    const words = [program, name, secret, String(livesMs), ensemble.servers.join(',')]
    this.#child = spawn(process.execPath, words, { stdio: ['ignore', 'pipe', 'inherit'] })
    const lines = createInterface({ input: this.#child.stdout! })
    lines.on('line', line => {
      this.lines.push(JSON.parse(line))
      this.#grow()
    })
    lines.on('close', () => this.#grow())
  }

  signal(name: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT'): void {
    this.#child.kill(name)
  }

  /** Waits for a line that fits. */
  async says<Found extends HolderLine>(fits: (line: HolderLine) => line is Found): Promise<Found> {
    const late = AbortSignal.timeout(patienceMs)
    const stopped = once(late, 'abort')
    for (;;) {
      const found = this.lines.find(fits)
      if (found) return found
      late.throwIfAborted()
      await Promise.race([this.#grown.promise, stopped])
    }
  }

  get appended(): readonly Extract<HolderLine, { type: 'appended' }>[] {
    return this.lines.filter(isType('appended'))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const exited = once(this.#child, 'exit')
    this.#child.kill('SIGKILL')
    await exited
  }

  #grow(): void {
    this.#grown.resolve()
    this.#grown = Promise.withResolvers()
  }
}

const isType =
  <Type extends HolderLine['type']>(type: Type) =>
  (line: HolderLine): line is Extract<HolderLine, { type: Type }> =>
    line.type === type
const isLateAppend = (after: number) => {
  const isAppended = isType('appended')
  return (line: HolderLine): line is Extract<HolderLine, { type: 'appended' }> =>
    isAppended(line) && line.position > after
}

/** Each acknowledged entry is there, and none of an old epoch came after the new one's raise. */
async function judge(t: ExecutionContext, holders: readonly Holder[]): Promise<void> {
  await using session = await connect()
  await using journal = await openZooKeeperJournal(session, { log: silentLog })
  const entries = await read(journal)
  t.true(entries.length > 0)
  for (const holder of holders) {
    for (const { position, number } of holder.appended) {
      const found = entries[position - 1]?.commit
      if (position <= entries.length) t.deepEqual(found, numbered(number))
    }
    for (const { epoch, head } of holder.lines.filter(isType('leads'))) {
      t.true(entries.slice(0, head).every(entry => entry.epoch < epoch))
      t.true(entries.slice(head).every(entry => entry.epoch >= epoch))
    }
  }
}

/** Two candidates: the first leads and writes, the second waits. */
async function startTwo(livesMs: Ms = sessionMs.holders) {
  await clearAll()
  const first = new Holder('h1', livesMs)
  await first.says(isLateAppend(100))
  const second = new Holder('h2', livesMs)
  await second.says(isType('stands'))
  return { first, second }
}

test.serial('when who leads is killed, the next one goes on after all it has said', async t => {
  const { first, second } = await startTwo()
  await using _first = first
  await using _second = second
  first.signal('SIGKILL')
  const { head } = await second.says(isType('leads'))
  await second.says(isLateAppend(head + 100))
  t.true(head >= Math.max(...first.appended.map(({ position }) => position)))
  second.signal('SIGSTOP')
  await judge(t, [first, second])
})

test.serial('who was stopped longer than its session lives gets nothing more through', async t => {
  const { first, second } = await startTwo()
  await using _first = first
  await using _second = second
  first.signal('SIGSTOP')
  const { head } = await second.says(isType('leads'))
  await second.says(isLateAppend(head + 100))
  first.signal('SIGCONT')
  const { holds } = await first.says(isType('lost'))
  t.false(holds)
  const { appended, refused } = await first.says(isType('tried'))
  t.is(appended, 0)
  t.true(refused.length > 0 && !refused.includes('unexpected'))
  await second.says(isLateAppend(head + 200))
  second.signal('SIGSTOP')
  await judge(t, [first, second])
})

test.serial('writing goes on when the server that leads the ensemble is killed', async t => {
  const { first, second } = await startTwo(sessionMs.elections)
  await using _first = first
  await using _second = second
  const leader = await ensemble.untilLed()
  await ensemble.kill(leader)
  // The session moves on, or it ends and the other one leads.
  const at = Math.max(...first.appended.map(({ position }) => position))
  const goesOn = isLateAppend(at + 100)
  await Promise.race([first.says(goesOn), second.says(goesOn)])
  await ensemble.start(leader)
  await ensemble.untilQuorum(3)
  first.signal('SIGSTOP')
  second.signal('SIGSTOP')
  await judge(
    t,
    [first, second].filter(holder => holder.lines.some(isType('leads')))
  )
})
