import { newId } from '#shared/ids.ts'
import type { Context } from '../../core/admission/context.ts'
import type { Commit } from '../../core/commit.ts'
import { isRefusal, type Refusal } from '../../core/refusal.ts'
import type { View } from '../../core/view.ts'
import { faultIn } from '../refusal-fault.ts'
import type { Call, Reply } from './route.ts'
import type { Service } from './service.ts'

/** Judges, records if there is anything to, and answers how it is then. */
export async function record(
  service: Service,
  call: Call,
  given: {
    readonly judge: (view: View, context: Context) => Commit | Refusal
    readonly shown: (service: Service) => Reply | Promise<Reply>
  }
): Promise<Reply> {
  const { reign } = service
  const context = { by: `user/${call.caller.name}`, now: reign.now(), newId }
  const commit = given.judge(reign.view, context)
  if (isRefusal(commit)) throw faultIn(reign, commit)
  const changed = commit.changes.length > 0
  if (changed) await reign.record(commit)
  const reply = await service.ledger.settled(() => given.shown(service))
  return { ...reply, headers: { 'remuda-changed': String(changed) } }
}
