import test from 'ava'
import { Fault, sentence } from '#shared/fault.ts'

const cause = new Error('disk full')
for (const [title, thrown, said] of [
  [
    'names its cause in brackets',
    new Fault('storage', 'cannot write', { cause }),
    'cannot write (disk full)'
  ],
  [
    'does not repeat a cause that it names',
    new Fault('storage', 'no: disk full', { cause }),
    'no: disk full'
  ],
  ['may be no error at all', 'oops', 'oops']
] as const) {
  test(`what was thrown ${title}`, t => t.is(sentence(thrown), said))
}
