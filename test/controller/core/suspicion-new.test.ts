import test from 'ava'
import { suspicionOf } from '../../../controller/core/suspicion.ts'
import { Rack } from '../../world/rack.ts'

test('a host that was let in just now, and was never heard, is not taken for dead', t => {
  const rack = new Rack()
  const wish = {
    uuid: 'uuid-h9',
    hostname: 'h9',
    publicKey: 'h9'.padEnd(40, 'k'),
    endpoint: 'tcp://127.0.0.1:19',
    trusted: true
  }
  rack.pass(60_000)
  rack.cloud.done({ verb: 'join', wish })
  rack.pass(20_000)
  const { view, context } = rack.cloud
  t.is(suspicionOf(view, rack.cloud.host('h9'), context.now.monotonic).verdict, 'none')
  const { decided, ...rest } = rack.cloud.host('h9')
  const known = { ...rest, decided: { ...decided, bootId: 'boot-1' } }
  rack.cloud.commit({ changes: [{ op: 'put', resource: known }], decisions: [] })
  t.not(suspicionOf(view, known, context.now.monotonic).verdict, 'none')
})
