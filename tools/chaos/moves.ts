/**
 * Live moves in a lab of three real hosts to which something happens in each phase: they are
 * refused, killed, cut off, called back. However a move ends, exactly one copy runs, by the
 * machine's own list of processes; neither host holds anything of the other's, to the last tap,
 * rule, file and lock; and `remuda why` says why.
 *
 * The controller is on the first host, the instance goes to and fro between the two others.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { sentence } from '#shared/fault.ts'
import { keepRecords } from '../bench/lab-records.ts'
import { until } from '../bench/takeover-checks.ts'
import { createResource, sayVerb } from '../cli/api/resources.ts'
import type { Lab } from '../lab/lab.ts'
import { openLab } from '../lab/open.ts'
import { isBare, type Traces, tracesOn } from '../lab/traces.ts'
import { qemuForMoves } from '../qemu/home.ts'
import { type MoveFault, moveFaults } from './move-faults.ts'
import {
  bootsOf,
  type Grounds,
  LifeWatch,
  type MoveScene,
  untilOnlyOn,
  untilStill,
  web,
  whyOf
} from './move-scene.ts'

const places = ['h2', 'h3'] as const

type Print = (line: string) => void

/** `chaos moves`: gives whether all promises were kept. */
export async function movesChaos(
  words: readonly string[],
  print: Print,
  signal: AbortSignal
): Promise<boolean> {
  const text = { type: 'string' } as const
  const options = { kinds: text, rounds: text } as const
  const { values } = parseArgs({ args: [...words], options, strict: true })
  const kinds = values.kinds?.split(';') ?? Object.keys(moveFaults)
  const unknown = kinds.filter(kind => !(kind in moveFaults))
  if (unknown.length > 0) throw new Error(`there are no such faults: ${unknown.join('; ')}`)
  await using resources = new AsyncDisposableStack()
  const folder = await mkdtemp(join(tmpdir(), 'remuda-chaos-moves-'))
  resources.defer(() => rm(folder, { recursive: true, force: true }))
  const ranges = { subnet: '10.123.0.0/24', instances: '10.124.0.0/24' }
  const qemu = await qemuForMoves()
  const wish = { folder, hosts: 3, solo: true, outside: false, isBound: true, locks: true, qemu }
  const lab = resources.use(await openLab({ ...wish, ...ranges }))
  const grounds = await layGrounds(lab)
  const wrong: string[] = []
  for (let round = 0; round < Number(values.rounds ?? 1); round += 1) {
    for (const kind of kinds) {
      signal.throwIfAborted()
      const found = await befall(lab, grounds, { kind, fault: moveFaults[kind]!, print })
      if (found === undefined) continue
      wrong.push(`${kind}: ${found}`)
      const kept = await mkdtemp(join(tmpdir(), 'remuda-moves-kept-'))
      await keepRecords(lab, kept)
      print(`  WRONG: ${found}; see ${kept}`)
      await mend(lab)
    }
  }
  for (const each of wrong) print(`BROKEN: ${each}`)
  if (wrong.length === 0) print('all promises were kept')
  return wrong.length === 0
}

/** Makes the instance, and learns how each host looks with it and without it. */
export async function layGrounds(lab: Lab): Promise<Grounds> {
  const spec = { image: 'tiny', memoryMib: 96, pool: 'shared' }
  await createResource(lab.api, web, { spec })
  const seen = new Map<string, { without?: Traces; holding?: Traces }>()
  await untilStill(lab)
  for (const host of [...places, ...places]) {
    await moveTo(lab, host)
    await until('the others have let go of it', async () => {
      for (const place of places) {
        const traces = await tracesOn(lab, place)
        seen.set(place, { ...seen.get(place), [place === host ? 'holding' : 'without']: traces })
        if (place !== host && !isBare(traces)) return false
      }
      return true
    })
  }
  return seen as Grounds
}

async function moveTo(lab: Lab, to: string): Promise<void> {
  if ((await untilStill(lab)) === to) return
  await sayVerb(lab.api, web, 'migrate', { body: { to, live: true } })
  const at = await untilStill(lab)
  if (at !== to) throw new Error(`nothing happened, and it did not get to ${to}: it is on ${at}`)
}

/** One fault, and what was wrong of what came of it; undefined: nothing. */
async function befall(
  lab: Lab,
  grounds: Grounds,
  {
    kind,
    fault,
    print
  }: { readonly kind: string; readonly fault: MoveFault; readonly print: Print }
): Promise<string | undefined> {
  try {
    const from = await untilStill(lab)
    const to = places.find(place => place !== from)!
    await untilOnlyOn(lab, grounds, from)
    await until(`${to} takes it in`, async () => {
      const asked = { body: { to, live: true }, dryRun: true }
      return await sayVerb(lab.api, web, 'migrate', asked).then(() => true)
    })
    const boots = await bootsOf(lab)
    await using watch = new LifeWatch(lab, places)
    const [begun, since] = [performance.now(), Date.now()]
    await fault.strike({ lab, from, to } satisfies MoveScene)
    const at = await untilStill(lab)
    const tookMs = Math.round(performance.now() - begun)
    await untilOnlyOn(lab, grounds, at)
    const anew = (await bootsOf(lab)) - boots
    const why = await whyOf(lab, since)
    const last = why.findLast(line => /^(moved|move-failed): /.test(line))
    const how = `${at === from ? 'stays' : 'is there'}${anew === 0 ? '' : ', started anew'}`
    const load = loadavg()[0]!.toFixed(1)
    print(`${kind}: ${how}, after ${tookMs} ms, ${watch.looks} looks, load ${load}`)
    if (last !== undefined) print(`  ${last}`)
    return [
      ...watch.doubles.map(double => `it ran twice: ${double}`),
      ...(endsWell(fault, { isMoved: at === to, anew }) ? [] : [`it ${how}, not: ${fault.ends}`]),
      ...(isTold(fault, why) ? [] : [`why does not tell why: ${why.join('; ')}`])
    ].at(0)
  } catch (thrown) {
    return sentence(thrown)
  }
}

const isTold = ({ why }: MoveFault, told: readonly string[]): boolean =>
  why === undefined || told.some(line => why.test(line))

function endsWell(
  { ends }: MoveFault,
  { isMoved, anew }: { readonly isMoved: boolean; readonly anew: number }
): boolean {
  switch (ends) {
    case 'stays':
      return !isMoved && anew === 0
    case 'moves':
      return isMoved && anew === 0
    case 'either':
      return anew === 0
    case 'either or anew':
      return anew === 0 || anew === 1
    default:
      return ends satisfies never
  }
}

/** After what went wrong the lab may be left anyhow. */
async function mend(lab: Lab): Promise<void> {
  await lab.heal()
  for (const { name, power } of (await lab.status()).hosts) {
    if (power === 'off') await lab.power(name, 'on')
  }
  await until('all hosts are online', async () =>
    [...(await lab.hostPhases()).values()].every(phase => phase === 'online')
  )
}
