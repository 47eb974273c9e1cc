/** How the memory takes it when a step is begun, was done, or failed. */
import { type Fault, sentence } from '#shared/fault.ts'
import { type InstanceMemory, type Memory, type Stop, withInstance } from './memory.ts'
import type { Moment } from './moment.ts'
import { type NoticeText, note } from './notices.ts'
import { started } from './restart.ts'
import { failedAgain } from './retry.ts'
import { keyOf, nameOf, type Step, stepFingerprint } from './steps.ts'

/**
 * A step is begun. That a domain is asked to end must be known before it can have ended: its end
 * may be seen before the answer to our question is.
 */
export function rememberBegun(memory: Memory, step: Step, now: Moment): Memory {
  const isStop = step.type === 'shutdown' || (step.type === 'destroy' && !step.crashed)
  if (!isStop) return memory
  const askedAt = memory.instances.get(step.instance.id)?.stop?.askedAt ?? now.monotonic
  const stop: Stop = { askedAt, lastAskedAt: now.monotonic, because: step.because }
  return changed(memory, step.instance.id, { stop })
}

/** A step was done. */
export function rememberDone(memory: Memory, step: Step, now: Moment): Memory {
  const retries = new Map(memory.retries)
  retries.delete(keyOf(step))
  const next = { ...memory, retries }
  switch (step.type) {
    case 'create-domain':
      return withStart(next, step, now)
    case 'resume':
      return changed(next, step.instance.id, { resumedAt: now.monotonic })
    case 'prepare-arrival':
      return changed(next, step.instance.id, { preparedFor: step.move })
    case 'reboot':
      return { ...next, rebooting: { boot: step.boot, at: now.monotonic } }
    case 'keep-images':
      return { ...next, tidied: step.tidied }
    case 'forget-instance': {
      const instances = new Map(next.instances)
      if (instances.get(step.instance.id)?.ordered !== true) instances.delete(step.instance.id)
      return { ...next, instances }
    }
    case 'remove-volume':
      return withNotice(next, now, {
        subject: step.volume.id,
        reason: 'volume-removed',
        message: `volume ${step.volume.name} was removed: ${step.because}`,
        severity: 'notice'
      })
    case 'open-pool':
    case 'fetch-image':
    case 'create-volume':
    case 'grow-volume':
    case 'apply-networks':
    case 'shutdown':
    case 'destroy':
    case 'suspend':
    case 'remove-remains':
    case 'migrate-domain':
    case 'abort-migration':
    case 'start-post-copy':
    case 'allow-standstill':
      return next
    default:
      return step satisfies never
  }
}

/** A step failed. One that was withdrawn, or whose domain has just ended, is no failure. */
export function rememberFailure(memory: Memory, step: Step, fault: Fault, now: Moment): Memory {
  if (fault.code === 'aborted') return memory
  const isStop = step.type === 'shutdown' || step.type === 'destroy'
  if (isStop && fault.code === 'not-found') return memory
  const retry = failedAgain(memory.retries.get(keyOf(step)), {
    fingerprint: stepFingerprint(step),
    code: fault.code,
    message: [sentence(fault), ...fault.reasons].join('; '),
    now: now.monotonic
  })
  const next = { ...memory, retries: new Map(memory.retries).set(keyOf(step), retry) }
  const text = noticeOf(step, fault, retry.message)
  return text === undefined ? next : withNotice(next, now, text)
}

/** An order was refused. */
export const rememberRefusal = (memory: Memory, because: string, now: Moment): Memory =>
  withNotice(memory, now, {
    subject: 'order',
    reason: 'order-refused',
    message: because,
    severity: 'warning'
  })

/** Forgets failures of steps that nobody wants any more. */
export function pruneRetries(memory: Memory, wanted: ReadonlySet<string>): Memory {
  if ([...memory.retries.keys()].every(key => wanted.has(key))) return memory
  return { ...memory, retries: new Map([...memory.retries].filter(([key]) => wanted.has(key))) }
}

function withStart(memory: Memory, step: Step & { type: 'create-domain' }, now: Moment): Memory {
  const { id } = step.plan.instance
  const last = memory.instances.get(id)
  if (last === undefined) return memory
  const { startCount } = step.plan
  const history = started(last.history, { now: now.monotonic, startCount })
  const next = withInstance(memory, { ...last, history, stop: undefined, resumedAt: undefined })
  return withNotice(next, now, {
    subject: id,
    reason: 'instance-started',
    message: `${nameOf(last.instance)} was started, start ${history.startCount}: ${step.because}`,
    severity: 'notice'
  })
}

function changed(memory: Memory, id: string, change: Partial<InstanceMemory>): Memory {
  const last = memory.instances.get(id)
  return last === undefined ? memory : withInstance(memory, { ...last, ...change })
}

function noticeOf(step: Step, fault: Fault, message: string): NoticeText | undefined {
  switch (step.type) {
    case 'fetch-image': {
      const reason = fault.code === 'corrupt' ? 'image-corrupt' : 'image-failed'
      return { subject: step.image.id, reason, message, severity: 'warning' }
    }
    case 'create-volume':
    case 'grow-volume':
    case 'remove-volume':
      return { subject: step.volume.id, reason: 'volume-failed', message, severity: 'warning' }
    case 'create-domain':
      return {
        subject: step.plan.instance.id,
        reason: 'instance-failed',
        message,
        severity: 'warning'
      }
    case 'migrate-domain':
      return { subject: step.instance.id, reason: 'send-failed', message, severity: 'warning' }
    case 'prepare-arrival':
      return { subject: step.instance.id, reason: 'instance-failed', message, severity: 'warning' }
    case 'open-pool':
      return { subject: step.pool.name, reason: 'pool-failed', message, severity: 'warning' }
    case 'apply-networks':
      return { subject: 'networks', reason: 'network-failed', message, severity: 'warning' }
    case 'reboot':
      return { subject: 'host', reason: 'reboot-failed', message, severity: 'warning' }
    case 'keep-images':
    case 'shutdown':
    case 'destroy':
    case 'suspend':
    case 'resume':
    case 'abort-migration':
    case 'start-post-copy':
    case 'allow-standstill':
    case 'forget-instance':
    case 'remove-remains':
      return undefined
    default:
      return step satisfies never
  }
}

const withNotice = (memory: Memory, now: Moment, text: NoticeText): Memory => ({
  ...memory,
  notices: note(memory.notices, text, now)
})
