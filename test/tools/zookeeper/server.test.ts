import test from 'ava'
import { zooKeeperServer } from '../../../tools/zookeeper/server.ts'

const home = { version: '3.9.6', classPath: ['/a/zookeeper.jar', '/a/slf4j-api.jar'] }
const members = [1, 2, 3].map(id => ({ id, address: `10.77.0.${id}` }))
const spec = { id: 2, members, folder: '/srv/zookeeper', heapMib: 512 }

test('a server is told who it is, who the others are, and where it listens', t => {
  const plan = zooKeeperServer(home, spec)
  t.is(plan.files['/srv/zookeeper/snapshots/myid'], '2\n')
  const lines = plan.files['/srv/zookeeper/zoo.cfg']!.split('\n')
  for (const line of [
    'tickTime=500',
    'clientPortAddress=10.77.0.2',
    'server.1=10.77.0.1:2888:3888',
    'server.3=10.77.0.3:2888:3888',
    'forceSync=yes',
    '4lw.commands.whitelist=srvr,mntr,ruok'
  ]) {
    t.true(lines.includes(line), line)
  }
  const unforced = zooKeeperServer(home, { ...spec, forced: false })
  t.regex(unforced.files['/srv/zookeeper/zoo.cfg']!, /^forceSync=no$/m)
  t.is(plan.command, 'java')
  t.true(plan.args.includes('-Xmx512m'))
  t.true(plan.args.includes('/a/zookeeper.jar:/a/slf4j-api.jar'))
  t.is(plan.args.at(-1), '/srv/zookeeper/zoo.cfg')
})

test('with TLS nothing listens that does not speak it', t => {
  const tls = { authority: '/tls/ca.pem', certificateAndKey: '/tls/server.pem' }
  const plan = zooKeeperServer(home, { ...spec, tls })
  const text = plan.files['/srv/zookeeper/zoo.cfg']!
  t.notRegex(text, /^clientPort=/m)
  t.regex(text, /^secureClientPort=2181$/m)
  t.regex(text, /^ssl\.clientAuth=need$/m)
  t.regex(text, /^sslQuorum=true$/m)
})

test('addresses of the sixth version stand in brackets', t => {
  const six = [1, 2, 3].map(id => ({ id, address: `fd00::${id}` }))
  const plan = zooKeeperServer(home, { ...spec, members: six })
  t.regex(plan.files['/srv/zookeeper/zoo.cfg']!, /^server\.1=\[fd00::1\]:2888:3888$/m)
  t.false(plan.args.some(word => word.includes('preferIPv4Stack')))
})
