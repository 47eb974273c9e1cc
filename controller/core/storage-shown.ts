/** What is shown of a host's heartbeats on shared storage. */
import type { Host } from '#shared/model/host.ts'
import type { Condition } from '#shared/model/index.ts'
import { formatMs, type Ms } from '#shared/units.ts'
import type { ReportStorage } from '#shared/wire/storage.ts'
import { listed } from './refusal.ts'
import { condition } from './shown.ts'
import { lifeSentence, lifeSignOf } from './storage-witness.ts'
import type { View } from './view.ts'

/** Whether a host writes to its shared pools, by its own word or by what others see. */
export function writesToStorage(view: View, host: Host, now: Ms): readonly Condition[] {
  const life = lifeSignOf(view, host, now)
  if (life) {
    const message = `it is not heard, but ${lifeSentence(life)}`
    return [condition('storage-heartbeat', true, { reason: 'not-heard', message })]
  }
  const said = view.heard(host.name).report?.storage ?? []
  if (said.length === 0 || host.decided.recovery) return []
  const silence = storageSilenceOf(said)
  if (silence) {
    return [condition('storage-heartbeat', false, { reason: 'silent', message: silence.because })]
  }
  const pools = listed(said.map(({ pool }) => pool))
  const message = `writes to pool ${pools}${seenWords(view, host, now)}`
  return [condition('storage-heartbeat', true, { reason: 'writes', message })]
}

function seenWords(view: View, host: Host, now: Ms): string {
  const words = view.witnesses.storage
    .of(host.decided.uuid)
    .filter(word => word.writtenAfter !== undefined && word.bootId === host.decided.bootId)
  if (words.length === 0) return ''
  const newest = Math.max(...words.map(({ writtenAfter = 0 }) => writtenAfter))
  const by = [...new Set(words.map(word => word.by))]
  return `, as ${listed(by)} saw within ${formatMs(Math.max(0, now - newest))}`
}

/** A host that is heard, and whose writes do not get to pools that it shares. */
export type StorageSilence = { readonly pools: string; readonly because: string }

/** Which pools those are, and why; undefined: there are none. */
export function storageSilenceOf(said: readonly ReportStorage[]): StorageSilence | undefined {
  const silent = said.filter(({ fault }) => fault !== undefined)
  if (silent.length === 0) return undefined
  const because = silent.map(({ pool, fault }) => `pool ${pool}: ${fault}`).join('; ')
  return { pools: listed(silent.map(({ pool }) => pool)), because }
}
