import test from 'ava'
import type { Fault } from '#shared/fault.ts'
import { readConfig } from '../../bootd/io/config.ts'

test('a lease lasts at least as long as a first stage fetches its image', async t => {
  const read = (seconds: number) =>
    readConfig(['--state', '/nowhere', '--boot-lease-s', String(seconds)], {})
  t.is((await read(900)).bootLeaseS, 900)
  const error = await t.throwsAsync<Fault>(read(899))
  t.is(error?.code, 'invalid')
  t.regex(error?.reasons.join() ?? '', /bootLeaseS must be between 900 and /)
})
