import type { Host } from '#shared/model/host.ts'
import type { View } from './view.ts'

/** The host with the longest standstill of its drain, once an instance that left it has arrived. */
export function stillNoted(
  view: View,
  name: string | undefined,
  downtimeMs: number | undefined
): Host | undefined {
  const host = name === undefined ? undefined : view.named('host', name)
  const duty = host?.decided.duty
  if (!host || duty?.state !== 'draining' || downtimeMs === undefined) return undefined
  if (downtimeMs <= (duty.stillMsMax ?? -1)) return undefined
  return { ...host, decided: { ...host.decided, duty: { ...duty, stillMsMax: downtimeMs } } }
}
