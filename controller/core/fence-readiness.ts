/**
 * Whether a host could be proven off if it died now. A device that is dead is to be known before it
 * is needed: many a baseboard controller is found to be silent in the night in which it counts.
 */
import { secretsOfHost } from '#shared/model/fence.ts'
import type { Host, WrongDevice } from '#shared/model/host.ts'
import { formatMs } from '#shared/units.ts'
import type { FenceState } from '#shared/wire/fence.ts'
import { wrongDevicesOf } from './device-words.ts'
import { canExpire, endedByItselfMs } from './self-fence.ts'
import type { View } from './view.ts'

/**
 * `ready`: all its devices answer; `self-fence`: it has none, but its watchdog ends it; `alone`:
 * it has none and needs none, since there is no other host on which anything could start;
 * `degraded`: a device is silent or wrong, and a level without it, or the watchdog, is left; or an
 * outlet is dark beside one that is on, so that the host can be fenced and has lost a supply;
 * `not-asked`: no bootd has said anything of them yet; all others: nothing could prove it off now.
 * `device-wrong`: it reads *off*, or nothing, of a host that is heard.
 */
export type FenceReadiness = {
  readonly state:
    | 'ready'
    | 'self-fence'
    | 'alone'
    | 'degraded'
    | 'not-asked'
    | 'no-device'
    | 'no-secret'
    | 'device-silent'
    | 'device-wrong'
  /** Sentence part about what is the matter. */
  readonly because: string
  /** What an operator may do; left out: nothing need be done. */
  readonly next?: string
}

/** Judges the devices of one host by what bootd said of them last. */
export function fenceReadiness(view: View, host: Host): FenceReadiness {
  const { name } = host
  const levels = host.spec.fence ?? []
  if (levels.length === 0 && canExpire(view, host)) {
    return { state: 'self-fence', because: `it has no fence device, but ${ownEnd(host)}` }
  }
  if (levels.length === 0 && view.all('host').size === 1) {
    return { state: 'alone', because: 'it is the only host: what runs here starts nowhere else' }
  }
  if (levels.length === 0) {
    const because = 'it has no fence device: if it dies, an operator must say that it is off'
    return { state: 'no-device', because, next: `remuda host fence set ${name} --help` }
  }
  const unknown = secretsOfHost(host.spec).filter(secret => !view.secrets().has(secret))
  if (unknown.length > 0) {
    const because = `its devices need a secret that is not there: ${unknown.join(', ')}`
    return { state: 'no-secret', because, next: `remuda secret set ${unknown[0]}` }
  }
  const state = view.fence(name)
  if (!state) {
    return { state: 'not-asked', because: 'no bootd has said anything of its devices yet' }
  }
  const wrong = wrongDevicesOf(view, host)
  const silent = state.devices.filter(({ reachable }) => reachable === false)
  const dark = darkOutletsOf(view, host)
  if (silent.length + wrong.length === 0 && dark !== undefined) {
    const next = `remuda power on ${name}`
    return { state: 'degraded', because: `a supply of it is dark: ${dark}`, next }
  }
  if (silent.length === 0 && wrong.length === 0) {
    const isAsked = state.devices.some(({ reachable }) => reachable === true)
    if (!isAsked) return { state: 'not-asked', because: 'its devices have not answered yet' }
    const readings = state.devices.map(device => `${device.name} reads ${device.power}`)
    return { state: 'ready', because: readings.join(', ') }
  }
  const because = [
    ...silent.map(device => `${device.name}: ${device.because ?? 'no answer'}`),
    ...wrong.map(device => `${device.name} ${device.because}`)
  ].join('; ')
  const next = wrong.length > 0 ? nextOfWrong(host) : `remuda host fence test ${name}`
  const level = levelLeft(state, wrong)
  const own = canExpire(view, host) ? ownEnd(host) : undefined
  const left = level === undefined ? own : `level ${level} is left`
  if (left !== undefined) return { state: 'degraded', because: `${because}; ${left}`, next }
  return { state: wrong.length > 0 ? 'device-wrong' : 'device-silent', because, next }
}

/** Outlets that are not on beside others that are, as bootd saw them last; undefined: none. */
export function darkOutletsOf(view: View, { name }: Host): string | undefined {
  const devices = view.fence(name)?.devices ?? []
  const dark = devices.filter(({ reachable, because }) => reachable === true && because)
  return dark.length === 0 ? undefined : dark.map(({ because }) => because).join('; ')
}

const nextOfWrong = ({ name }: Host): string =>
  `see which machine it switches, then: remuda host fence set ${name} --help`

/** What a host does to itself when it has had no lease for too long. */
export function ownEnd({ decided: { selfFence } }: Host): string {
  const endsMs = selfFence ? endedByItselfMs(selfFence) : 0
  return `its own watchdog ends it ${formatMs(endsMs)} after its last lease`
}

/** The first level of which every device answers, and none is wrong. */
function levelLeft({ devices }: FenceState, wrong: readonly WrongDevice[]): number | undefined {
  const levels = [...new Set(devices.map(({ level }) => level))].sort((a, b) => a - b)
  return levels.find(
    level =>
      devices.every(device => device.level !== level || device.reachable !== false) &&
      wrong.every(device => device.level !== level)
  )
}
