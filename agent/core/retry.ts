/**
 * Failing steps are tried again for ever, each time later. A failure belongs to a step as it was:
 * once the step would be another one (a new size, another image), it is tried at once.
 */
import type { FaultCode } from '#shared/fault.ts'
import { formatMs, type Ms } from '#shared/units.ts'

/** A failure that a step waits after. */
export type Retry = {
  /** Fingerprint of the step that failed. */
  readonly fingerprint: string
  readonly failures: number
  readonly nextAt: Ms
  readonly code: FaultCode
  /** The sentence of the last failure. */
  readonly message: string
}

/** The wait after a first failure. Unit: ms. */
const retryMsMin = 500
/** The longest wait. Unit: ms. */
export const retryMsMax = 30_000

/** A step has failed, again or for the first time. */
export function failedAgain(
  last: Retry | undefined,
  failure: {
    readonly fingerprint: string
    readonly code: FaultCode
    readonly message: string
    readonly now: Ms
  }
): Retry {
  const isSame = last?.fingerprint === failure.fingerprint
  // Until then somebody else was about it, and nothing was tried in vain.
  const isFirst = last?.code === 'conflict' && failure.code !== 'conflict'
  const failures = isSame && !isFirst ? last.failures + 1 : 1
  const waitMs = Math.min(retryMsMax, retryMsMin * 2 ** Math.min(failures - 1, 30))
  return {
    fingerprint: failure.fingerprint,
    failures,
    nextAt: failure.now + waitMs,
    code: failure.code,
    message: failure.message
  }
}

/** The sentence of a failure, with when it is tried again. */
export const retrySentence = (retry: Retry, now: Ms): string =>
  `${retry.message}; try ${retry.failures + 1} in ${formatMs(Math.max(0, retry.nextAt - now))}`
