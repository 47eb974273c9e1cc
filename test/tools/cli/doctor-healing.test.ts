import test from 'ava'
import { judgeHealing } from '../../../tools/cli/run/doctor-healing.ts'
import type { HealingSaid } from '../../../tools/cli/run/ha.ts'

const well: HealingSaid = {
  armed: true,
  reserveHosts: 0,
  watches: true,
  brake: { missing: [], hosts: 3, most: 1 },
  fenced: [],
  suspects: [],
  exposed: []
}
const disarmed = { at: 'noon', by: 'user/ann', because: 'new switch' }
const exposed = (state: string) => [{ host: 'h2', state, because: 'no answer' }]
const fencing = { host: 'h1', phase: 'fencing', since: 'noon', because: '', progress: 'level 1' }

const cases: readonly (readonly [string, Partial<HealingSaid>, string | undefined, RegExp])[] = [
  ['all is well', {}, 'ok', /each of 3 hosts could be fenced now/],
  ['there is one host', { brake: { missing: [], hosts: 1, most: 1 } }, undefined, /^$/],
  ['nobody is heard here', { watches: false }, undefined, /^$/],
  ['it is disarmed', { armed: false, disarmed }, 'warn', /disarmed since noon by user\/ann/],
  ['a host has no device', { exposed: exposed('no-device') }, 'warn', /no-device: h2/],
  ['a level is left', { exposed: exposed('degraded') }, 'warn', /degraded: h2/],
  ['no device answers', { exposed: exposed('device-silent') }, 'fail', /be fenced: h2 no answer/],
  ['a host is being fenced', { fenced: [fencing] }, 'fail', /h1 is fenced: level 1/],
  [
    'a host is fenced',
    { fenced: [{ ...fencing, phase: 'fenced', progress: 'read off twice' }] },
    'warn',
    /h1 is off: read off twice/
  ],
  [
    'a host is missing',
    { suspects: [{ host: 'h1', hold: 'brake', because: '2 of 3' }] },
    'fail',
    /h1 is not heard: 2 of 3/
  ]
]

for (const [what, changes, state, says] of cases) {
  test(`where ${what}, doctor says ${state ?? 'nothing'}`, t => {
    const [check] = judgeHealing({ ...well, ...changes })
    t.is<string | undefined, string | undefined>(check?.state, state)
    t.regex(check?.found ?? '', says)
  })
}
