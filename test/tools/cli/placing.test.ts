/** What an instance asks of where it is, as it is typed. */
import test from 'ava'
import { readAffinity, readDevice } from '../../../tools/cli/run/placing.ts'

test('groups are read with their level, their number and how hard they are', t => {
  t.deepEqual(readAffinity('apart', 'web'), { group: 'web', rule: 'apart' })
  t.deepEqual(readAffinity('apart', '~web@rack:2'), {
    ...{ group: 'web', rule: 'apart', level: 'rack', hard: false, max: 2 }
  })
  t.throws(() => readAffinity('with', 'web@rack:2'), { message: /cannot read the group/ })
})

test('devices are read with how many, one where nothing is said', t => {
  t.deepEqual(readDevice('gpu'), { kind: 'gpu', count: 1 })
  t.deepEqual(readDevice('virtual-function:16'), { kind: 'virtual-function', count: 16 })
  for (const text of ['', 'screen', 'gpu:0', 'gpu:', 'gpu:x', 'gpu:2:3', ':2']) {
    t.throws(() => readDevice(text), { message: /cannot read the device/ }, text)
  }
})
