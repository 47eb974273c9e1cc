import test from 'ava'
import { readArguments } from '../../../tools/cli/arguments.ts'
import { UsageFault } from '../../../tools/cli/failure.ts'
import { closest, distance } from '../../../tools/cli/suggest.ts'
import { table } from '../../../tools/cli/table.ts'
import { typeLine } from './type-line.ts'

const given = (line: string) => {
  const request = readArguments(line.split(' '), table)
  if (request.asks !== 'run') throw new Error('it asks for help')
  return request.given
}

test('options may stand anywhere, and options of every command before the noun', t => {
  for (const line of [
    'instance create web --memory 2GiB --tenant acme',
    '--tenant acme instance --memory=2048 create web',
    'vm create --memory 2G web --tenant=acme'
  ]) {
    const { number, positional, text } = given(line)
    t.deepEqual([number('memory'), positional('NAME'), text('tenant')], [2048, 'web', 'acme'], line)
  }
})

test('values are read in their units', t => {
  const { number, texts, pairs, flag } = given(
    'instance create web --root 1.5GiB --vcpus 3 --timeout 2m --network a --network b ' +
      '--label app=x=y --label empty= --no-ha'
  )
  t.is(number('root'), 1536)
  t.is(number('vcpus'), 3)
  t.is(number('timeout'), 120_000)
  t.deepEqual(texts('network'), ['a', 'b'])
  t.deepEqual(pairs('label'), { app: 'x=y', empty: '' })
  t.true(flag('no-ha'))
  t.false(flag('wait'))
})

test('a value may begin with a dash where it is no option', t => {
  t.is(given('vm list --sort -memory').text('sort'), '-memory')
  t.is(given('apply -f -').text('file'), '-')
})

test('what follows -- is no option', t => {
  t.deepEqual(given('instance start -- --odd').positionals('NAME'), ['--odd'])
})

const mistakes: readonly (readonly [line: string, message: RegExp, more?: RegExp])[] = [
  ['instnace list', /cannot find the command "instnace"/, /did you mean "remuda instance"\?/],
  ['instance creat', /cannot find the command "instance creat"/, /remuda instance create/],
  ['frobnicate', /cannot find the command "frobnicate"/, /remuda --help/],
  ['vm create a --memry 4', /it has no option --memry/, /did you mean --memory\?/],
  ['vm create a -x', /it has no option -x/],
  ['vm create', /NAME is missing/, /Name of the new instance/],
  ['vm show a b', /"b" is one word too many/],
  ['vm create a --memory', /--memory needs a value/],
  ['vm create a --memory --vcpus 1', /--memory needs a value/],
  ['vm create a --memory lots', /cannot read --memory: cannot read the size "lots"/, /128MiB/],
  ['vm create a --vcpus 1.5', /cannot read --vcpus: "1.5" is not a whole number/],
  [
    'vm create a --memory 8',
    /"remuda instance create": --memory must be between 16 MiB and 16 TiB, not 8 MiB$/
  ],
  ['size create s --memory 64 --vcpus 513', /--vcpus must be between 1 and 512, not 513$/],
  ['vm create a --stop-grace 61m', /--stop-grace must be between 0 ms and 1 h, not 61 m$/],
  ['vm create a --timeout soon', /cannot read --timeout/, /30s or 5m/],
  ['vm create a --label x', /cannot read --label: "x" is not KEY=VALUE/],
  ['vm create a --type wm', /--type cannot be "wm"/, /did you mean vm\?/],
  ['vm create a --no-ha=yes', /--no-ha takes no value/],
  ['vm list -o xml', /-o cannot be "xml"/, /table, wide, json, yaml, name/],
  ['volume create v', /--size is missing/],
  ['completion tcsh', /SHELL cannot be "tcsh"/, /bash, zsh, fish/],
  ['vm console a --dry-run', /it has no option --dry-run/],
  ['--odd', /cannot run "remuda": it has no option --odd/, /remuda --help/],
  ['vm -x', /cannot run "remuda instance": it has no option -x/, /remuda instance --help/]
]
for (const [line, message, more] of mistakes) {
  test(`"${line}" is a mistake that is explained, with exit code 2`, async t => {
    const { code, output, errors } = await typeLine(line)
    t.is(code, 2)
    t.is(output, '')
    t.regex(errors.split('\n')[0]!, message)
    if (more) t.regex(errors, more)
    t.throws(() => readArguments(line.split(' '), table), { instanceOf: UsageFault })
  })
}

for (const [from, to, steps] of [
  ['list', 'list', 0],
  ['lsit', 'list', 1],
  ['lis', 'list', 1],
  ['instnace', 'instance', 1],
  ['stop', 'start', 3],
  ['', 'abc', 3]
] as const) {
  test(`from "${from}" to "${to}" are ${steps} slips, both ways`, t => {
    t.is(distance(from, to), steps)
    t.is(distance(to, from), steps)
  })
}

test('--version is taken for the command of that name', async t => {
  const { code, output } = await typeLine('--version', { server: 'unix:/nonexistent/sock' })
  t.is(code, 0)
  t.regex(output, /^remuda +\d/)
})

test('a word that is like none is not guessed at', t => {
  t.is(closest('xyzzy', ['list', 'show']), undefined)
  t.is(closest('cre', ['create', 'delete']), 'create')
})
