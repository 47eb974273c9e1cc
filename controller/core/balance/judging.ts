/**
 * How a move of a plan is judged in its turn: by every rule of placement, with the room that those
 * before it have taken and left, and by the reserve, with all that they have changed.
 */
import type { Instance } from '#shared/model/instance.ts'
import { demandOfMove, rulesOfMove } from '../admission/instance-move.ts'
import type { Change } from '../commit.ts'
import { heldMib } from '../overhead.ts'
import { candidateOf } from '../placement/candidates.ts'
import { type Candidate, place } from '../placement/pipeline.ts'
import { harmOf, harmSentence } from '../reserve/promise.ts'
import { scarceOf, scarceSum } from '../scarce.ts'
import type { Moment, View } from '../view.ts'

/** One move, by the names of its hosts. */
export type Move = { readonly instance: Instance; readonly from: string; readonly to: string }

/** Groups that it is in, by tenant and name. */
export const groupKeys = ({ spec, tenant }: Instance): readonly string[] =>
  (spec.affinity ?? []).map(({ group }) => `${tenant}/${group}`)

/** Why it stays while others of its groups move; undefined: none does. */
export function whyGrouped(instance: Instance, moved: ReadonlySet<string>): string | undefined {
  const key = groupKeys(instance).find(each => moved.has(each))
  return key && `another one of its group ${key.split('/').at(-1)} moves in the same plan`
}

/** Hosts as they are by then, as far as anything has changed there. */
export type Rooms = { readonly rooms: Map<string, Candidate> }

/** A host as it is by then; undefined: it was removed while it was planned. */
export function roomOf(
  view: View,
  rooms: Map<string, Candidate>,
  name: string,
  now: Moment
): Candidate | undefined {
  const host = view.named('host', name)
  const room = host && (rooms.get(name) ?? candidateOf(view, host, now.monotonic))
  if (room) rooms.set(name, room)
  return room
}

/** Why the rules of placement do not let it go there, with the room that is left by then. */
export function whyRefused(view: View, move: Move & Rooms, now: Moment): string | undefined {
  const { instance, from, to, rooms } = move
  const volumes = instance.decided.volumes.flatMap(id => view.get('volume', id) ?? [])
  const about = { instance, volumes, host: from, live: true }
  const candidate = roomOf(view, rooms, to, now)
  if (!candidate) return `${to}: was removed meanwhile`
  const { chosen, rejected } = place(
    demandOfMove(view, about),
    [candidate],
    rulesOfMove(view, about)
  )
  return chosen ? undefined : `${to}: ${rejected.get(to) ?? 'cannot take it'}`
}

/** Which loss the moves up to this one would make worse. */
export function whyHarmful(
  view: View,
  { instance, to, changes }: Move & { readonly changes: readonly Change[] },
  now: Moment
): string | undefined {
  const harm = harmOf(view, [...changes, movedTo(instance, to)], now)
  return harm && harmSentence(harm)
}

/** That an instance is on another host. */
export const movedTo = (instance: Instance, to: string): Change => ({
  op: 'put',
  resource: { ...instance, decided: { ...instance.decided, host: to } }
})

/** Notes that a move has been made: the one host has less room, the other one more. */
export function shift(view: View, { instance, from, to, rooms }: Move & Rooms, now: Moment): void {
  for (const [name, sign] of [
    [from, -1],
    [to, 1]
  ] as const) {
    const candidate = roomOf(view, rooms, name, now)
    const capacity = candidate?.capacity
    if (!capacity) continue
    const { vcpus } = instance.decided
    const after = {
      ...capacity,
      memoryPromisedMib: capacity.memoryPromisedMib + sign * heldMib(instance.decided),
      vcpusPromised: capacity.vcpusPromised + sign * vcpus,
      scarcePromised: scarceSum(capacity.scarcePromised, scarceOf(instance.decided), sign)
    }
    rooms.set(name, { ...candidate, capacity: after })
  }
}
