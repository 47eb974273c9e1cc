import { UsageFault } from '../failure.ts'
import type { Invocation } from '../invocation.ts'
import { writeReference } from '../kinds.ts'
import { renderRaw } from '../output/results.ts'
import { valueAt, writeValue } from '../output/values.ts'
import { type Judge, judgeGone, waitMsDefault, waitUntil } from './settle.ts'
import { readSubject } from './subject.ts'

/** Waits until a resource is in some state. */
export async function waitFor(invocation: Invocation): Promise<void> {
  const { given } = invocation
  const reference = readSubject(invocation, given.positional('KIND/NAME')!)
  const expected = given.text('for') ?? 'condition=ready'
  const judge = readExpectation(expected)
  const document = await waitUntil(invocation, reference, {
    judge,
    timeoutMs: given.number('timeout') ?? waitMsDefault,
    expected: expected === 'deleted' ? 'deleted' : `with ${expected}`
  })
  const raw = document && (await renderRaw(invocation, document))
  if (raw !== undefined) return invocation.write(raw)
  const met = invocation.settings.format === 'name' ? '' : ` ${expected}`
  invocation.write(`${writeReference(reference)}${met}\n`)
}

/** Reads what --for says into a judgement. */
function readExpectation(text: string): Judge {
  if (text === 'deleted') return judgeGone
  const [, field, value] = /^([\w./-]+)=(.*)$/.exec(text) ?? []
  if (field === undefined || value === undefined) {
    throw new UsageFault(`cannot wait for "${text}"`, {
      reasons: ['it is condition=TYPE, condition=TYPE=false, phase=PHASE, FIELD=VALUE or deleted'],
      next: ['write for example --for phase=running']
    })
  }
  if (field === 'condition') {
    const [type = '', status = 'true'] = value.split('=')
    return judgeValue(`conditions.${type}`, status)
  }
  return judgeValue(field === 'phase' ? 'status.phase' : field, value)
}

const judgeValue =
  (path: string, wanted: string): Judge =>
  document => {
    if (document === undefined)
      return { state: 'failed', because: 'it is gone, or never was', code: 'not-found' }
    const found = valueAt(document, path)
    if (found !== undefined && String(found) === wanted) return { state: 'there' }
    const type = /^conditions\.(.+)$/.exec(path)?.[1]
    const condition = document.conditions.find(one => one.type === type)
    const shown = condition?.message ?? writeValue(found, 'text', 0)
    return { state: 'underway', because: `${path} is ${shown || 'not set'}` }
  }
