import test from 'ava'
import fc from 'fast-check'
import { chooseColumns, sortFields } from '../../../tools/cli/output/columns.ts'
import { transferLine } from '../../../tools/cli/output/progress.ts'
import { renderTable } from '../../../tools/cli/output/table.ts'
import { typeOfField, valueAt, writeValue } from '../../../tools/cli/output/values.ts'
import { cut, displayWidth, pad, wrap } from '../../../tools/cli/output/width.ts'
import { readYamlDocuments, writeYaml } from '../../../tools/cli/output/yaml.ts'
import { oneLine, printable } from '../../../tools/cli/terminal.ts'

for (const [text, width] of [
  ['abc', 3],
  ['', 0],
  ['größe', 5],
  ['e\u0301', 1],
  ['日本', 4],
  ['한글', 4],
  ['🐎', 2],
  ['❤️', 2],
  ['a\u200bb', 2]
] as const) {
  test(`"${text}" takes ${width} columns`, t => t.is(displayWidth(text), width))
}

test('a text that is cut or padded fits, whatever is in it', t => {
  const text = fc.string({ unit: 'grapheme', maxLength: 40 }).map(oneLine)
  fc.assert(
    fc.property(text, fc.integer({ min: 0, max: 30 }), (any, columns) => {
      const short = cut(any, columns)
      t.true(displayWidth(short) <= columns)
      t.true(displayWidth(pad(short, columns)) >= columns)
    }),
    { numRuns: 300 }
  )
  t.is(cut('abcdef', 4), 'abc…')
  t.is(cut('日本語', 4), '日…')
})

test('columns are aligned, numbers on the right, and what is missing is -', t => {
  const text = renderTable(
    [{ title: 'NAME' }, { title: 'MEMORY', right: true }, { title: 'NOTE' }],
    [
      [{ text: '日本' }, { text: '128 MiB' }, { text: 'x' }],
      [{ text: 'b' }, { text: '' }, { text: 'two\nlines' }]
    ]
  )
  t.is(text, 'NAME   MEMORY  NOTE\n日本  128 MiB  x\nb           -  two lines\n')
})

test('a table is cut to the width of a terminal, at its widest column, and elsewhere never', t => {
  const columns = [{ title: 'NAME' }, { title: 'MESSAGE' }]
  const rows = [[{ text: 'web' }, { text: 'word '.repeat(40) }]]
  const cutToFit = renderTable(columns, rows, { width: 40 })
  t.true(cutToFit.split('\n').every(line => displayWidth(line) <= 40))
  t.regex(cutToFit, /^web {3}word .*…$/m)
  t.false(renderTable(columns, rows).includes('…'))
})

test('a column that keeps its width stays whole where others are cut', t => {
  const columns = [{ title: 'MAC', keeps: true }, { title: 'NAME' }, { title: 'AT', wraps: true }]
  const mac = '52:54:00:77:00:01'
  const rows = [[{ text: mac }, { text: 'a-rather-long-name' }, { text: 'in the first rack' }]]
  const text = renderTable(columns, rows, { width: 40 })
  t.true(text.split('\n').every(line => displayWidth(line) <= 40))
  t.regex(text, new RegExp(`^${mac}  a-.*…`, 'm'))
})

test('sentences go on in the next line before anything is cut', t => {
  const columns = [{ title: 'NAME' }, { title: 'MESSAGE', wraps: true }, { title: 'STATE' }]
  const rows = [
    [{ text: 'web' }, { text: 'it waits for a host that has room for it' }, { text: 'waits' }],
    [{ text: 'db' }, { text: 'runs' }, { text: 'ok' }]
  ]
  t.is(
    renderTable(columns, rows, { width: 40 }),
    [
      'NAME  MESSAGE                      STATE',
      'web   it waits for a host that     waits',
      '      has room for it',
      'db    runs                         ok',
      ''
    ].join('\n')
  )
  t.is(renderTable(columns, rows).split('\n').length, 4)
})

test('a text that is broken loses nothing, and its lines fit if its words do', t => {
  const words = fc.array(fc.stringMatching(/^[a-z日]{1,8}$/), { minLength: 1, maxLength: 20 })
  const holds = fc.property(words, fc.integer({ min: 16, max: 40 }), (all, columns) => {
    const lines = wrap(all.join(' '), columns)
    t.is(lines.join(' '), all.join(' '))
    t.true(lines.every(line => displayWidth(line) <= columns))
  })
  fc.assert(holds, { numRuns: 200 })
})

test('what an instance or a label says cannot move the cursor', t => {
  t.is(printable('a\u001b[2Jb\u0007c\rd\u009be'), 'ab\\x07cd\\x9be')
  t.is(oneLine('one\n\ttwo'), 'one two')
})

for (const [field, value, text] of [
  ['memoryMib', 128, '128 MiB'],
  ['memoryMib', 1536, '1.5 GiB'],
  ['sizeBytes', 900, '900 B'],
  ['sizeBytes', 3 * 2 ** 20, '3 MiB'],
  ['delayMsMax', 60_000, '60 s'],
  ['createdAt', '2026-11-20T09:57:00Z', '3 min'],
  ['shared', false, 'no'],
  ['controllerHeardMsAgo', 471.87053500000184, '472 ms'],
  ['load', 0.30000000000000004, '0.3'],
  ['vcpus', 4, '4'],
  ['host', undefined, ''],
  ['addresses', ['10.0.0.1', '10.0.0.2'], '10.0.0.1, 10.0.0.2']
] as const) {
  test(`the field ${field} with ${JSON.stringify(value)} is written "${text}"`, t => {
    t.is(writeValue(value, typeOfField(field), Date.parse('2026-11-20T10:00:00Z')), text)
  })
}

test('a value is found by its path, labels with dots and conditions by their type too', t => {
  const document = {
    spec: { a: { b: 1 } },
    labels: { 'app.io/name': 'x' },
    conditions: [{ type: 'ready', status: 'true' }]
  }
  t.is(valueAt(document, 'spec.a.b'), 1)
  t.is(valueAt(document, 'labels.app.io/name'), 'x')
  t.is(valueAt(document, 'conditions.ready'), 'true')
  t.is(valueAt(document, 'spec.x.y'), undefined)
})

test('columns are chosen, replaced and added to', t => {
  const names = (asked: string | undefined, wide = false, withTenant = false) =>
    chooseColumns('size', { wide, withTenant, asked }).map(column => column.name)
  t.deepEqual(names(undefined), ['name', 'vcpus', 'memory', 'age'])
  t.deepEqual(names(undefined, true, true), ['tenant', 'name', 'vcpus', 'memory', 'age', 'id'])
  t.deepEqual(names('name,spec.vcpus,labels.app'), ['name', 'vcpus', 'labels.app'])
  t.deepEqual(names('+labels'), ['name', 'vcpus', 'memory', 'age', 'labels'])
  const fault = t.throws(() => names('nmae'))
  t.is(fault?.message, 'cannot find the column "nmae"')
})

test('columns to sort by become the fields of the API', t => {
  t.is(sortFields('instance', '-memory,name,labels.app'), '-status.memoryMib,name,labels.app')
  t.is(sortFields('instance', undefined), 'name')
  t.is(sortFields('event', undefined), 'status.lastAt')
})

test('a transfer shows how much, how fast and how long still', t => {
  const line = transferLine({
    title: 'sending',
    doneBytes: 25 * 2 ** 20,
    totalBytes: 100 * 2 ** 20,
    elapsedMs: 1000
  })
  t.is(line, 'sending ██████░░░░░░░░░░░░░░░░░░ 25 %  25 MiB of 100 MiB, 25.0 MiB/s, 3 s left')
})

test('YAML is read as several documents, and mistakes have a line and a column', t => {
  const [first, second] = readYamlDocuments('a: 1\n---\nb:\n  c: [x]\n---\n', 'f.yaml')
  t.deepEqual([first?.value, second?.value], [{ a: 1 }, { b: { c: ['x'] } }])
  t.is(second?.positionOf(['b', 'c', '0']), '4:7')
  t.is(second?.positionOf(['b', 'nothing']), '3:1')
  const fault = t.throws(() => readYamlDocuments('a: 1\nb: [x\n', 'f.yaml')) as Error & {
    reasons: readonly string[]
  }
  t.is(fault.message, 'cannot read f.yaml: it is not YAML')
  t.regex(fault.reasons[0]!, /^f\.yaml:3:1: /)
})

test('a place in YAML is where a name stands, also behind an alias or a key that is no text', t => {
  const text = 'a: &x\n  b/c: [{d: 1}]\ne: *x\n7:\n  - f\n'
  const [document] = readYamlDocuments(text, 'f.yaml')
  const places: readonly (readonly [readonly string[], string])[] = [
    [[], '1:1'],
    [['a'], '1:1'],
    [['a', 'b/c', '0', 'd'], '2:10'],
    [['e'], '3:1'],
    [['e', 'b/c', '0', 'd'], '2:10'],
    [['7', '0'], '5:5'],
    [['7', '1'], '4:1'],
    [['nothing'], '1:1']
  ]
  for (const [path, place] of places) t.is(document?.positionOf(path), place, path.join('.'))
})

test('YAML that blows itself up by aliases is refused', t => {
  const levels = Array.from({ length: 9 }, (_, level) =>
    level === 0
      ? 'a0: &a0 [x, x, x, x, x, x, x, x, x]'
      : `a${level}: &a${level} [${Array(9)
          .fill(`*a${level - 1}`)
          .join(', ')}]`
  )
  t.throws(() => readYamlDocuments(levels.join('\n'), 'f.yaml'), {
    message: 'cannot read f.yaml'
  })
})

test('what is written as YAML is read back the same', t => {
  const value = { text: 'line\nline\n', number: '0123', yes: 'yes', list: [], none: null }
  t.deepEqual(readYamlDocuments(writeYaml(value), 'f')[0]?.value, value)
})
