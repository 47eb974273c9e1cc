import test from 'ava'
import { answerMsMax } from '../../../controller/io/passing.ts'

const json = { 'content-type': 'application/json' }

for (const [title, headers, expected] of [
  ['an answer is waited for as long as a session lasts, and a connection takes', json, 6_000],
  ['who asks to wait longer is waited for longer', { ...json, prefer: 'wait=30' }, 36_000],
  ['nobody is waited for without end', { ...json, prefer: 'wait=99999' }, 310_000],
  ['an upload takes its time', { 'content-type': 'application/octet-stream' }, 310_000]
] as const) {
  test(title, t => {
    t.is(answerMsMax(headers, { sessionMs: 4_000, uploadMsMax: 310_000 }), expected)
  })
}
