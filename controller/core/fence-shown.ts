/** What the devices of one host read, and what would be done with them if it died. */

import { courtesyName, deviceName, type FenceLevels } from '#shared/model/fence.ts'
import type { Host } from '#shared/model/host.ts'
import { formatMs, type Ms } from '#shared/units.ts'
import type { FenceLook } from '#shared/wire/bootd-question.ts'
import type { FenceState, Power } from '#shared/wire/fence.ts'
import { type FenceReadiness, fenceReadiness, ownEnd } from './fence-readiness.ts'
import { canExpire } from './self-fence.ts'
import type { View } from './view.ts'

/** A device, and how it was found last. */
export type DeviceShown = {
  readonly level: number
  readonly name: string
  readonly power: Power
  /** Left out: it was not asked yet. */
  readonly reachable?: boolean
  readonly since?: string
  readonly because?: string
  /** When it was asked last; left out: nobody had the devices asked for this. */
  readonly askedAt?: string
}

/** What came of having the devices asked now. */
export type DevicesAsked = {
  /** Whether all were asked now, and have answered or failed to. */
  readonly isNow: boolean
  readonly because: string
  /** Left out: no bootd has answered. */
  readonly look?: FenceLook
}

/** What is shown of the fence of a host. */
export type FenceShown = FenceReadiness & {
  readonly host: string
  /** Left out: nobody had the devices asked for this. */
  readonly asked?: Omit<DevicesAsked, 'look'>
  readonly devices: readonly DeviceShown[]
  /** What would be done, a sentence each. */
  readonly plan: readonly string[]
  /** What bootd does at the moment; left out: it only watches. */
  readonly underway?: {
    readonly want: string
    readonly phase: string
    readonly attempt: number
    readonly level: number
    readonly story: readonly string[]
  }
  readonly test?: { readonly step: string; readonly since: string; readonly by: string }
  readonly tested?: { readonly at: string; readonly passed: boolean; readonly because: string }
}

/** Puts it together out of the wish and what bootd said last. */
export function fenceShown(view: View, host: Host, asked?: DevicesAsked): FenceShown {
  const levels = host.spec.fence ?? []
  const state = view.fence(host.name)
  const { look, ...words } = asked ?? {}
  const { fenceTest, fenceTested } = host.decided
  return {
    host: host.name,
    ...fenceReadiness(view, host),
    ...(asked && { asked: words as Omit<DevicesAsked, 'look'> }),
    devices: devicesOf(
      levels,
      look?.devices.map(({ isNow: _, ...device }) => device) ?? state?.devices
    ),
    plan: planOf(view, host, levels),
    ...(state && state.want !== 'watch' && { underway: underwayOf(state) }),
    ...(fenceTest && { test: { step: fenceTest.step, since: fenceTest.since, by: fenceTest.by } }),
    ...(fenceTested && { tested: fenceTested })
  }
}

/** Says what came of asking: of the answers of all bootds, or why there is none. */
export function devicesAsked(
  view: View,
  { name }: Host,
  said: {
    readonly looks: readonly (FenceLook & { readonly bootd: string })[]
    readonly problems: readonly string[]
    readonly now: Ms
  }
): DevicesAsked {
  const { looks, problems, now } = said
  // One that was used before may still know what it was told then.
  const look = looks.toSorted((a, b) => b.epoch - a.epoch)[0]
  if (!look) {
    const why = problems.length === 0 ? 'no bootd is heard' : problems.join('; ')
    const at = view.fenceSaidAt(name)?.monotonic
    const last = at === undefined ? 'nothing is known of them' : `said ${formatMs(now - at)} ago`
    return { isNow: false, because: `not asked now: ${why}; ${last}` }
  }
  const { bootd, ...rest } = look
  const late = rest.devices.filter(({ isNow }) => !isNow).map(device => device.name)
  const because =
    late.length === 0
      ? `bootd of ${bootd} has asked them now`
      : `no answer to bootd of ${bootd} yet from ${late.join(' and ')}: shown as it was last`
  return { isNow: late.length === 0, because, look: rest }
}

/** Those that are wished now; bootd may still speak of others. */
const devicesOf = (
  levels: FenceLevels,
  said: readonly DeviceShown[] = []
): readonly DeviceShown[] =>
  levels.flatMap(({ devices }, index) =>
    devices.map(device => {
      const [level, name] = [index + 1, deviceName(device)]
      const found = said.find(one => one.level === level && one.name === name)
      return found ? { ...found } : { level, name, power: 'unknown' as const }
    })
  )

const underwayOf = ({ want, phase, attempt, level, story, courtesy }: FenceState) => ({
  ...{ want, phase, attempt, level },
  story: [...(courtesy === undefined ? [] : [courtesy]), ...story]
})

const onLies =
  'where one says off and the host is seen to write to shared storage, those after it are tried'

function planOf(view: View, host: Host, levels: FenceLevels): readonly string[] {
  const { name, spec } = host
  const own = canExpire(view, host) ? [ownEnd(host)] : []
  if (levels.length === 0) {
    if (own.length > 0) return own
    return [`nothing can prove it off: an operator must say so, remuda host confirm-off ${name}`]
  }
  const steps = levels.map(({ devices }, index) => {
    const names = devices.map(deviceName).join(' and ')
    const when = index === 0 ? '' : `where level ${index} proves nothing, `
    const each = devices.length > 1 ? 'each has' : 'it has'
    const done = `cuts the power, and is read until ${each} read off twice`
    return `level ${index + 1}: ${when}${names} ${done}`
  })
  const { courtesy } = spec
  const asked = courtesy
    ? [`meanwhile ${courtesyName(courtesy)} is asked to power off by itself, which proves nothing`]
    : []
  const end =
    spec.afterFence === 'off'
      ? 'then its instances start elsewhere, and it stays off (afterFence: off)'
      : 'then its instances start elsewhere, and it is switched on again'
  return [
    ...steps,
    ...asked,
    ...own,
    end,
    'where no level proves it, all are tried again, later each time',
    ...(levels.length > 1 ? [onLies] : [])
  ]
}
