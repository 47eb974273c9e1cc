/** One schema for each kind: the command line says and takes what the model says, and no more. */
import fs from 'node:fs'
import path from 'node:path'
import test from 'ava'
import { type Kind, kindNames, kinds } from '#shared/model/index.ts'
import { validator, withDefaults } from '#shared/model/validate.ts'
import { type Command, nameOf, type Option } from '../../../tools/cli/command.ts'
import {
  type Field,
  type FieldName,
  fieldNamed,
  fieldsOf,
  rangeOf,
  splitField,
  writeExactly
} from '../../../tools/cli/field.ts'
import { allCommands } from '../../../tools/cli/table.ts'
import { fieldModules } from '../../../tools/docs/fields.ts'
import { FakeApi } from '../../world/fake-api.ts'
import { typeLine } from './type-line.ts'

const root = path.join(import.meta.dirname, '..', '..', '..')
const creatable = kindNames.filter(kind => kinds[kind].creatable)

test('the fields are as they are made from the model', t => {
  for (const { file, text } of fieldModules) {
    t.is(fs.readFileSync(path.join(root, file), 'utf8'), text(), `${file}: run npm run docs`)
  }
  const kept = fs.readdirSync(path.join(root, 'tools/cli/fields')).map(name => name.slice(0, -3))
  t.deepEqual(kept.toSorted(), kindNames.toSorted())
})

test('each field has a meaning, and its unit beside it', t => {
  for (const kind of kindNames) {
    for (const [name, { doc }] of Object.entries(fieldsOf(kind).spec)) {
      t.regex(doc, /^\S.*[.…]$/, `${kind}.${name}`)
      t.notRegex(doc, /Unit:/, `${kind}.${name}`)
    }
  }
})

/** A value that a field takes. */
function sampleOf({ type, words, minimum, format, pattern, default: fallback }: Field): unknown {
  if (words !== undefined) return words.find(word => word !== fallback) ?? words[0]
  if (type === 'boolean') return fallback !== true
  if (type === 'integer' || type === 'number') return Math.max(minimum ?? 0, 1)
  if (format === 'ipv4') return '10.1.0.5'
  const samples = ['a', '/srv/a', '10.1.0.0/24', 'https://example.org/a', 'a'.repeat(64)]
  return samples.find(sample => new RegExp(pattern ?? '').test(sample))
}

/** What is within a field that may be left out must be given only with it. */
const requiredOf = (kind: Kind): readonly (readonly [string, Field])[] =>
  Object.entries(fieldsOf(kind).spec).filter(
    ([name, field]) => field.required && !name.includes('[]') && !name.includes('.')
  )

for (const kind of kindNames) {
  const needed = Object.fromEntries(
    requiredOf(kind).map(([name, field]) => [name, sampleOf(field)])
  )
  const problemsOf = (spec: object) =>
    validator(kinds[kind].spec)(withDefaults(kinds[kind].spec, spec))

  test(`of ${kind} exactly the fields that must be given are said to be required`, t => {
    t.deepEqual(problemsOf(needed), [])
    for (const name of Object.keys(needed)) {
      const { [name]: _, ...rest } = needed
      t.deepEqual(problemsOf(rest), [{ pointer: `/${name}`, detail: `"${name}" is missing` }])
    }
  })

  const limited = Object.entries(fieldsOf(kind).spec).filter(
    ([name, { type, maximum }]) =>
      type === 'integer' && maximum !== undefined && !name.includes('[]')
  ) as readonly (readonly [string, Field & { readonly maximum: number }])[]
  if (limited.length === 0) continue

  test(`of ${kind} the limits are those that the API names`, t => {
    for (const [name, field] of limited) {
      const [outer = '', inner] = name.split('.')
      const above = field.maximum + 1
      const spec = { ...needed, [outer]: inner === undefined ? above : { [inner]: above } }
      // What else an inner field needs is missing here; that is told as well.
      const found = problemsOf(spec).filter(({ detail }) => !detail.endsWith(' is missing'))
      t.deepEqual(found, [
        {
          pointer: `/${name.replaceAll('.', '/')}`,
          detail: `must be ${rangeOf(field)}, not ${above}`
        }
      ])
    }
  })
}

const createOf = (kind: Kind): Command =>
  allCommands.find(
    ({ noun, verb, aliases }) => noun === kind && [verb, ...(aliases ?? [])].includes('create')
  )!

/** Fields that no option of the command that creates the kind sets, and why. */
const byFileOnly: Readonly<Partial<Record<FieldName, string>>> = {
  'network.driver': 'there is only one',
  'pool.heartbeats': 'on by itself, and off only where nothing may be written for no instance',
  'instance.restart.delayMsMin': 'a matter of care, and the defaults serve most',
  'instance.restart.delayMsMax': 'the same',
  'instance.restart.resetMs': 'the same',
  'instance.restarts': 'the command restart raises it',
  'instance.migration.bandwidthMib': 'a matter of the lines: whoever has it moved says it',
  'instance.migration.postCopy': 'the same, and of care',
  'instance.failedRunsMax': 'a matter of care, and the defaults serve most',
  'instance.failedHostsMax': 'the same',
  'instance.coldStart': 'for the few that a cloud itself needs after a power cut'
}

const isWithin = (inner: string, outer: string): boolean =>
  inner === outer || inner.startsWith(`${outer}.`) || inner.startsWith(`${outer}[]`)

for (const kind of creatable) {
  test(`each field of ${kind} is set by an option, or by file only for a reason`, t => {
    const options = (createOf(kind).options ?? []).flatMap(({ field }) => field ?? [])
    for (const path of Object.keys(fieldsOf(kind).spec)) {
      const name = `${kind}.${path}` as FieldName
      const isReached = options.some(field => isWithin(field, name) || isWithin(name, field))
      t.is(isReached, byFileOnly[name] === undefined, name)
    }
  })
}

test('what is set by file only are fields that there are', t => {
  for (const name of Object.keys(byFileOnly)) {
    const { kind, path } = splitField(name as FieldName)
    t.true(path in fieldsOf(kind).spec, name)
  }
})

/** Options whose value is not yet that of their field: files, pairs, and what is worked out. */
const readByCommand = [
  'apart',
  'with',
  'device',
  'host-label',
  'ssh-key',
  'user-data',
  'network',
  'address',
  'file',
  'url',
  'sha256'
]

const sampleTyped = (option: Option): readonly string[] => {
  const field = fieldNamed(option.field!)
  const inner = field.type === 'list' ? fieldNamed(`${option.field}[]` as FieldName) : field
  if (option.type === 'flag') return [`--${option.name}`]
  const sample = sampleOf(inner)
  const text = typeof sample === 'number' ? writeExactly(sample, inner.unit) : String(sample)
  return [`--${option.name}`, text]
}

for (const command of creatable.map(createOf)) {
  const options = (command.options ?? []).filter(
    ({ field, name }) =>
      field !== undefined &&
      splitField(field).kind === command.noun &&
      (command.noun === 'subnet' || !readByCommand.includes(name))
  )
  for (const option of options) {
    const { path } = splitField(option.field!)
    test(`--${option.name} of ${nameOf(command)} sets ${path}, and nothing else`, async t => {
      await using api = await FakeApi.start()
      const required = options.filter(one => one.required && one !== option)
      const line = [command.noun!, 'create', 'x', ...required.flatMap(sampleTyped)]
      const from = command.noun === 'image' ? ['--url', 'https://example.org/x'] : []
      const bodyOf = async (words: readonly string[]) => {
        api.asked.length = 0
        const { code, errors } = await typeLine([...line, ...from, ...words, '--dry-run'], {
          server: api.url
        })
        t.is(code, 0, errors)
        const asked = api.asked.find(({ method }) => method === 'POST')!
        return (JSON.parse(asked.body.toString()) as { readonly spec: object }).spec
      }
      const field = fieldNamed(option.field!)
      const isList = field.type === 'list'
      const one = sampleOf(isList ? fieldNamed(`${option.field}[]` as FieldName) : field)
      const value = isList ? [one] : one
      const [outer = '', inner] = path.split('.')
      const expected = { [outer]: inner === undefined ? value : { [inner]: value } }
      const without = option.required ? {} : await bodyOf([])
      const others = Object.fromEntries(
        required.map(({ field: name }) => [splitField(name!).path, sampleOf(fieldNamed(name!))])
      )
      t.deepEqual(await bodyOf(sampleTyped(option)), { ...others, ...without, ...expected })
    })
  }
}

for (const [value, unit, text] of [
  [16, 'MiB', '16 MiB'],
  [16 * 2 ** 20, 'MiB', '16 TiB'],
  [16 * 2 ** 20 + 1, 'MiB', '16777217 MiB'],
  [1536, 'MiB', '1536 MiB'],
  [90_000, 'ms', '90 s'],
  [0, 'ms', '0 ms'],
  [1500, undefined, '1500'],
  [1500, 'bytes', '1500']
] as const) {
  test(`${value} ${unit ?? 'of a count'} is written as ${text}, with nothing lost`, t => {
    t.is(writeExactly(value, unit), text)
  })
}
