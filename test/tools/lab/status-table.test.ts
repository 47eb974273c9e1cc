import test from 'ava'
import type { Seen } from '../../../tools/lab/look.ts'
import type { HostStatus } from '../../../tools/lab/protocol.ts'
import { describeStatus } from '../../../tools/lab/status-table.ts'

const host = (name: string, power: 'on' | 'off' = 'on'): HostStatus => ({
  ...{ name, address: `10.77.0.${name.slice(1)}`, power, isPaused: false },
  ...{ isCandidate: true, clockMs: 0, daemons: [] }
})
const follows = { state: 'follows', because: 'it has all that the journal has' }
const seen: Seen = {
  status: { tag: 'lab0', switchPid: 1, hosts: [host('h1', 'off'), host('h2')], cuts: [] },
  leader: undefined,
  candidates: { h1: { state: 'silent', because: 'its power is off' }, h2: follows },
  ...{ phases: {}, instances: {}, cloudFault: undefined }
}
const paint = (_colour: unknown, text: string): string => text

test('between two controllers it is said that none leads, and how each candidate stands', t => {
  const lines = describeStatus(seen, { paint }).trimEnd().split('\n')
  t.deepEqual(lines.slice(-3), [
    'no controller leads at the moment; the candidates are',
    '  h1 its power is off',
    '  h2 follows: it has all that the journal has'
  ])
})

test('while one leads, the table alone says so', t => {
  const leads = { state: 'leads', because: 'it was elected' }
  const led = { ...seen, leader: 'h2', candidates: { ...seen.candidates, h2: leads } }
  const text = describeStatus(led, { paint })
  t.regex(text, /^h2 .* leads /m)
  t.notRegex(text, /no controller/)
})

test('manners of baseboard controllers are told where there are any', t => {
  const bmc = { address: '10.79.0.2', manner: 'lying', power: 'on' } as const
  const hosts = [
    host('h1'),
    { ...host('h2'), bmc },
    { ...host('h3'), bmc: { ...bmc, power: 'off' } }
  ]
  const status = { ...seen.status, hosts: hosts as readonly HostStatus[] }
  const text = describeStatus({ ...seen, status }, { paint })
  t.regex(text, /^h2 +10\.77\.0\.2 +on .* lying *$/m)
  t.regex(text, /^h3 +10\.77\.0\.3 +on .* no power *$/m)
  t.notRegex(describeStatus(seen, { paint }), /BMC/)
})
