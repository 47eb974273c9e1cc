import test from 'ava'
import { type EnsembleSeen, nobodyLeads } from '../../../controller/io/ensemble-look.ts'

const seen = (...silent: readonly (string | undefined)[]): EnsembleSeen =>
  silent.map((because, index) => ({ server: `10.0.0.${index + 1}:2181`, silent: because }))

type Row = readonly [
  title: string,
  seen: EnsembleSeen | undefined,
  message: string,
  reasons: readonly string[]
]
const begin = 'cannot POST /v1/tenants: nobody leads at the moment'
const rows: readonly Row[] = [
  [
    'nobody can be asked how the ensemble is',
    undefined,
    begin,
    ['a controller is elected as soon as most servers of the ensemble answer']
  ],
  [
    'all servers answer',
    seen(undefined, undefined, undefined),
    begin,
    ['3 of 3 servers of the ensemble answer: a controller is being elected']
  ],
  [
    'a majority answers',
    seen(undefined, 'it is down', undefined),
    begin,
    ['2 of 3 servers of the ensemble answer: a controller is being elected']
  ],
  [
    'too few answer',
    seen('cannot ask 10.0.0.1:2181: refused', 'cannot ask 10.0.0.2:2181: late', undefined),
    `${begin}: 1 of 3 servers of the ensemble answer, 2 must`,
    ['cannot ask 10.0.0.1:2181: refused', 'cannot ask 10.0.0.2:2181: late']
  ]
]

for (const [title, given, message, reasons] of rows) {
  test(`a write that nobody takes says why: ${title}`, t => {
    const fault = nobodyLeads('POST /v1/tenants', given)
    t.is(`${fault.status} ${fault.type}`, '503 no-leader')
    t.is(fault.message, message)
    t.deepEqual(fault.reasons, reasons)
  })
}
