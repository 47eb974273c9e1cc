import { PassThrough, Writable } from 'node:stream'
import test from 'ava'
import { main } from '../../../tools/cli/main.ts'
import type { Input, Output } from '../../../tools/cli/terminal.ts'
import { FakeApi } from '../../world/fake-api.ts'
import { typeLine } from './type-line.ts'

const web = { kind: 'instance', name: 'web' } as const

test('piped, it sends the input, writes what comes, and ends soon after the input', async t => {
  await using api = await FakeApi.start()
  api.resources.put(web)
  const { code, output, errors } = await typeLine('instance console web --linger 300ms', {
    server: api.url,
    input: 'uptime\n'
  })
  t.deepEqual([code, output, errors], [0, 'login: uptime\n', ''])
})

test('it ends when the console does', async t => {
  await using api = await FakeApi.start()
  api.resources.put(web)
  api.onConsole = socket => {
    socket.send(Buffer.from('bye\n'))
    socket.close(1000)
  }
  const ended = await typeLine('instance console web --linger 1h', { server: api.url })
  t.deepEqual([ended.code, ended.output], [0, 'bye\n'])
  api.onConsole = socket => socket.close(4001, 'its host h1 was lost')
  const lost = await typeLine('instance console web --linger 1h', { server: api.url })
  t.is(lost.code, 6)
  t.is(lost.errors, 'error: cannot attach to the console of instance/web: its host h1 was lost\n')
})

test('a console that is broken off is told as such', async t => {
  await using api = await FakeApi.start()
  api.resources.put(web)
  api.onConsole = socket => socket.terminate()
  const { code, errors } = await typeLine('instance console web --linger 1h', {
    server: api.url
  })
  t.is(code, 6)
  t.regex(errors, /the connection was cut \(1006\)\n {2}why {3}.*\n {2}next {2}give the same/)
})

test('a console that is refused says why', async t => {
  await using api = await FakeApi.start()
  const { code, errors } = await typeLine('instance console nope', { server: api.url })
  t.is(code, 3)
  t.regex(errors, /cannot attach to the console of instance\/nope: there is no instance "nope"/)
})

test('large output arrives whole', async t => {
  await using api = await FakeApi.start()
  api.resources.put(web)
  const bytes = Buffer.alloc(3 * 1024 * 1024, 'x')
  api.onConsole = socket => {
    for (let at = 0; at < bytes.length; at += 65_536) socket.send(bytes.subarray(at, at + 65_536))
    socket.close(1000)
  }
  const { output } = await typeLine('instance console web --linger 1h', { server: api.url })
  t.is(output.length, bytes.length)
})

test('on a terminal Ctrl-] q leaves, and the terminal is as it was', async t => {
  await using api = await FakeApi.start()
  api.resources.put(web)
  const raw: boolean[] = []
  const input = Object.assign(new PassThrough(), {
    isTTY: true,
    setRawMode: (isRaw: boolean) => raw.push(isRaw)
  })
  let shown = ''
  const screen = () =>
    Object.assign(
      new Writable({
        write: (chunk: Buffer, _encoding, done) => {
          shown += chunk.toString()
          if (shown.endsWith('login: ')) input.write('ls\r')
          if (shown.endsWith('ls\r')) input.write('\u001d')
          if (shown.endsWith('ls\r')) input.write('q')
          done()
        }
      }),
      { isTTY: true, columns: 80 }
    )
  const exitListeners = process.listenerCount('exit')
  const code = await main(['instance', 'console', 'web', '--server', api.url], {
    input: input as Input,
    output: screen() as Output,
    errors: screen() as Output,
    environment: {},
    interrupted: new AbortController().signal
  })
  t.is(code, 0)
  t.deepEqual(raw, [true, false])
  t.is(process.listenerCount('exit'), exitListeners)
  t.true(shown.startsWith('attached to instance/web; Ctrl-] then q leaves\n'))
  t.regex(shown, /login: ls\r\nleft instance\/web; it goes on\n/)
})

test('a log is written as it is to a file, and harmless on a terminal', async t => {
  await using api = await FakeApi.start()
  api.resources.put(web)
  api.log = 'booted\u001b[2J\n'
  t.is((await typeLine('instance log web', { server: api.url })).output, 'booted\u001b[2J\n')
  const terminal = { columns: 80 }
  const shown = await typeLine('instance log web', { server: api.url, terminal })
  t.is(shown.output, 'booted\n')
  const raw = await typeLine('instance log web --raw', { server: api.url, terminal })
  t.is(raw.output, 'booted\u001b[2J\n')
})

test('a log that is followed shows what comes, and nothing twice', async t => {
  await using api = await FakeApi.start()
  api.resources.put(web)
  const interrupt = new AbortController()
  const { output } = await typeLine('instance log web -f', {
    server: api.url,
    interrupted: interrupt.signal,
    watch: shown => {
      if (shown === 'booted\n') api.log = 'booted\nlogin: \n'
      if (shown.includes('login')) interrupt.abort()
    }
  })
  t.is(output, 'booted\nlogin: \n')
})
