import test from 'ava'
import { readGroups } from '../../../tools/cli/run/lab-faults.ts'
import { readAsk } from '../../../tools/lab/keeper/server.ts'

const asks: readonly (readonly [string, RegExp | undefined])[] = [
  ['{"verb":"status"}', undefined],
  ['{"verb":"power","host":"h2"}', undefined],
  ['{"verb":"power","host":"h2","to":"off"}', undefined],
  ['{"verb":"power","host":"h2","to":"sideways"}', /to of power is missing or wrong/],
  ['{"verb":"power"}', /host of power is missing or wrong/],
  ['{"verb":"power","host":"h2","to":"off","withBmc":true}', undefined],
  ['{"verb":"power","host":"h2","to":"off","withBmc":"yes"}', /withBmc of power is missing/],
  ['{"verb":"bmc","host":"h2","manner":"lying"}', undefined],
  ['{"verb":"bmc","host":"h2","manner":"polite"}', /manner of bmc is missing or wrong/],
  ['{"verb":"pause","host":"h1","daemon":"sshd"}', /daemon of pause is missing or wrong/],
  ['{"verb":"cut","cut":{"groups":[["h1"],["h2"]],"oneWay":false}}', undefined],
  ['{"verb":"cut","cut":{"hosts":["h1"],"from":"agents","oneWay":true}}', undefined],
  ['{"verb":"cut","cut":{"hosts":["h1"],"from":"them","oneWay":true}}', /cut of cut is missing/],
  ['{"verb":"cut","cut":{"groups":[["h1"],["h2"]]}}', /cut of cut is missing/],
  ['{"verb":"explode"}', /its verb is none of status, power/],
  ['{}', /its verb is none of/],
  ['null', /its verb is none of/],
  ['power off', /it is no JSON/],
  [`{"verb":"${'x'.repeat(70_000)}"}`, /longer than 65536 characters/]
]

for (const [line, refusal] of asks) {
  test(`the ask ${line.slice(0, 70)} is ${refusal ? 'refused' : 'read'}`, t => {
    if (refusal === undefined) t.deepEqual(readAsk(line), JSON.parse(line))
    else t.throws(() => readAsk(line), { message: refusal })
  })
}

const groups: readonly (readonly [readonly string[], readonly (readonly string[])[]])[] = [
  [['h1,h2 | h3'], [['h1', 'h2'], ['h3']]],
  [
    ['h1,h2', 'h3'],
    [['h1', 'h2'], ['h3']]
  ],
  [['h1|h2|h3'], [['h1'], ['h2'], ['h3']]],
  [['h1'], [['h1']]],
  [[' | ', ','], []]
]

for (const [words, read] of groups) {
  test(`the groups ${JSON.stringify(words)} are ${JSON.stringify(read)}`, t => {
    t.deepEqual(readGroups(words), read)
  })
}
