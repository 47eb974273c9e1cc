/**
 * What a machine is given now: what the plan says, unless the version cannot be had, or has failed
 * so often in a row that the one before it is given.
 */
import { formatMs, type Ms } from '#shared/units.ts'
import {
  type BootMachine,
  type BootPlan,
  type BootProfile,
  bootFailuresMax
} from '#shared/wire/boot.ts'

/** A machine waits so long in one boot for its version, where the one before is here. Unit: ms. */
export const comingMsMax: Ms = 300_000

/** Which version a machine has been waiting for in this boot. */
export type Awaited = { readonly version: string; readonly since: Ms }

/** How a version is here: whole and rightly signed, on its way, or not to be used. */
export type VersionState =
  | {
      readonly state: 'whole'
      readonly manifestSha256: string
      /** Of the machines that it runs on. */
      readonly architecture: string
    }
  | { readonly state: 'coming' }
  | { readonly state: 'broken'; readonly because: string }

/** Says how a version is here. */
export type Versions = (version: string) => VersionState

/** What a machine is given. */
export type BootChoice = {
  readonly profile: BootProfile
  readonly name?: string
  readonly wish: string
  readonly kernelOptions?: string
} & (
  | {
      readonly gives: 'image'
      readonly version: string
      readonly manifestSha256: string
      readonly isFallback: boolean
      /** Why it is not what was wished. */
      readonly because?: string
    }
  | { readonly gives: 'disk' }
  | {
      readonly gives: 'nothing'
      readonly because: string
      /** The version that is on its way. */
      readonly awaits?: string
    }
)

/** What is known of a machine that is to be given something. */
type Given = {
  readonly plan: BootPlan | undefined
  /** Left out where nobody knows it. */
  readonly machine: BootMachine | undefined
  /** How often in a row it did not join, and with which wish; what it waits for in this boot. */
  readonly past:
    | {
        readonly wish?: string | undefined
        readonly failures: number
        readonly awaits?: Awaited | undefined
      }
    | undefined
  /** On the clock by which it waits. */
  readonly now?: Ms
  /** Its own, as far as it has said it. */
  readonly architecture?: string | undefined
  readonly versions: Versions
}

/** Chooses for one machine. One of another architecture than its version waits, and says so. */
export function choose(given: Given): BootChoice {
  const choice = chooseByPlan(given)
  const { architecture, versions } = given
  if (choice.gives !== 'image' || architecture === undefined) return choice
  const { version, name, wish, kernelOptions } = choice
  const found = versions(version)
  if (found.state !== 'whole' || found.architecture === architecture) return choice
  const because = `image version ${version} is for ${found.architecture}, and it is ${architecture}`
  const about = { wish, ...(kernelOptions !== undefined && { kernelOptions }) }
  return nothing(because, { ...about, ...(name !== undefined && { name }) })
}

function chooseByPlan(given: Given): BootChoice {
  const { plan, machine, past, now = 0, versions } = given
  if (!plan) return nothing('no controller has said yet what machines get', { wish: 'none' })
  if (!machine) {
    const { profile, version, kernelOptions } = plan.unknown
    const wish = `unknown ${version ?? 'none'}`
    const about = { wish, ...(kernelOptions !== undefined && { kernelOptions }) }
    if (profile === 'nothing') return nothing('nobody knows it: it waits to be told of', about)
    if (profile === 'disk') return { gives: 'disk', profile, ...about }
    return ofImage(profile, version, about, versions)
  }
  const { name, wish, profile, kernelOptions } = machine
  const about = { name, wish, ...(kernelOptions !== undefined && { kernelOptions }) }
  if (profile === 'nothing') return nothing('nothing is wished of it', about)
  if (profile === 'disk') return { gives: 'disk', profile, ...about }
  const failures = past?.wish === wish ? past.failures : 0
  const awaitedMs =
    past?.awaits && past.awaits.version === machine.version ? now - past.awaits.since : 0
  const fallback = fallbackOf(machine, { failures, awaitedMs, versions })
  return fallback
    ? { ...imageFrom(profile, about), isFallback: true, ...fallback }
    : ofImage(profile, machine.version, about, versions)
}

type About = Pick<BootChoice, 'name' | 'wish' | 'kernelOptions'>

const nothing = (because: string, about: About) => ({
  ...({ gives: 'nothing', profile: 'nothing', because } as const),
  ...about
})

const imageFrom = (profile: BootProfile, about: About) => ({
  ...about,
  ...({ gives: 'image', profile } as const)
})

function ofImage(
  profile: BootProfile,
  version: string | undefined,
  about: About,
  versions: Versions
): BootChoice {
  if (version === undefined) return nothing('no version of the image is set', about)
  const found = versions(version)
  switch (found.state) {
    case 'whole': {
      const { manifestSha256 } = found
      return { ...imageFrom(profile, about), version, manifestSha256, isFallback: false }
    }
    case 'coming':
      return { ...nothing(`image version ${version} is not here yet`, about), awaits: version }
    case 'broken':
      return nothing(`image version ${version} cannot be given: ${found.because}`, about)
    default:
      return found satisfies never
  }
}

/** The version before, where the wished one has failed too often, is broken or does not come. */
function fallbackOf(
  { version, fallback }: BootMachine,
  given: { readonly failures: number; readonly awaitedMs: Ms; readonly versions: Versions }
):
  | { readonly version: string; readonly manifestSha256: string; readonly because: string }
  | undefined {
  if (version === undefined || fallback === undefined) return undefined
  const { failures, awaitedMs, versions } = given
  const before = versions(fallback)
  if (before.state !== 'whole') return undefined
  const wished = versions(version)
  const because =
    failures >= bootFailuresMax
      ? `it did not join with image version ${version}, ${failures} times in a row`
      : wished.state === 'broken'
        ? `image version ${version} cannot be given: ${wished.because}`
        : wished.state === 'coming' && awaitedMs >= comingMsMax
          ? `image ${version} is not here after ${formatMs(comingMsMax)}: gets ${fallback}`
          : undefined
  if (because === undefined) return undefined
  return { version: fallback, manifestSha256: before.manifestSha256, because }
}
