/** What an instance asks of where it is, as options say it. */
import { deviceKinds } from '#shared/model/host-facts.ts'
import { UsageFault } from '../failure.ts'
import type { Invocation } from '../invocation.ts'

type AffinityWish = {
  readonly group: string
  readonly rule: 'apart' | 'with'
  readonly level?: string
  readonly hard?: boolean
  readonly max?: number
}

/** The groups and devices that were given; what was not is left out. */
export function placingOf({ given }: Pick<Invocation, 'given'>): Record<string, unknown> {
  const affinity = [
    ...given.texts('apart').map(text => readAffinity('apart', text)),
    ...given.texts('with').map(text => readAffinity('with', text))
  ]
  return { ...(affinity.length > 0 && { affinity }), ...devicesOf({ given }) }
}

/** The devices that were given; left out: none were. */
export function devicesOf({ given }: Pick<Invocation, 'given'>): Record<string, unknown> {
  const devices = given.texts('device').map(readDevice)
  return devices.length > 0 ? { devices } : {}
}

/** Reads `gpu`, or `gpu:2`. */
export function readDevice(text: string): { readonly kind: string; readonly count: number } {
  const [, kind, count = '1'] = /^([a-z-]+)(?::([1-9]\d{0,3}))?$/.exec(text) ?? []
  if (deviceKinds.some(known => known === kind)) return { kind: kind!, count: Number(count) }
  throw new UsageFault(`cannot read the device "${text}" of --device`, {
    next: [`write one of ${deviceKinds.join(', ')}`, '--device gpu:2 for two of them']
  })
}

/** Reads `web`, `web@rack`, `web@rack:2`, and each with `~` before it for a soft one. */
export function readAffinity(rule: 'apart' | 'with', text: string): AffinityWish {
  const [, soft, group, level, max] = /^(~?)([^@:~]+)(?:@([^:]+))?(?::(\d{1,4}))?$/.exec(text) ?? []
  if (group === undefined || (max !== undefined && rule === 'with')) {
    throw new UsageFault(`cannot read the group "${text}" of --${rule}`, {
      next: [
        `write --${rule} web, or --${rule} web@rack`,
        ...(rule === 'apart' ? ['--apart web@rack:2 for at most two on one rack'] : []),
        `--${rule} ~web: only as far as there is room`
      ]
    })
  }
  return {
    group,
    rule,
    ...(level !== undefined && { level }),
    ...(soft === '~' && { hard: false }),
    ...(max !== undefined && { max: Number(max) })
  }
}
