/**
 * Hosts that wait to be approved, and may come in by themselves after all: somebody expects them
 * now, or a policy lets unknown machines in. A machine that waits was never dialled, and nobody
 * vouches for what it says of itself: besides by its UUID it is known by what bootds have seen.
 *
 * Whoever was removed waits for an operator, whatever is expected.
 */
import { ownSerial, ownUuid } from '#shared/hardware-names.ts'
import type { Host } from '#shared/model/host.ts'
import type { View } from '../view.ts'
import type { ExpectedMachine } from './settings.ts'

/** Whether a host waits and was never removed: only such a one may be let in by itself. */
export function mayComeIn({ cloud }: View, { decided }: Host): boolean {
  const { approval, uuid, publicKey, deletedAt } = decided
  if (approval !== 'pending' || deletedAt !== undefined) return false
  const out = cloud?.hostsOut ?? []
  return !out.some(one => one.uuid === uuid || one.publicKey === publicKey)
}

/**
 * Whether a host is the machine that is meant: by its UUID, else by its serial number or a MAC. One
 * whose UUID is another is another machine, unless makers leave that UUID in all their boards.
 */
export function isMachine(
  view: View,
  host: Host,
  { uuid, serial, macs }: Omit<ExpectedMachine, 'name'>
): boolean {
  if (uuid === host.decided.uuid) return true
  if (ownUuid(uuid) !== undefined) return false
  const seen = view.boots.of(host.decided.uuid)
  const own = ownSerial(serial)
  if (own !== undefined && own === ownSerial(seen?.serial)) return true
  return macs.some(mac => seen?.macs.includes(mac))
}

/** Which expected machine each host is that waits, by the host's id; each is one host's alone. */
export function expectedHosts(view: View): ReadonlyMap<string, ExpectedMachine> {
  const expected = view.cloud?.boot?.expected ?? []
  const found = new Map<string, ExpectedMachine>()
  if (expected.length === 0) return found
  const waiting = [...view.all('host').values()].filter(host => mayComeIn(view, host))
  for (const machine of expected) {
    const host = waiting.find(one => !found.has(one.id) && isMachine(view, one, machine))
    if (host) found.set(host.id, machine)
  }
  return found
}
