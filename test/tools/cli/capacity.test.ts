import test from 'ava'
import { FakeApi } from '../../world/fake-api.ts'
import { typeLine } from './type-line.ts'

const said = {
  reserve: {
    hosts: 1,
    domain: 'rack',
    state: 'broken',
    broken: ['if h1 is lost, web (2048 MiB) could start nowhere: 0 MiB are left']
  },
  whatIf: {
    ...{ without: ['h3'], with: [{ count: 2, like: 'h1' }], stranded: ['db'] },
    staying: [{ name: 'old', host: 'h3', because: 'it may run on h3 alone (spec.host)' }]
  },
  hosts: 4,
  memoryMib: 16_384,
  memoryLeftMib: 6_144,
  vcpus: 64,
  vcpusLeft: 40,
  losses: 1,
  exact: true,
  sizes: [
    {
      ...{ name: 'big', vcpus: 2, memoryMib: 2_048, now: 3, after: 1, worst: ['h2'] },
      ...{ byMemory: 3, byVcpus: 20, limit: 'memory' }
    }
  ]
}

test('capacity shows what is left, what is short, and what would be stranded', async t => {
  await using api = await FakeApi.start()
  api.intercept = ({ path }) =>
    path.startsWith('/v1/capacity') ? { status: 200, body: said } : undefined
  const line = ['capacity', '--without', 'h3', '--with', '2x like h1']
  const { code, output } = await typeLine(line, { server: api.url })
  t.is(code, 0)
  const { query } = api.asked.at(-1)!
  t.deepEqual(Object.fromEntries(query), { without: 'h3', with: '2xh1' })
  for (const says of [
    /^what if +without h3, with 2 more like h1$/m,
    /^memory +6 GiB of 16 GiB not promised$/m,
    /^reserve +not kept for the loss of any 1 host, or any one rack, as it would be:$/m,
    /^! instance old would stay down with h3: it may run on h3 alone \(spec\.host\)$/m,
    /^! if h1 is lost, web \(2048 MiB\) could start nowhere: 0 MiB are left$/m,
    /^! instance db would find no place$/m,
    /^SIZE +VCPUS +MEMORY +NOW +AFTER 1 LOSS +OF +SHORT OF$/m,
    /^big +2 +2 GiB +3 +1 +h2 +memory \(processors would do for 20\)$/m
  ]) {
    t.regex(output, says)
  }
  const raw = await typeLine('capacity -o json', { server: api.url })
  t.deepEqual(JSON.parse(raw.output), said)
})

test('hosts that cannot be thought up are no command', async t => {
  t.is((await typeLine(['capacity', '--with', 'many'])).code, 2)
})
