import fs from 'node:fs/promises'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import test from 'ava'
import { readMonitor } from '#shared/zookeeper/four-letters.ts'
import { isAtLeast } from '#shared/zookeeper/version.ts'
import { checkEnsemble, judgeEnsemble } from '../../../tools/cli/run/doctor-ensemble.ts'
import { typeLine } from './type-line.ts'

const said = (number: number, mode: string | undefined, more: Record<string, string> = {}) => ({
  server: `10.0.0.${number}:2181`,
  version: more['version'] ?? '3.9.6-rev, built on some day',
  mode,
  figures: new Map(Object.entries(more))
})
const silent = (number: number) => ({ server: `10.0.0.${number}:2181`, silent: 'cannot ask it' })
const leader = said(1, 'leader')
const follower = said(2, 'follower')
const third = (more: Record<string, string>) => said(3, 'follower', more)

const rows: readonly (readonly [
  title: string,
  given: Parameters<typeof judgeEnsemble>[0],
  expected: readonly (readonly [state: string, found: RegExp])[]
])[] = [
  ['three that serve', [leader, follower, third({})], [['ok', /1:2181 is leader, .*3:2181 is f/]]],
  [
    'one that is silent',
    [leader, follower, silent(3)],
    [
      ['ok', /3:2181 is silent/],
      ['warn', /cannot ask/]
    ]
  ],
  [
    'two that are silent',
    [said(1, undefined), silent(2), silent(3)],
    [
      ['fail', /no quorum: 0 of 3 serve, 2 are needed/],
      ['fail', /sees no quorum/],
      ['fail', /cannot ask/],
      ['fail', /cannot ask/]
    ]
  ],
  [
    'a version that loses writes',
    [leader, follower, third({ version: '3.8.0-1' })],
    [
      ['ok', /./],
      ['fail', /runs 3\.8\.0, which may lose/]
    ]
  ],
  [
    'no version at all',
    [leader, follower, third({ version: '' })],
    [
      ['ok', /./],
      ['fail', /unknown version/]
    ]
  ],
  [
    'a server that differs from the others',
    [leader, follower, third({ digest_mismatches_count: '3' })],
    [
      ['ok', /./],
      ['fail', /3 digest mismatches/]
    ]
  ],
  [
    'more than its heap can take at a restart',
    [leader, follower, third({ approximate_data_size: `${100 * 2 ** 20}` })],
    [
      ['ok', /./],
      ['warn', /holds 100 MiB, for which a restart needs 400 MiB/]
    ]
  ],
  [
    'requests that wait',
    [leader, follower, third({ outstanding_requests: '5000' })],
    [
      ['ok', /./],
      ['warn', /5000 requests wait/]
    ]
  ],
  ['one server alone', [said(1, 'standalone')], [['ok', /is standalone/]]]
]

for (const [title, given, expected] of rows) {
  test(`of ${title} the doctor says so`, t => {
    const checks = judgeEnsemble(given)
    t.deepEqual(
      checks.map(({ state }) => state),
      expected.map(([state]) => state)
    )
    for (const [index, { found, state, fix }] of checks.entries()) {
      t.regex(found, expected[index]![1])
      t.is(fix === undefined, state === 'ok')
    }
  })
}

test('servers are asked over the network, and one that says nothing is silent', async t => {
  const answer = 'zk_version\t3.9.6-x, built\nzk_server_state\tleader\nzk_outstanding_requests\t0\n'
  const listeners = [answer, undefined].map(text =>
    net.createServer(socket => {
      socket.on('error', () => {})
      if (text !== undefined) socket.once('data', () => socket.end(text))
    })
  )
  t.teardown(() => {
    for (const listener of listeners) listener.close()
  })
  const servers = await Promise.all(
    listeners.map(async listener => {
      await new Promise<void>(resolve => listener.listen(0, '127.0.0.1', resolve))
      return `127.0.0.1:${(listener.address() as net.AddressInfo).port}`
    })
  )
  const gone = servers[0]!.replace(/\d+$/, '1')
  const [ensemble, , ...others] = await checkEnsemble({ servers: [...servers, gone] })
  t.is(ensemble?.state, 'fail')
  t.regex(ensemble!.found, /is leader, \S+ is silent, \S+ is silent/)
  t.is(others.length, 1)
})

test('versions are compared by their numbers', t => {
  const cases: readonly (readonly [string, string, boolean])[] = [
    ['3.9.4', '3.9.4', true],
    ['3.9.10', '3.9.4', true],
    ['3.10', '3.9.4', true],
    ['4', '3.9.4', true],
    ['3.9.3', '3.9.4', false],
    ['3.8.0-11+deb12u2', '3.9.4', false],
    ['3.9.6-revision, built on', '3.9.4', true],
    ['', '3.9.4', false]
  ]
  for (const [version, least, expected] of cases) t.is(isAtLeast(version, least), expected, version)
})

test('what a server says is read by name', t => {
  const figures = readMonitor('zk_version\t3.9.6\nnonsense\nzk_a_b\t7\n')
  t.deepEqual(
    [...figures],
    [
      ['version', '3.9.6'],
      ['a_b', '7']
    ]
  )
})

test('doctor asks the ensemble that the configuration names', async t => {
  const state = await fs.mkdtemp(path.join(os.tmpdir(), 'remuda-doctor-'))
  t.teardown(() => fs.rm(state, { recursive: true, force: true }))
  const secret = path.join(state, 'secret')
  await fs.writeFile(secret, 'remuda:secret', { mode: 0o600 })
  const { output } = await typeLine('doctor', {
    environment: {
      REMUDA_STATE: state,
      REMUDA_JOURNAL: 'zookeeper',
      REMUDA_ENSEMBLE: '127.0.0.1:1,127.0.0.1:2',
      REMUDA_ENSEMBLE_SECRET_FILE: secret
    }
  })
  t.regex(
    output,
    /^fail {2}ensemble +no quorum: 0 of 2 serve, 2 are needed: 127.0.0.1:1 is silent/m
  )
  t.regex(output, /^fail {2}127.0.0.1:2 +cannot ask 127.0.0.1:2: /m)
})
