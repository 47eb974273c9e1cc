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
