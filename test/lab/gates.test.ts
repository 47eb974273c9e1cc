/** Gates of instances whose networks are in a namespace of their own. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import test from 'ava'
import { callTcpIn } from '../../agent/io/gates.ts'
import { Netns } from './netns.ts'

test('a port in a namespace is called there, and says so when nobody listens', async t => {
  t.timeout(300_000)
  const netns = await Netns.make()
  t.teardown(() => netns[Symbol.asyncDispose]())
  await netns.run('ip', ['link', 'set', 'dev', 'lo', 'up'])
  const call = callTcpIn(netns.name)
  t.is(await call({ address: '127.0.0.1', port: 8_080 }), 'ECONNREFUSED')
  const script = "require('net').createServer().listen(8080, '127.0.0.1', () => console.log('up'))"
  const inside = [`--net=/run/netns/${netns.name}`, '--', process.execPath, '-e', script]
  const server = spawn('nsenter', inside, { stdio: ['ignore', 'pipe', 'inherit'] })
  t.teardown(() => server.kill('SIGKILL'))
  await once(server.stdout, 'data')
  t.is(await call({ address: '127.0.0.1', port: 8_080 }), undefined)
})
