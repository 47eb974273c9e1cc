import { errorCode } from './constants.ts'
import type { RemoteError } from './packet.ts'

/** libvirt's own reason for a refusal, with its code (virErrorNumber); the cause of a Fault. */
export class RefusalError extends Error {
  override readonly name = 'RefusalError'
  readonly code: number

  constructor(remote: RemoteError) {
    super(remote.message ?? `libvirt gave no reason, only code ${remote.code}`)
    this.code = remote.code
  }
}

/** libvirt's code behind something thrown, or undefined when libvirt has not refused anything. */
export function refusalCode(thrown: unknown): number | undefined {
  for (let error = thrown; error instanceof Error; error = error.cause) {
    if (error instanceof RefusalError) return error.code
  }
  return undefined
}

/**
 * Says which lock refused a start, or undefined when none did. The emulator locks each image that
 * it writes to, and libvirt has no code for its words but the one of all its own errors.
 */
export function lockBehind(thrown: Error): string | undefined {
  const { message } = thrown.cause instanceof RefusalError ? thrown.cause : thrown
  if (refusalCode(thrown) === errorCode.resourceBusy) return message
  if (!/Failed to get (shared )?"[a-z ]+" lock/.test(message)) return undefined
  const image = /Is another process using the image \[(.+)\]\?/.exec(message)?.[1]
  return `another emulator writes to ${image ?? 'one of its images'}`
}

/**
 * Whether what is left of a domain was not sent anew because its emulator has never ceased to send
 * it: libvirt itself lost sight of that. It has no code of its own for it either.
 */
export const isStillSent = (thrown: unknown): boolean =>
  thrown instanceof Error &&
  refusalCode(thrown) === errorCode.operationInvalid &&
  /migration is still running/.test(thrown.message)

/**
 * Whether a domain can never go on from where it stands, whatever libvirt is asked: the processor
 * that KVM gave it has stopped with an internal error. That has no code of its own either.
 */
export const isBeyondResuming = (thrown: unknown): boolean =>
  thrown instanceof Error &&
  refusalCode(thrown) !== undefined &&
  /Resetting the Virtual Machine is required/.test(thrown.message)
