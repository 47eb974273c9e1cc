import test from 'ava'
import { clockRateError, makeLease, reportMsMax } from '#shared/zookeeper/lease.ts'

const timeoutMs = 6_000
const length = timeoutMs * (1 - 2 * clockRateError)

test('no lease is held until it was confirmed', t => {
  const lease = makeLease(timeoutMs)
  lease.connected(1_000)
  lease.answered(2_000)
  t.is(lease.until(), undefined)
})

test('right after connecting the lease counts from there', t => {
  const lease = makeLease(timeoutMs)
  lease.connected(1_000)
  lease.confirmed(1_100)
  t.is(lease.until(), 1_000 + length)
})

test('the lease counts from the last request that the leader must have heard of', t => {
  const lease = makeLease(timeoutMs)
  lease.connected(0)
  for (const at of [1_000, 2_000, 2_900]) lease.answered(at)
  lease.confirmed(3_000)
  t.is(lease.until(), 2_000 + length, `2900 is not ${reportMsMax} ms before 3000`)
})

test('under load the lease lags by no more than a report', t => {
  const lease = makeLease(timeoutMs)
  lease.connected(0)
  for (let at = 0; at <= 10_000; at++) {
    lease.answered(at)
    lease.confirmed(at)
  }
  t.true(lease.until()! >= 10_000 - reportMsMax - 20 + length)
  t.true(lease.until()! <= 10_000 - reportMsMax + length)
})

test('what another server has answered counts for nothing', t => {
  const lease = makeLease(timeoutMs)
  lease.connected(0)
  lease.answered(1_000)
  lease.connected(900)
  lease.confirmed(3_000)
  t.is(lease.until(), 900 + length)
})

test('a lease never grows shorter', t => {
  const lease = makeLease(timeoutMs)
  lease.connected(1_000)
  lease.confirmed(1_000)
  lease.connected(500)
  lease.confirmed(1_100)
  t.is(lease.until(), 1_000 + length)
})
