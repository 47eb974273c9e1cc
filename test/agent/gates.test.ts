/** Gates are looked at from outside: ports are called, and calls home are taken. */
import { createServer } from 'node:net'
import test from 'ava'
import { isFault } from '#shared/fault.ts'
import { callTcp } from '../../agent/io/gates.ts'
import { phoneHomeOver } from '../../agent/io/phone-home.ts'

/** A free port at an address of this machine's own. */
async function freePort(host: string): Promise<number> {
  const server = createServer()
  await new Promise<void>(resolve => void server.listen(0, host, resolve))
  const address = server.address()
  await new Promise(resolve => server.close(resolve))
  return typeof address === 'object' && address ? address.port : 0
}

test('a port that takes calls is open, and one at which nobody listens says so', async t => {
  const server = createServer(socket => socket.destroy())
  await new Promise<void>(resolve => void server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  t.is(await callTcp({ address: '127.0.0.1', port }), undefined)
  await new Promise(resolve => server.close(resolve))
  t.is(await callTcp({ address: '127.0.0.1', port }), 'ECONNREFUSED')
})

test('a call home is any request, and what is told is where it came from, and to', async t => {
  const port = await freePort('127.0.0.1')
  const calls: string[] = []
  let isExpected = false
  const phone = phoneHomeOver((at, from) => {
    calls.push(`${from} at ${at}`)
    return isExpected
  }, port)
  await phone.listen(new Set(['127.0.0.1']))
  await phone.listen(new Set(['127.0.0.1']))
  const url = `http://127.0.0.1:${port}`
  t.is((await fetch(`${url}/anything`)).status, 503)
  isExpected = true
  const posted = await fetch(url, { method: 'POST', body: 'instance_id=i-1' })
  t.is(posted.status, 200)
  t.is(await posted.text(), 'ready\n')
  t.deepEqual(calls, ['127.0.0.1 at 127.0.0.1', '127.0.0.1 at 127.0.0.1'])
  await phone.listen(new Set())
  await t.throwsAsync(fetch(url))
})

test('what says too much is not heard to its end', async t => {
  const port = await freePort('127.0.0.1')
  const phone = phoneHomeOver(() => true, port)
  await phone.listen(new Set(['127.0.0.1']))
  const body = 'x'.repeat(1024 * 1024)
  await t.throwsAsync(fetch(`http://127.0.0.1:${port}`, { method: 'POST', body }))
  await phone.listen(new Set())
})

test('an address that this machine does not have cannot be listened at', async t => {
  const phone = phoneHomeOver(() => true, await freePort('127.0.0.1'))
  const thrown = await t.throwsAsync(phone.listen(new Set(['192.0.2.1'])))
  t.true(isFault(thrown, 'network'))
  await phone.listen(new Set())
})
