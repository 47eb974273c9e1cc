/** What the system on a booted machine is told of how to join. */

import type { BootMachine } from '#shared/wire/boot.ts'
import { peerKeyOf } from '#shared/wire/boot-secret.ts'
import { type JoinTokenContent, writeJoinToken } from '#shared/wire/join-token.ts'
import { machineBooted, type PlanIndex } from './boot-plan.ts'
import type { MachineBoot } from './boot-progress.ts'
import { peerPort } from './peers.ts'

/** Shown at the door by who has no secret: it opens nothing, so the host waits for approval. */
export const noSecret = 'it-waits-to-be-approved'

/** Says who the machine is, and with which token its agent asks to be let in. */
export function joinAnswer(
  index: PlanIndex | undefined,
  boot: MachineBoot
): Readonly<Record<string, unknown>> {
  const { profile, version, name } = boot
  const machine = index && machineBooted(index, boot)
  const uuid = boot.uuid ?? machine?.uuid
  const secret = profile === 'host' && index ? (secretFor(index, machine) ?? noSecret) : undefined
  const { door, peers } = index?.plan ?? {}
  const content: JoinTokenContent | undefined =
    door && secret !== undefined ? { ...door, secret } : undefined
  return {
    ...(name !== undefined && { name }),
    ...(uuid !== undefined && { uuid }),
    ...{ profile, version },
    ...(content && { token: writeJoinToken(content) }),
    ...(peers && profile === 'host' && { peer: peerOf(peers.key, boot) }),
    sshKeys: index?.plan.sshKeys ?? []
  }
}

/** By what it serves its image to others once it has joined. */
const peerOf = (peersKey: string, { boot }: MachineBoot) => ({
  ...{ key: peerKeyOf(peersKey, boot), port: peerPort }
})

/** The secret that is good for this machine as the plan is now; undefined: it has to wait. */
export const secretFor = (
  { plan }: PlanIndex,
  machine: BootMachine | undefined
): string | undefined => (machine ? machine.secret : plan.unknown.secret)
