import test from 'ava'
import { FakeApi } from '../../world/fake-api.ts'
import { ready } from '../../world/fake-resources.ts'
import { typeLine } from './type-line.ts'

const web = { kind: 'instance', name: 'web' } as const

/** Does something once, as soon as the errors of a command contain a text. */
function once(text: string, act: () => void): (output: string, errors: string) => void {
  let isDone = false
  return (output, errors) => {
    if (isDone || !(output + errors).includes(text)) return
    isDone = true
    setImmediate(act)
  }
}

test('creating waits for the condition ready, and says meanwhile what is missing', async t => {
  await using api = await FakeApi.start()
  api.resources.isHeld = true
  const { code, output, errors } = await typeLine('vm create web --memory 64', {
    server: api.url,
    watch: once('its host has not taken it on yet', () => api.resources.settle(web))
  })
  t.is(code, 0)
  t.regex(output, /^instance\/web created: running on h1, 10\.66\.0\.5 \(.*\)\n$/)
  t.is(errors, 'instance/web: its host has not taken it on yet\n')
})

test('--no-wait returns as soon as the wish is recorded', async t => {
  await using api = await FakeApi.start()
  api.resources.isHeld = true
  const { code, output } = await typeLine('vm create web --memory 64 --no-wait', {
    server: api.url
  })
  t.deepEqual([code, output], [0, 'instance/web created: pending\n'])
  t.is(api.asked.length, 1)
})

test('when the time is over it says what is missing, with exit code 7', async t => {
  await using api = await FakeApi.start()
  api.resources.isHeld = true
  const { code, errors } = await typeLine('vm create web --memory 64 --timeout 1s', {
    server: api.url
  })
  t.is(code, 7)
  t.regex(errors, /^error: cannot see instance\/web ready within 1 s$/m)
  t.regex(errors, /why {3}its host has not taken it on yet/)
  t.regex(errors, /next {2}remuda why instance\/web/)
})

test('an instance that failed is not waited for', async t => {
  await using api = await FakeApi.start()
  api.resources.isHeld = true
  const fail = () =>
    api.resources.observe(web, {
      status: { phase: 'failed' },
      conditions: [ready('false', 'libvirt refused: no such machine type')]
    })
  const { code, errors } = await typeLine('vm create web --memory 64', {
    server: api.url,
    watch: once('taken it on', fail)
  })
  t.is(code, 1)
  t.regex(errors, /cannot bring instance\/web about: libvirt refused: no such machine type/)
})

test('Ctrl-C ends the waiting and not the work, with exit code 130', async t => {
  await using api = await FakeApi.start()
  api.resources.isHeld = true
  const interrupt = new AbortController()
  const { code, errors } = await typeLine('vm create web --memory 64', {
    server: api.url,
    interrupted: interrupt.signal,
    watch: once('taken it on', () => interrupt.abort())
  })
  t.is(code, 130)
  t.regex(errors, /cannot wait for instance\/web any longer: interrupted/)
  t.regex(errors, /what was asked for is recorded and goes on/)
  t.truthy(api.resources.find(web))
})

test('a controller that goes away for a moment is waited for', async t => {
  await using api = await FakeApi.start()
  api.resources.isHeld = true
  const goAway = () => {
    api.cutStreams()
    let cuts = 0
    api.intercept = () => {
      if (cuts++ < 4) return 'cut'
      api.intercept = () => undefined
      api.resources.settle(web)
      return undefined
    }
  }
  const { code, output, errors } = await typeLine('vm create web --memory 64 --timeout 20s', {
    server: api.url,
    watch: once('taken it on', goAway)
  })
  t.is(code, 0, errors)
  t.regex(output, /running/)
})

test('deleting waits until it is gone', async t => {
  await using api = await FakeApi.start()
  api.resources.put(web, { status: { phase: 'running' } })
  api.resources.isHeld = true
  const { code, output, errors } = await typeLine('vm delete web --yes', {
    server: api.url,
    watch: once('waits for h1', () => api.resources.remove(web))
  })
  t.is(code, 0)
  t.regex(output, /^instance\/web deleted \(.*\)\n$/)
  t.regex(errors, /waits for h1 to say that it is gone/)
})

test('who is told of a deletion that goes on is told how to wait for its end', async t => {
  await using api = await FakeApi.start()
  api.resources.put(web, { status: { phase: 'running' } })
  api.resources.isHeld = true
  const interrupt = new AbortController()
  const { code, errors } = await typeLine('vm delete web --yes', {
    server: api.url,
    interrupted: interrupt.signal,
    watch: once('waits for h1', () => interrupt.abort())
  })
  t.is(code, 130)
  t.regex(errors, /next {2}remuda wait instance\/web --for deleted$/m)
})

test('to wait and not to wait is refused before anything is asked', async t => {
  await using api = await FakeApi.start()
  for (const line of ['vm create a --memory 64', 'volume resize a --size 1g']) {
    const { code, errors } = await typeLine(`${line} --wait --no-wait`, { server: api.url })
    t.is(code, 2)
    t.regex(errors, /cannot both wait and not wait/)
  }
  t.is(api.asked.length, 0)
})

test('an instance that runs on with its old shape says so when it is resized', async t => {
  await using api = await FakeApi.start()
  await typeLine('vm create web --memory 64', { server: api.url })
  const running = { phase: 'running', host: 'h1' }
  const behind = { ...api.resources.find(web)!, observedGeneration: 0, status: running }
  api.intercept = ({ method }) => (method === 'PATCH' ? { status: 200, body: behind } : undefined)
  api.resources.observe(web, {
    status: running,
    conditions: [
      ready('true', 'runs'),
      { type: 'restart-needed', status: 'true', reason: 'differs', message: 'with its next start' }
    ]
  })
  const { code, output, errors } = await typeLine('vm resize web --memory 128', {
    server: api.url
  })
  t.is(code, 0)
  t.is(output, 'instance/web resized: running on h1\n')
  t.is(errors, 'note: with its next start\n')
})

test('a volume that grows with the next start of its instance is not waited for', async t => {
  await using api = await FakeApi.start()
  const volume = { kind: 'volume', name: 'web-root' } as const
  const held = { ...ready('false', 'grows when web is next started'), reason: 'ready' }
  api.resources.put(volume, { spec: { sizeMib: 64 }, status: { phase: 'ready' } })
  api.resources.isHeld = true
  const { code, output, errors } = await typeLine('volume resize web-root --size 1g', {
    server: api.url,
    watch: once('taken it on', () => {
      api.resources.observe(volume, { status: { phase: 'ready' }, conditions: [held] })
    })
  })
  t.is(code, 0)
  t.regex(output, /^volume\/web-root resized: ready/)
  t.regex(errors, /\nnote: grows when web is next started\n$/)
})

test('several instances are asked first and waited for together', async t => {
  await using api = await FakeApi.start()
  for (const name of ['a', 'b']) {
    api.resources.put({ kind: 'instance', name }, { spec: { desiredPower: 'running' } })
  }
  api.resources.isHeld = true
  const settle = () => {
    api.resources.settle({ kind: 'instance', name: 'b' })
    api.resources.settle({ kind: 'instance', name: 'a' })
  }
  const { code, output } = await typeLine('vm stop a b', {
    server: api.url,
    watch: once('taken it on', settle)
  })
  t.is(code, 0)
  t.regex(output, /^instance\/a stopped: stopped .*\ninstance\/b stopped: stopped/)
  t.deepEqual(
    api.asked.filter(({ method }) => method === 'POST').map(({ path }) => path),
    ['/v1/instances/a/stop', '/v1/instances/b/stop']
  )
})

const states: readonly (readonly [state: string, code: number, said: RegExp])[] = [
  ['condition=ready', 0, /^instance\/web condition=ready\n$/],
  ['phase=running', 0, /^instance\/web phase=running\n$/],
  ['status.host=h1', 0, /^instance\/web status\.host=h1\n$/],
  ['condition=ready=false', 7, /conditions\.ready is as desired/],
  ['phase=stopped', 7, /status\.phase is running/],
  ['deleted', 7, /cannot see instance\/web deleted within 1 s/],
  ['nonsense', 2, /condition=TYPE/]
]
for (const [state, code, said] of states) {
  test(`waiting for ${state} of a running instance ends with ${code}`, async t => {
    await using api = await FakeApi.start()
    await typeLine('vm create web --memory 64', { server: api.url })
    const typed = await typeLine(`wait vm/web --for ${state} --timeout 1s`, {
      server: api.url
    })
    t.is(typed.code, code, typed.errors)
    t.regex(typed.output + typed.errors, said)
  })
}

test('waiting for what is not there ends with 3, and for its end with 0', async t => {
  await using api = await FakeApi.start()
  t.is((await typeLine('wait vm/web', { server: api.url })).code, 3)
  t.is((await typeLine('wait vm/web --for deleted', { server: api.url })).code, 0)
})

test('a volume that comes into being with its first use is not waited for', async t => {
  await using api = await FakeApi.start()
  api.resources.isHeld = true
  const { code, output } = await typeLine('volume create v --size 1g', { server: api.url })
  t.is(code, 0)
  t.regex(output, /^volume\/v created: pending/)
})

test('on a terminal progress is one line that is written over and taken away', async t => {
  await using api = await FakeApi.start()
  api.resources.isHeld = true
  const { errors } = await typeLine('vm create web --memory 64', {
    server: api.url,
    terminal: { columns: 40 },
    watch: once('taken', () => api.resources.settle(web))
  })
  t.true(errors.startsWith('\r\u001b[2Kinstance/web: its host'))
  t.true(errors.endsWith('\r\u001b[2K'))
  t.false(errors.includes('\n'))
})

test('a list that is watched is written again when something changes', async t => {
  await using api = await FakeApi.start()
  const interrupt = new AbortController()
  const steps = [
    once('AGE', () => api.resources.wish(web, { spec: {}, labels: {} })),
    once('running', () => interrupt.abort())
  ]
  const { code, output } = await typeLine('vm list -w', {
    server: api.url,
    interrupted: interrupt.signal,
    watch: (shown, errors) => {
      for (const step of steps) step(shown, errors)
    }
  })
  t.is(code, 0)
  t.true(output.split('NAME').length >= 3, output)
})

test('events are shown as they happen, from where a broken stream ended', async t => {
  await using api = await FakeApi.start()
  const interrupt = new AbortController()
  const decide = (because: string) =>
    api.resources.publish('decision', {
      at: '2026-11-20T10:00:00.000Z',
      by: 'controller',
      verb: 'placed',
      because,
      subjects: ['instance/web']
    })
  const begin = setInterval(() => {
    if (api.resources.listeners === 0) return
    clearInterval(begin)
    decide('first')
  }, 5)
  t.teardown(() => clearInterval(begin))
  const steps = [
    once('first', () => {
      api.cutStreams()
      decide('while away')
    }),
    once('while away', () => api.resources.wish(web, { spec: {}, labels: {} })),
    once('as desired', () => {
      api.resources.epoch = 2
      api.cutStreams()
    }),
    once('some events are missing', () => interrupt.abort())
  ]
  const { code, output, errors } = await typeLine('events -w --kind vm', {
    server: api.url,
    interrupted: interrupt.signal,
    watch: (shown, said) => {
      for (const step of steps) step(shown, said)
    }
  })
  t.is(code, 0)
  t.is(output.split('first').length, 2, 'no event is shown twice')
  t.regex(output, /instance\/web placed by controller: while away/)
  t.regex(output, /instance\/web is running: as desired/)
  t.regex(errors, /the controller closed the stream; trying again/)
  t.is(api.asked[0]?.query.get('kinds'), 'instance')
  t.is(api.asked[1]?.headers['last-event-id'], '1.1')
})

test('who leaves the events is not told that the stream has ended', async t => {
  await using api = await FakeApi.start()
  const interrupt = new AbortController()
  const begin = setInterval(() => {
    if (api.resources.listeners > 0) api.resources.wish(web, { spec: {}, labels: {} })
  }, 5)
  t.teardown(() => clearInterval(begin))
  const { code, errors } = await typeLine('events -w', {
    server: api.url,
    interrupted: interrupt.signal,
    watch: once(' is ', () => interrupt.abort())
  })
  t.deepEqual([code, errors], [0, ''])
})
