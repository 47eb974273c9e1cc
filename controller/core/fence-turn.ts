/**
 * Whose turn it is to prove a host off. Its levels are tried in order, and bootd goes on to the
 * next by itself where one fails. But one that says *off* while the host is seen to write to shared
 * storage has not failed for bootd: it has lied to it. Then those after it get their turn, under
 * another id, since what was said under the one before is not believed. After the last one there
 * is nobody left to ask, and its turn lasts. Where an operator's word was contradicted (level 0),
 * all of them get a turn.
 *
 * A word that was contradicted comes back by itself once at most: that of a device, where the
 * storage alone spoke against it and shows for long that nothing is written any more.
 */
import type { Host, HostRecovery } from '#shared/model/host.ts'

/** What is asked of bootd: under which id, and from which level on, which counts from 1. */
export type FenceTurn = { readonly fence: string; readonly from: number }

/** The turn of a host that is being fenced, or was. */
export function fenceTurnOf({ spec }: Host, { id, contradicted }: HostRecovery): FenceTurn {
  const levels = spec.fence?.length ?? 0
  const from = contradicted ? Math.max(1, Math.min(contradicted.level + 1, levels)) : 1
  const isFirst = from === 1 && contradicted?.level !== 0
  return { fence: isFirst ? id : `${id}-${from}`, from }
}

/** Whether the word that was contradicted is that of the present turn: nobody is left to ask. */
export function isTurnContradicted(host: Host, recovery: HostRecovery): boolean {
  const { contradicted } = recovery
  if (!contradicted) return false
  if (contradicted.fence === fenceTurnOf(host, recovery).fence) return true
  // The last level has lied after an operator erred: under another id it says no more than before.
  return contradicted.level > 0 && contradicted.level >= (host.spec.fence?.length ?? 0)
}

/** Whether no silence, however long, brings back the word that was contradicted. */
export const isLasting = ({ by, spoke, again }: NonNullable<HostRecovery['contradicted']>) =>
  by === 'operator' || spoke === true || again === true
