import test from 'ava'
import { suspicionOf } from '../../../controller/core/suspicion.ts'
import { patience } from '../../../controller/core/suspicion-times.ts'
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

test('what is thought of a host follows what is heard, though no time has passed since', t => {
  const rack = new Rack()
  rack.pass(3_000, ['h2', 'h3'])
  const { view, context } = rack.cloud
  const host = rack.cloud.host('h1')
  const verdict = () => suspicionOf(view, host, context.now.monotonic).verdict
  t.is(verdict(), 'suspect')
  t.is(verdict(), 'suspect')
  const peers = [{ host: host.decided.uuid, reached: true, ageMs: 0 }]
  rack.cloud.report('h2', { number: 99, peers })
  t.is(verdict(), 'waits', 'a peer reaches it')
  view.patience = { ...patience, suspectMs: 10_000 }
  t.is(verdict(), 'none', 'it is given more time')
  view.patience = patience
  const at = context.now
  view.fold({ type: 'heartbeat', host: 'h1', loopLagMs: 0, at })
  t.is(verdict(), 'none', 'it is heard')
})

test('that a host was busy when it was last heard is told', t => {
  const rack = new Rack()
  const { view, context } = rack.cloud
  view.fold({ type: 'heartbeat', host: 'h1', loopLagMs: 1_240, at: context.now })
  rack.pass(3_000, ['h2', 'h3'])
  const said = suspicionOf(view, rack.cloud.host('h1'), context.now.monotonic)
  t.is(said.verdict, 'suspect')
  if (said.verdict === 'suspect')
    t.regex(said.because, /^not heard for 3 s, and was busy then \(1\.2 s/)
})
