/**
 * What befalls a whole rack of a lab in a chaos run: its hosts reach each other, and none of the
 * others. Too many at once are for people; fewer are fenced in turn. The side that keeps most
 * servers of the ensemble judges the other one, so at most one of them is in the rack.
 */
import { isDeepStrictEqual } from 'node:util'
import { statusAt, until } from '../bench/takeover-checks.ts'
import { listResources, patchResource, readJson } from '../cli/api/resources.ts'
import type { HealingSaid } from '../cli/run/ha.ts'
import { ports } from '../lab/keeper/daemons.ts'
import type { Lab } from '../lab/lab.ts'
import { runsOf } from '../lab/runs.ts'
import {
  allSince,
  decided,
  type HealingFault,
  type HealingScene,
  movesAfter,
  nothingLeaves,
  toldTo,
  wants
} from './healing-scene.ts'

/** Longer than any patience of a controller. Unit: ms. */
const heldMs = 30_000
/** The brake holds from the first moment; people take their time. Unit: ms. */
const pondersMs = 8_000
/** Who is taken for dead so soon after a proof has waited for it. Unit: ms. */
const turnMs = 100
/** By this label hosts are of one rack; the one that is cut off, and all others. */
const [apart, together] = ['r2', 'r1'] as const
/** A third of all hosts may be missing at once. */
const share = 3

type Rack = readonly string[]

/** All of them, by what is said of them. */
export const rackFaults: Readonly<Record<string, HealingFault>> = {
  'rack of too many cut off': scene => heldByBrake(scene, followersOf(scene, 1)),
  "controller's rack of too many cut off": scene => heldByBrake(scene, leadersOf(scene, 1)),
  'rack of too many cut off, and its brake let go': async scene => {
    const { lab } = scene
    const rack = followersOf(scene, 1)
    await racked(scene, rack)
    await cut(lab, rack)
    for (const host of rack) await heldWith(scene, host, rack)
    await nothingLeaves(scene, rack.join(' and '), pondersMs)
    const tookMs = await movesAfter(scene, rack, () => brakeAt(scene, 50))
    const also = `counted from the word of the operator; ${await inTurn(scene, rack)}`
    await lab.heal()
    await brakeAt(scene, null)
    await unracked(scene)
    return { whom: rack.join(', '), fenced: rack, tookMs, also }
  },
  'rack of few cut off': scene => fencedInTurn(scene, followersOf(scene, 0)),
  "controller's rack of few cut off": scene => fencedInTurn(scene, leadersOf(scene, 0))
}

/** Takes away what these leave of hosts and of the cloud, wherever they have stopped short. */
export async function mendRacks(scene: Pick<HealingScene, 'lab'>): Promise<void> {
  await brakeAt(scene, null)
  await unracked(scene)
}

/** So many as are just fenced, or some more. */
const sizeOf = ({ plan }: Lab, more: number): number => Math.floor(plan.hosts.length / share) + more

/** A rack with the controller's host, and no other server of the ensemble. */
function leadersOf(scene: HealingScene, more: number): Rack {
  return enough([scene.leader, ...simpleHosts(scene)], sizeOf(scene.lab, more))
}

/** A rack without the controller's host; another candidate's may be in it. */
function followersOf(scene: HealingScene, more: number): Rack {
  const { lab, leader, chance } = scene
  const others = lab.plan.hosts.filter(({ isCandidate, name }) => isCandidate && name !== leader)
  const some = chance.shuffled(others.map(({ name }) => name)).slice(0, chance.pick([0, 1]))
  return enough([...some, ...simpleHosts(scene)], sizeOf(lab, more))
}

const simpleHosts = ({ lab, chance }: HealingScene): readonly string[] =>
  chance.shuffled(lab.plan.hosts.filter(({ isCandidate }) => !isCandidate).map(({ name }) => name))

function enough(hosts: readonly string[], count: number): Rack {
  const rack = hosts.slice(0, count)
  if (count > 1 && rack.length === count) return rack
  throw new Error(`the lab has too few hosts for a rack of ${count} that is cut off`)
}

/** Nobody is fenced, people are told what they can do, and all goes on as it was. */
async function heldByBrake(scene: HealingScene, rack: Rack): ReturnType<HealingFault> {
  const { lab } = scene
  await racked(scene, rack)
  const ran = await runsOf(lab)
  await cut(lab, rack)
  for (const host of rack) await heldWith(scene, host, rack)
  await nothingLeaves(scene, rack.join(' and '), heldMs)
  const { armed, brake, fenced, suspects } = await healingOf(lab)
  const missing = rack.toSorted()
  const held = suspects.filter(({ hold }) => hold === 'brake').map(({ host }) => host)
  const seen = { armed, missing: brake.missing, fenced, held: held.toSorted() }
  same('ha status', seen, { armed: true, missing, fenced: [], held: missing })
  same('alarms', await alarmsOf(scene), missing)
  same('who leads on which side', await leadersIn(lab, rack), { apart: 0, others: 1 })
  same('what runs where', await runsOf(lab), ran)
  await lab.heal()
  await until('nobody is missing', async () => {
    const said = await healingOf(lab)
    return said.watches && said.suspects.length === 0 && said.brake.missing.length === 0
  })
  await unracked(scene)
  return { whom: rack.join(', '), fenced: [], also: `held for ${heldMs / 1_000} s` }
}

/** All of them are fenced, one after the other, and what ran there runs elsewhere. */
async function fencedInTurn(scene: HealingScene, rack: Rack): ReturnType<HealingFault> {
  const { lab } = scene
  await racked(scene, rack)
  const tookMs = await movesAfter(scene, rack, () => cut(lab, rack))
  const also = await inTurn(scene, rack)
  await lab.heal()
  await unracked(scene)
  return { whom: rack.join(', '), fenced: rack, tookMs, also }
}

/** Gives all hosts their racks, and waits until somebody of another one looks for each. */
async function racked(scene: HealingScene, rack: Rack): Promise<void> {
  const { lab } = scene
  const isApart = (host: string): boolean => rack.includes(host)
  for (const { name } of lab.plan.hosts) await label(scene, name, isApart(name) ? apart : together)
  await until('hosts are looked for from the other rack', async () => {
    const { items } = await listResources(lab.api, 'host')
    return items.every(({ name, conditions = [] }) => {
      const words = conditions.find(({ type }) => type === 'reached-by-peers')
      if (words?.reason !== 'by-all') return false
      const names = (words.message ?? '').match(/\bh\d+\b/g) ?? []
      return names.some(peer => isApart(peer) !== isApart(name))
    })
  })
}

async function unracked(scene: Pick<HealingScene, 'lab'>): Promise<void> {
  for (const { name } of scene.lab.plan.hosts) await label(scene, name, null)
}

async function label(
  scene: Pick<HealingScene, 'lab'>,
  name: string,
  rack: string | null
): Promise<void> {
  const patch = { labels: { rack } } as unknown as Parameters<typeof patchResource>[2]
  await toldTo(scene, api => patchResource(api, { kind: 'host', name }, patch))
}

/** Cuts a rack off; what is cut, and what is not, is seen from within it. */
async function cut(lab: Lab, rack: Rack): Promise<void> {
  const outside = lab.plan.hosts.map(({ name }) => name).filter(name => !rack.includes(name))
  await lab.partition([rack, outside])
  const [from = '', inside = ''] = rack
  same(`${from} reaches ${inside}`, await reaches(lab, from, inside), true)
  same(`${from} reaches ${outside[0]}`, await reaches(lab, from, outside[0]!), false)
}

async function reaches(lab: Lab, from: string, to: string): Promise<boolean> {
  const { address } = lab.plan.hosts.find(({ name }) => name === to)!
  const script = `exec 3<>/dev/tcp/${address}/${ports.agent}`
  const { code } = await lab.run(from, ['timeout', '2', 'bash', '--norc', '-c', script])
  return code === 0
}

/** It is held by the brake, with its numbers and the commands that go on from there. */
async function heldWith(scene: HealingScene, host: string, rack: Rack): Promise<void> {
  const { length: total } = scene.lab.plan.hosts
  const { because } = await decided(scene, host, 'fence-held-brake')
  const most = Math.floor(total / share)
  const numbers = `${rack.length} of ${total} hosts are missing at once, more than ${most}: `
  const names = `\\(${rack.toSorted().join(', ')}\\)`
  const commands = `remuda host confirm-off ${host}; .*: remuda ha set --brake-share PERCENT$`
  wants(because, new RegExp(`${numbers}.*${names}; .*${commands}`))
}

/** Each was taken for dead once the one before was proven off, and said that it waited for that. */
async function inTurn(scene: HealingScene, rack: Rack): Promise<string> {
  const turns = await Promise.all(
    rack.map(async host => {
      const { at, because } = await decided(scene, host, 'fencing')
      const over = Date.parse((await decided(scene, host, 'fenced')).at)
      return { host, begun: Date.parse(at), because, over }
    })
  )
  turns.sort((a, b) => a.begun - b.begun)
  for (const [at, { host, begun }] of turns.entries()) {
    const before = turns[at - 1]
    if (!before) continue
    if (begun < before.over) {
      throw new Error(`${host} was taken for dead before ${before.host} was proven off`)
    }
    const held = await allSince(scene, host, 'fence-held-rack')
    // Of a new controller it may have been in doubt for longer than the fence before took.
    if (held.length === 0 && begun - before.over > turnMs) continue
    const said = held.map(({ because }) => because).join(' | ')
    const command = `remuda host confirm-off ${host}; or remuda ha set --fences-per-rack N`
    wants(said, new RegExp(`of the same rack ${apart} is being fenced; .*${command}`))
  }
  const { begun: first, because } = turns[0]!
  const ends = turns.map(({ host, over }) => `${host} was off ${over - first} ms`)
  return `${ends.join(', ')} after the first was ${because}`
}

async function brakeAt(
  scene: Pick<HealingScene, 'lab'>,
  brakePercent: number | null
): Promise<void> {
  const asked = { method: 'PATCH', path: '/v1/ha', doing: 'set the brake' } as const
  await toldTo(scene, api => api.ask({ ...asked, body: { brakePercent } }))
}

async function healingOf({ api }: Lab): Promise<HealingSaid> {
  const doing = 'show how the cloud heals'
  return readJson(await api.ask({ method: 'GET', path: '/v1/ha', doing }), doing) as HealingSaid
}

/** Hosts of which people were told that the brake holds. */
async function alarmsOf({ lab, since }: HealingScene): Promise<readonly string[]> {
  const { items } = await listResources(lab.api, 'event')
  return items
    .filter(({ spec }) => spec['reason'] === 'fence-held-brake' && spec['severity'] === 'alarm')
    .filter(({ status }) => Date.parse(String(status['lastAt'])) >= since)
    .map(({ spec }) => String(spec['subject']).replace('host/', ''))
    .toSorted()
}

/** How many say on each side of a cut that they lead. */
async function leadersIn(
  lab: Lab,
  rack: Rack
): Promise<{ readonly apart: number; readonly others: number }> {
  const leading: string[] = []
  for (const { name, isCandidate } of lab.plan.hosts) {
    if (isCandidate && (await statusAt(lab, name))?.state === 'leads') leading.push(name)
  }
  const within = leading.filter(name => rack.includes(name)).length
  return { apart: within, others: leading.length - within }
}

function same(what: string, seen: unknown, due: unknown): void {
  if (isDeepStrictEqual(seen, due)) return
  throw new Error(`${what}: ${shown(seen)}, and not ${shown(due)}`)
}

const shown = (value: unknown): string =>
  JSON.stringify(value instanceof Map ? Object.fromEntries(value) : value)
