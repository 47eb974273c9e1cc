/**
 * A lab of six real hosts whose hosts lose power, are cut off, stand still or have bad lines, with
 * baseboard controllers that are dead, slow or lie. What runs must run elsewhere where it should,
 * and only there; and nobody may be fenced who should not be. What really runs is looked at all the
 * while in the machine's own list of processes, and in the end asked of each host's libvirt.
 *
 * The kinds are dealt like cards: shuffled by the seed, each once before one comes again.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { fencesSince, keepRecords } from '../bench/lab-records.ts'
import { livesOf, until, untilWhole } from '../bench/takeover-checks.ts'
import { createResource } from '../cli/api/resources.ts'
import type { Lab } from '../lab/lab.ts'
import { openLab } from '../lab/open.ts'
import { labFencings } from '../lab/plan.ts'
import { RunWatch, runsOf } from '../lab/runs.ts'
import { type Chance, makeChance } from './chance.ts'
import { healingFaults } from './healing-faults.ts'
import { mendRacks } from './healing-racks.ts'
import { type HealingAccount, placesOf, spread } from './healing-scene.ts'

const hostsDefault = 6
const minutesDefault = 0

type Print = (line: string) => void
type Run = {
  readonly lab: Lab
  readonly watch: RunWatch
  readonly chance: Chance
  readonly kinds: readonly string[]
  readonly print: Print
  readonly signal: AbortSignal
}

/** `chaos healing`: gives whether all promises were kept. */
export async function healingChaos(
  words: readonly string[],
  print: Print,
  signal: AbortSignal
): Promise<boolean> {
  const text = { type: 'string' } as const
  const options = { minutes: text, seed: text, kinds: text, bmc: text, hosts: text, vms: text }
  const { values } = parseArgs({ args: [...words], options, strict: true })
  const seed = Number(values.seed ?? Date.now() % 1_000_000)
  const minutes = Number(values.minutes ?? minutesDefault)
  const kinds = values.kinds?.split(';') ?? Object.keys(healingFaults)
  const unknown = kinds.filter(kind => !(kind in healingFaults))
  if (unknown.length > 0) throw new Error(`there are no such faults: ${unknown.join('; ')}`)
  const bmc = labFencings.find(one => one === values.bmc) ?? 'mixed'
  print(`hosts that fail for ${minutes} min, and until each kind was seen: seed ${seed}, ${bmc}`)
  const folder = await mkdtemp(join(tmpdir(), 'remuda-chaos-healing-'))
  await using resources = new AsyncDisposableStack()
  resources.defer(() => rm(folder, { recursive: true, force: true }))
  const ranges = { subnet: '10.105.0.0/24', instances: '10.106.0.0/16' }
  const hosts = Number(values.hosts ?? hostsDefault)
  const wish = { folder, hosts, outside: false, isBound: true, bmc, ...ranges }
  const lab = resources.use(await openLab(wish))
  await fill(lab, Number(values.vms ?? 1))
  const watch = resources.use(new RunWatch(lab))
  const run = { lab, watch, chance: makeChance(seed), kinds, print, signal }
  const wrong = await strikeAgainAndAgain(run, minutes * 60_000)
  print(`${watch.looks} looks at what runs where`)
  for (const each of wrong) print(`BROKEN: ${each}`)
  if (wrong.length === 0) print('all promises were kept')
  return wrong.length === 0
}

/** As many instances as hosts, which may run on each of them. */
async function fill(lab: Lab, machines: number): Promise<void> {
  for (const [index] of lab.plan.hosts.entries()) {
    const isMachine = index < machines
    const kind = isMachine ? {} : { type: 'container' }
    const image = isMachine ? 'tiny' : 'tiny-container'
    const spec = { ...kind, image, memoryMib: isMachine ? 96 : 48, pool: 'shared' }
    const name = `${isMachine ? 'vm' : 'box'}-${index + 1}`
    await createResource(lab.api, { kind: 'instance', name }, { spec })
  }
  await untilWhole(lab)
}

/** Until the time is over and each kind was seen; gives what was not as it must be. */
async function strikeAgainAndAgain(run: Run, lastsMs: number): Promise<readonly string[]> {
  const { lab, chance, kinds, print, signal } = run
  const begunAt = performance.now()
  const wrong: string[] = []
  const unseen = new Set(kinds)
  let deck: readonly string[] = []
  while (unseen.size > 0 || performance.now() - begunAt < lastsMs) {
    signal.throwIfAborted()
    if (deck.length === 0) deck = chance.shuffled(kinds)
    const [kind = '', ...rest] = deck
    deck = rest
    unseen.delete(kind)
    const found = await strike(run, kind, begunAt)
    wrong.push(...found.map(each => `${kind}: ${each}`))
    if (found.length === 0) continue
    const kept = await mkdtemp(join(tmpdir(), 'remuda-healing-kept-'))
    await keepRecords(lab, kept)
    for (const each of found) print(`  WRONG: ${each}; see ${kept}`)
    await mend(lab)
  }
  return wrong
}

/** One fault, and what was wrong of what came of it. */
async function strike(run: Run, kind: string, begunAt: number): Promise<readonly string[]> {
  const { lab, watch, chance, print } = run
  try {
    await untilWhole(lab)
    await spread(lab)
    const leader = await untilWhole(lab)
    const before = await livesOf(lab)
    const places = await placesOf(lab)
    const since = Date.now()
    const account = await healingFaults[kind]!({ lab, chance, leader, since })
    const next = await untilWhole(lab)
    const after = await livesOf(lab)
    const seconds = ((performance.now() - begunAt) / 1_000).toFixed(0)
    const [load = 0] = loadavg()
    const moved =
      account.tookMs === undefined
        ? 'nothing moved'
        : `all ran elsewhere after ${Math.round(account.tookMs)} ms`
    const also = account.also === undefined ? '' : `; ${account.also}`
    const lead = leader === next ? '' : `, led by ${leader} and then ${next}`
    print(
      `${seconds} s: ${kind} (${account.whom}${lead}): ${moved}, load ${load.toFixed(1)}${also}`
    )
    return [
      ...(await wronglyFenced(lab, since, account)),
      ...wronglyStarted(places, { before, after, account }),
      ...(await judgeRuns(lab, watch))
    ]
  } catch (thrown) {
    return [thrown instanceof Error ? thrown.message : String(thrown)]
  }
}

async function wronglyFenced(
  lab: Lab,
  since: number,
  { fenced }: HealingAccount
): Promise<readonly string[]> {
  const fences = (await fencesSince(lab, since)).toSorted().join(', ')
  const right = fenced.toSorted().join(', ')
  return fences === right ? [] : [`fenced: ${fences || 'nobody'}, and not ${right || 'nobody'}`]
}

/** Whoever was not on a host that failed runs on as he did. */
function wronglyStarted(
  places: Awaited<ReturnType<typeof placesOf>>,
  given: {
    readonly before: Readonly<Record<string, string>>
    readonly after: Readonly<Record<string, string>>
    readonly account: HealingAccount
  }
): readonly string[] {
  const { before, after, account } = given
  const failed = [...account.fenced, ...(account.ended ?? [])]
  return places
    .filter(({ host, name }) => !failed.includes(host) && before[name] !== after[name])
    .map(({ host, name }) => `${name} on ${host} was ${before[name]}, is ${after[name]}`)
}

/**
 * Nothing ran twice at any look, and each instance runs now where the cloud says, and only there.
 */
async function judgeRuns(lab: Lab, watch: RunWatch): Promise<readonly string[]> {
  const doubles = [...watch.doubles].map(double => `ran twice: ${double}`)
  watch.doubles.clear()
  const wanted = (await placesOf(lab)).map(({ name, host }) => `default.${name} on ${host}`).sort()
  const said: string[] = []
  for (const { name: host } of lab.plan.hosts) {
    for (const driver of ['qemu:///system', 'lxc:///system']) {
      const { stdout } = await lab.run(host, ['virsh', '-q', '-c', driver, 'list', '--name'])
      said.push(
        ...stdout
          .split('\n')
          .filter(Boolean)
          .map(domain => `${domain} on ${host}`)
      )
    }
  }
  const seen = [...(await runsOf(lab))].flatMap(([host, domains]) =>
    domains.map(domain => `${domain} on ${host}`)
  )
  const differs = (what: string, found: readonly string[]): readonly string[] =>
    found.toSorted().join() === wanted.join()
      ? []
      : [`${what}: ${found.toSorted().join(', ')}; wanted: ${wanted.join(', ')}`]
  return [...doubles, ...differs('virsh lists', said), ...differs('there run', seen)]
}

/** After what went wrong the lab may be left anyhow. */
async function mend(lab: Lab): Promise<void> {
  await lab.heal()
  for (const { name, isPaused, daemons, power } of (await lab.status()).hosts) {
    if (lab.plan.fencing !== 'lab') await lab.bmc(name, 'ok')
    if (isPaused) await lab.resume(name)
    if (power === 'off') await lab.power(name, 'on')
    for (const { name: daemon, state } of daemons) {
      if (state === 'paused') await lab.resume(name, daemon).catch(() => {})
      if (state === 'stopped') await lab.start(name, daemon).catch(() => {})
    }
  }
  await mendRacks({ lab }).catch(() => {})
  await until('the lab is whole again', async () => (await untilWhole(lab)) !== '')
}
