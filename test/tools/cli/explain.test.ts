import test from 'ava'
import { typeLine } from './type-line.ts'

test('a kind is explained field by field, without a controller', async t => {
  const { code, output, errors } = await typeLine('explain size')
  t.deepEqual([code, errors], [0, ''])
  t.is(
    output,
    'size: A named shape: so many processors, so much memory.\n\n' +
      'FIELD      TYPE     UNIT   DEFAULT   BOUNDS\n' +
      'vcpus      integer  count  required  between 1 and 512\n    Virtual processors.\n' +
      'memoryMib  integer  MiB    required  between 16 and 16777216\n    Memory.\n'
  )
})

test('with -o wide each field has one line, with all of it', async t => {
  const { output } = await typeLine('explain volume -o wide')
  t.regex(output, /^pool +name +- +local +- +Pool that it lives in\.$/m)
})

test('as JSON and YAML it is the same for programs, and names are those that it takes', async t => {
  const json = await typeLine('explain vm.restart.policy -o json')
  const { kind, fields } = JSON.parse(json.output) as {
    readonly kind: string
    readonly fields: readonly object[]
  }
  t.is(kind, 'instance')
  t.is(fields.length, 1)
  t.like(fields[0], {
    name: 'restart.policy',
    type: 'text',
    words: ['always', 'on-failure', 'never'],
    default: 'always'
  })
  t.regex((await typeLine('explain size -o yaml')).output, /^ {4}maximum: 512$/m)
  t.is((await typeLine('explain size -o name')).output, 'size.vcpus\nsize.memoryMib\n')
})

const heads: readonly (readonly [asked: string, said: RegExp])[] = [
  ['instance.memoryMib', /^instance\.memoryMib: Memory\.\nIt is set by --memory of "remuda inst/],
  ['vms.spec.memoryMib', /^instance\.memoryMib: /],
  ['instance.ports.0.network', /^instance\.ports\[\]\.network: .*\nIt is set by --network of /],
  ['instance.ports', /^ports\[\]\.address +text +- +- +IPv4 address$/m],
  ['instance.ports', /^ports +list +- +\[\{network: default\}\] +at most 16 items$/m],
  ['instance.restarts', /^It is set in a file for apply\.$/m],
  ['subnet.cidr', /^It must match .*\nIt is set by --cidr of "remuda subnet create"\.$/m],
  ['tenant.description', /^description +text +- +"" +at most 1024 characters$/m]
]
for (const [asked, said] of heads) {
  test(`explain ${asked} says ${said.source}`, async t => {
    t.regex((await typeLine(`explain ${asked}`)).output, said)
  })
}

const mistakes: readonly (readonly [asked: string, said: RegExp])[] = [
  ['instanc', /cannot find the kind "instanc"\n(.*\n)*.*did you mean "instance"\?/],
  [
    'instance.memory',
    /cannot find the field "memory" of the kind instance\n(.*\n)*.*"instance\.memoryMib"\?/
  ],
  ['size.xyzzy', /why {3}it has vcpus, memoryMib\n$/]
]
for (const [asked, said] of mistakes) {
  test(`explain ${asked} is a mistake that is explained, with exit code 2`, async t => {
    const { code, errors } = await typeLine(`explain ${asked}`)
    t.is(code, 2)
    t.regex(errors, said)
  })
}

test('on a narrow terminal meanings are broken between words, not cut', async t => {
  const { output } = await typeLine('explain instance.restart --no-color', {
    terminal: { columns: 60 }
  })
  const words = output.split(/\s+/).join(' ')
  t.true(words.includes('started again: always, only after a crash or an ending by force, or'))
})
