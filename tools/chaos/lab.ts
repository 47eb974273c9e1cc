/**
 * A lab of three real hosts under chaos: clients write without a pause while one fault after
 * another befalls controllers, servers, links and clocks. Each is mended, and the lab whole again,
 * before the next. At the end what was acknowledged must be on every candidate, and the journal,
 * which was read all the while, must agree with who led when.
 *
 * The kinds are dealt like cards: shuffled by the seed, each once before one comes again.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import {
  counts,
  disorder,
  leaderOf,
  livesOf,
  reignsOf,
  settle,
  untilWhole
} from '../bench/takeover-checks.ts'
import { Writers } from '../bench/takeover-writers.ts'
import type { Lab } from '../lab/lab.ts'
import { openLab } from '../lab/open.ts'
import { type Chance, makeChance } from './chance.ts'
import { judgeJournal } from './lab-checker.ts'
import { LabClocks } from './lab-clocks.ts'
import { type Account, labFaults } from './lab-faults.ts'
import { LabJournal } from './lab-journal.ts'

const minutesDefault = 10
const writersCount = 6
/** Keeps what the ensemble has to hold within its heap. Unit: ms. */
const restMs = 100
/** Writes between the lab being whole and the next fault. */
const writesBefore = 20

type Print = (line: string) => void

/** `chaos lab`: gives whether all promises were kept. */
export async function labChaos(
  words: readonly string[],
  print: Print,
  signal: AbortSignal
): Promise<boolean> {
  const text = { type: 'string' } as const
  const options = { minutes: text, seed: text, kinds: text }
  const { values } = parseArgs({ args: [...words], options, strict: true })
  const seed = Number(values.seed ?? Date.now() % 1_000_000)
  const minutes = Number(values.minutes ?? minutesDefault)
  const kinds = values.kinds?.split(',') ?? Object.keys(labFaults)
  print(`chaos in a lab for ${minutes} min, and until each kind was seen: seed ${seed}`)
  const folder = await mkdtemp(join(tmpdir(), 'remuda-chaos-lab-'))
  await using resources = new AsyncDisposableStack()
  resources.defer(() => rm(folder, { recursive: true, force: true }))
  const ranges = { subnet: '10.97.0.0/24', instances: '10.98.0.0/16' }
  const wish = { folder, hosts: 3, clocks: true, outside: false, isBound: true, ...ranges }
  const lab = resources.use(await openLab(wish))
  await settle(lab)
  const journal = resources.use(await LabJournal.open(lab))
  const clocks = new LabClocks(lab)
  const writers = resources.use(
    new Writers(lab, { writers: writersCount, instance: 'on-h1', restMs })
  )
  const chance = makeChance(seed)
  const run = { lab, journal, clocks, writers, chance, kinds, print, signal }
  const wrong = await strikeAgainAndAgain(run, minutes * 60_000)
  await untilWhole(lab)
  await writers[Symbol.asyncDispose]()
  wrong.push(...(await judge(run)))
  for (const each of wrong) print(`BROKEN: ${each}`)
  if (wrong.length === 0) print('all promises were kept')
  return wrong.length === 0
}

type Run = {
  readonly lab: Lab
  readonly journal: LabJournal
  readonly clocks: LabClocks
  readonly writers: Writers
  readonly chance: Chance
  readonly kinds: readonly string[]
  readonly print: Print
  readonly signal: AbortSignal
}

/** Until the time is over and each kind was seen; gives what was not as it must be. */
async function strikeAgainAndAgain(run: Run, lastsMs: number): Promise<string[]> {
  const { chance, kinds, print, signal } = run
  const begunAt = performance.now()
  const wrong: string[] = []
  const times = new Map<string, number[]>(kinds.map(kind => [kind, []]))
  let deck: readonly string[] = []
  while (performance.now() - begunAt < lastsMs || [...times.values()].some(all => !all.length)) {
    signal.throwIfAborted()
    if (deck.length === 0) deck = chance.shuffled(kinds)
    const [kind = '', ...rest] = deck
    deck = rest
    const { account, whole, noticed } = await strike(run, kind)
    times.get(kind)?.push(account.tookMs)
    wrong.push(...noticed)
    const seconds = ((performance.now() - begunAt) / 1_000).toFixed(0)
    const also = account.also === undefined ? '' : `; ${account.also}`
    const [load = 0] = loadavg()
    print(
      `${seconds} s: ${kind} (${account.whom}): ` +
        `written again after ${Math.round(account.tookMs)} ms by ${whole.leader}, ` +
        `epoch ${whole.epoch}, load ${load.toFixed(1)}${also}`
    )
  }
  for (const [kind, all] of times) {
    const most = Math.round(Math.max(...all))
    print(`${String(all.length).padStart(4)}  ${kind}: written again after ${most} ms at most`)
  }
  return wrong
}

async function strike(run: Run, kind: string) {
  const { lab, writers, clocks, chance } = run
  const fault = labFaults[kind]
  if (!fault) throw new Error(`cannot strike with ${kind}: there is no such fault`)
  const leader = await untilWhole(lab)
  const count = writers.count + writesBefore
  const { epoch } = await writers.acknowledged(() => writers.count >= count)
  const before = await livesOf(lab)
  const wound: Account = await fault({ lab, writers, clocks, chance, leader, epoch }).catch(
    cause => {
      throw new Error(`${kind}, ${leader} led in epoch ${epoch}: ${cause.message}`, { cause })
    }
  )
  const whole = { leader: await untilWhole(lab), epoch: 0 }
  whole.epoch = (await writers.acknowledged(() => true)).epoch
  const after = await livesOf(lab)
  const noticed = Object.keys(before)
    .filter(name => name !== `on-${wound.wasOff}` && after[name] !== before[name])
    .map(name => `${kind}: ${name} was ${before[name]}, is ${after[name]}`)
  return { account: wound, whole, noticed }
}

/** Compares what was told, what was led and what was recorded. */
async function judge({ lab, journal, writers, clocks, print }: Run): Promise<readonly string[]> {
  const told = writers.told.map(({ epoch, position }) => ({ epoch, position }))
  const last = Math.max(0, ...told.map(({ position }) => position))
  await journal.reaches(last)
  const missing = await writers.missing()
  const wrong = await disorder(lab, clocks.trueTime)
  const reigns = await reignsOf(lab)
  const ofServers = await journal.lastOfServers()
  await journal.reaches(Math.max(...[...ofServers.values()].map(all => all.at(-1)?.position ?? 0)))
  const { entries } = journal
  const { orders, epochs } = await counts(lab)
  print(`${writers.count} writes acknowledged, ${missing.length} lost on any candidate`)
  print(`${entries.length} entries read from the journal, of ${epochs} reigns`)
  print(`${orders} orders taken on, ${wrong.length} out of order; ${await leaderOf(lab)} leads`)
  return [
    ...missing.map(name => `lost: ${name}`),
    ...wrong,
    ...judgeJournal({ entries, reigns, told, ofServers })
  ]
}
