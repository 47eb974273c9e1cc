import test from 'ava'
import { bmcAddresses } from '#shared/bmc-range.ts'

test('a range is asked without its first and last address, and none that is too large', t => {
  t.deepEqual(bmcAddresses('10.0.5.0/30'), ['10.0.5.1', '10.0.5.2'])
  t.deepEqual(bmcAddresses('10.0.5.8/31'), ['10.0.5.8', '10.0.5.9'])
  t.deepEqual(bmcAddresses('10.0.5.7'), ['10.0.5.7'])
  t.is(bmcAddresses('10.0.0.0/20').length, 4_094)
  t.regex(String(bmcAddresses('10.0.0.0/19')), /has 8192 addresses, and at most 4096 are asked/)
  for (const range of ['', '10.0.5.1/24', '10.0.5.0/33', 'x/24', '::1/128']) {
    t.regex(String(bmcAddresses(range)), /is no range/, range)
  }
})
