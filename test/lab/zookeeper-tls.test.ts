import test from 'ava'
import { realClock } from '#shared/clock.ts'
import { Fault } from '#shared/fault.ts'
import { silentLog } from '#shared/log.ts'
import { type ConnectOptions, connectZooKeeper } from '#shared/zookeeper/connect.ts'
import { readTls } from '#shared/zookeeper/tls-files.ts'
import { checkEnsemble } from '../../tools/cli/run/doctor-ensemble.ts'
import { Authority } from './certificates.ts'
import { startEnsemble } from './zookeeper-ensemble.ts'

test('with TLS, who has no certificate of the authority gets no session', async t => {
  await using authority = await Authority.make()
  await using stranger = await Authority.make()
  await using ensemble = await startEnsemble({
    tls: async addresses => ({
      authority: authority.certificate,
      certificateAndKey: (await authority.sign('servers', addresses)).both
    })
  })
  const { certificate, key } = await authority.sign('controller')
  const other = await stranger.sign('controller')
  const ca = authority.certificate
  const base = { sessionMs: 6_000, secret: 'remuda:tls', log: silentLog, clock: realClock }
  const connect = (tls?: ConnectOptions['tls']) =>
    connectZooKeeper({ ...base, servers: ensemble.servers, ...(tls && { tls }) })

  await using session = await connect({ ca, certificate, key })
  await session.transact([{ op: 'create', path: '/tls', bytes: Buffer.from('private') }])
  t.is(Buffer.from((await session.read('/tls'))!.bytes).toString(), 'private')
  const tls = await readTls({ ca, certificate, key })
  const [health] = await checkEnsemble({ servers: ensemble.servers, tls })
  t.is(health?.state, 'ok', health?.found)

  const refused: readonly (readonly [string, ConnectOptions['tls']])[] = [
    ['plain TCP', undefined],
    ['no certificate', { ca }],
    ['a certificate of another authority', { ca, certificate: other.certificate, key: other.key }],
    ['servers of another authority', { ca: stranger.certificate, certificate, key }]
  ]
  for (const [what, tls] of refused) {
    const fault = await t.throwsAsync(connect(tls), { instanceOf: Fault })
    t.is(fault?.code, 'unavailable', what)
  }
})
