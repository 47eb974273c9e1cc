/**
 * How this host comes into a cloud and stays in it: begun as soon as it is known which host this
 * is, so that it is seen there also where all else that an agent looks at takes long.
 */
import type { Clock } from '#shared/clock.ts'
import type { Log } from '#shared/log.ts'
import type { HostClaims } from '#shared/model/host-claims.ts'
import type { HostFacts } from '#shared/model/host-facts.ts'
import type { AnsweringEnd } from '#shared/wire/answering-end.ts'
import type { SignedBootstrap } from '#shared/wire/bootstrap.ts'
import type { Sender } from '#shared/wire/frame.ts'
import type { CurveKeys } from '#shared/wire/keys.ts'
import { claimsOf } from '../core/claims.ts'
import { reachableEndpoint } from './address.ts'
import type { Admission } from './admission.ts'
import type { AgentConfig } from './config.ts'
import { stayAdmitted } from './door.ts'
import type { HostNames } from './hardware.ts'
import { Introduction } from './introduction.ts'
import { Trust } from './trust.ts'

/** A controller that was silent for so long may have another door by now. Unit: ms. */
const quietMs = 10_000

type Joining = HostNames & {
  readonly admissionFile: string
  readonly sender: Sender
  readonly keys: CurveKeys
  /** Where controllers dial this host, once it listens. */
  readonly mesh: Promise<AnsweringEnd>
  readonly trust: Trust
  /** What is known of the machine by now. */
  readonly claims: () => HostClaims | undefined
  readonly clock: Clock
  readonly log: Log
}

/** Sees to it that a controller lets this host in, and finds it again. */
async function joinIn(config: AgentConfig, given: Joining, signal: AbortSignal): Promise<void> {
  const { trust, sender, keys, uuid, hostname, clock, log } = given
  let mesh: AnsweringEnd | undefined
  const listens = given.mesh.then(end => {
    mesh = end
  })
  // A port that the kernel chooses is known only then.
  if (config.port === 0) await listens
  const introduction = new Introduction(config, log, () => trust.doors)
  await introduction.refresh()
  const join = () => {
    const claims = given.claims()
    return {
      type: 'join' as const,
      uuid,
      hostname,
      publicKey: keys.publicKey,
      endpoint: reachableEndpoint(mesh?.endpoint ?? `tcp://${config.address}:${config.port}`),
      bootstrapVersion: trust.version,
      ...(introduction.token !== undefined && { token: introduction.token }),
      ...(claims && { claims })
    }
  }
  const isNeeded = (): boolean => clock.monotonic() - (mesh?.heardAt ?? -Infinity) > quietMs
  const stay = {
    path: given.admissionFile,
    doors: introduction.doors,
    keys,
    sender,
    join,
    heardAt: () => mesh?.heardAt,
    cloudKey: () => trust.cloudKey ?? introduction.cloudKey,
    admitted: async (admission: Admission, bootstrap?: SignedBootstrap) => {
      await trust.admitted(admission, bootstrap)
      await introduction.spent()
    },
    clock,
    log
  }
  await Promise.all([
    introduction.keepFresh({ clock, isNeeded }, signal),
    stayAdmitted(stay, signal)
  ])
}

/**
 * Has this host knock while all else is looked at, which takes seconds where libvirt is slow. What
 * it gives is told once the agent listens, and ends when the signal aborts.
 */
export async function beginToJoin(
  config: AgentConfig,
  given: Omit<Joining, 'mesh' | 'trust' | 'claims' | keyof HostNames> & {
    readonly bootstrapFile: string
    readonly hardware: { readonly names: () => Promise<HostNames> }
  },
  signal: AbortSignal
) {
  const { hardware, log } = given
  const names = await hardware.names()
  const { uuid: host, hostname } = names
  const trust = await Trust.open({ ...given, host, log })
  const { promise: mesh, resolve } = Promise.withResolvers<AnsweringEnd>()
  let claims: HostClaims | undefined
  const known = { ...given, ...names, mesh, trust, claims: () => claims }
  const joining = joinIn(config, known, signal)
  // Whoever waits for it is told why it has ended.
  joining.catch(() => {})
  const listens = async (end: AnsweringEnd): Promise<void> => {
    trust.onChanged(publicKeys => end.admit(publicKeys))
    // It may have been let in meanwhile.
    await end.admit(trust.keys)
    resolve(end)
  }
  /** Whoever decides on it is told what the machine is; until then it knocks without. */
  const looked = (facts: HostFacts): void => {
    claims = claimsOf(facts)
  }
  return { host, hostname, trust, joining, listens, looked }
}
