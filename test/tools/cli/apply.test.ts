import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import test from 'ava'
import { FakeApi, problem } from '../../world/fake-api.ts'
import { typeLine } from './type-line.ts'

const cloud = `# comments are welcome
kind: instance
name: web
labels: {app: x}
spec:
  image: debian
  size: small
  ports:
    - network: back
---
kind: network
name: back
---
kind: size
name: small
spec: {vcpus: 1, memoryMib: 512}
`

test('a file in any order is written in the order of its references', async t => {
  await using api = await FakeApi.start()
  const { code, output } = await typeLine('apply -f -', { server: api.url, input: cloud })
  t.is(code, 0)
  t.is(output, 'size/small created\nnetwork/back created\ninstance/web created\n')
})

test('instances are written after those that they come after', async t => {
  await using api = await FakeApi.start()
  const input = ['web: [app]', 'app: [db]', 'db: []', 'round: [about]', 'about: [round]']
    .map(line => line.split(': '))
    .map(([name, after]) => `kind: instance\nname: ${name}\nspec: {image: x, after: ${after}}\n`)
    .join('---\n')
  const { output } = await typeLine('apply -f - -o name', { server: api.url, input })
  const names = output
    .trim()
    .split('\n')
    .map(line => line.replace('instance/', ''))
  t.deepEqual(names, ['db', 'app', 'web', 'about', 'round'])
})

test('applied again it changes nothing, and a change is one', async t => {
  await using api = await FakeApi.start()
  await typeLine('apply -f -', { server: api.url, input: cloud })
  const again = await typeLine('apply -f -', { server: api.url, input: cloud })
  t.is(again.output, 'size/small unchanged\nnetwork/back unchanged\ninstance/web unchanged\n')
  const input = cloud.replace('512', '1024').replace('{app: x}', '{app: y}')
  const changed = await typeLine('apply -f - -o json', { server: api.url, input })
  t.deepEqual(
    (JSON.parse(changed.output) as { result: string }[]).map(one => one.result),
    ['changed', 'unchanged', 'changed']
  )
  t.is(api.asked.at(-1)?.headers['if-match'], '"3"')
})

test('a dry run of it writes nothing', async t => {
  await using api = await FakeApi.start()
  const { output } = await typeLine('apply -f - --dry-run', { server: api.url, input: cloud })
  t.regex(output, /^size\/small created \(dry run\)\n {2}because host h1 has most room\n/)
  t.is(api.resources.all('instance').length, 0)
})

test('one that fails does not stop the others, and its place in the file is told', async t => {
  await using api = await FakeApi.start()
  api.intercept = ({ path: asked, method }) =>
    method === 'POST' && asked === '/v1/sizes'
      ? problem(422, 'invalid', 'cannot accept the body', {
          errors: [{ pointer: '/spec/memoryMib', detail: 'must be at least 16, not 1' }]
        })
      : undefined
  const { code, output, errors } = await typeLine('apply -f -', { server: api.url, input: cloud })
  t.is(code, 1)
  t.is(output, 'network/back created\ninstance/web created\n')
  t.regex(errors, /why {3}<input>:16:18: spec\.memoryMib: must be at least 16, not 1/)
})

test('somebody who was faster is looked at once more', async t => {
  await using api = await FakeApi.start()
  const size = { kind: 'size', name: 'small' } as const
  api.resources.put(size, { spec: { vcpus: 1, memoryMib: 64 } })
  let raced = false
  api.intercept = ({ method }) => {
    if (method === 'PUT' && !raced) {
      raced = true
      api.resources.put(size, { spec: { vcpus: 2, memoryMib: 64 } })
    }
    return undefined
  }
  const { code, output } = await typeLine('apply -f -', {
    server: api.url,
    input: 'kind: size\nname: small\nspec: {vcpus: 4, memoryMib: 64}\n'
  })
  t.deepEqual([code, output], [0, 'size/small changed\n'])
  t.like(api.resources.find(size)?.spec, { vcpus: 4 })
})

const mistakes: readonly (readonly [input: string, said: RegExp])[] = [
  ['kind: instance\nnam: a\n', /cannot read <input>:2:1: .* no field "nam"\n.*did you mean "name"/],
  ['kind: instanc\nname: a\n', /cannot read <input>:1:1: there is no kind "instanc"/],
  ['name: a\n', /cannot read <input>:1:1: the field "kind" is missing/],
  ['kind: size\n', /the field "name" is missing/],
  ['kind: size\nname: a\nspec: [1]\n', /cannot read <input>:3:1: a spec is names with values/],
  ['kind: [\n', /it is not YAML\n {2}why {3}<input>:2:1: /],
  ['kind: size\nname: a\nname: b\n', /why {3}<input>:3:1: Map keys must be unique/],
  ['kind: size\nname: a\nspec: *big\n', /why {3}<input>:3:7: nothing before it is named &big/],
  ['- 1\n', /cannot read <input>:1:3: a document is a list of fields/],
  [
    'kind: size\nname: a\n---\nkind: size\nname: a\n',
    /it stands at <input>:2:1 and at <input>:5:1/
  ],
  ['# nothing\n', /cannot find a document in <input>/]
]
for (const [input, said] of mistakes) {
  test(`a file with ${JSON.stringify(input)} is refused before anything is written`, async t => {
    await using api = await FakeApi.start()
    const { code, errors } = await typeLine('apply -f -', { server: api.url, input })
    t.true(code === 1 || code === 2)
    t.regex(errors, said)
    t.is(api.asked.length, 0)
  })
}

test('differences are shown field by field, and only --exit-code makes them count', async t => {
  await using api = await FakeApi.start()
  await typeLine('apply -f -', { server: api.url, input: cloud })
  const same = await typeLine('diff -f - --exit-code', { server: api.url, input: cloud })
  t.deepEqual([same.code, same.output], [0, ''])
  t.is(same.errors, '0 new, 0 changed, 3 unchanged\n')
  const input = cloud
    .replace('image: debian', 'image: alpine\n  userData: "#!/bin/sh\\necho hello"')
    .replace('{app: x}', '{}')
    .replace('name: small', 'name: large')
  const changed = await typeLine('diff -f -', { server: api.url, input })
  t.is(changed.code, 0)
  t.is(
    changed.output,
    '+ size/large\n  + spec.vcpus: 1\n  + spec.memoryMib: 512\n' +
      '~ instance/web\n  - labels.app: "x"\n  ~ spec.image: "debian" → "alpine"\n' +
      '  + spec.userData: "#!/bin/sh\\necho hello"\n'
  )
  t.is((await typeLine('diff -f - --exit-code', { server: api.url, input })).code, 8)
})

test('what is exported can be applied, and changes nothing', async t => {
  await using api = await FakeApi.start()
  await typeLine('apply -f -', { server: api.url, input: cloud })
  const volume = { kind: 'volume', name: 'web-root' } as const
  api.resources.put(volume, { spec: { sizeMib: 1 }, status: { instance: 'web' } })
  api.resources.put(
    { kind: 'volume', name: 'extra' },
    { spec: { pool: 'local', format: 'qcow2', sizeMib: 1 } }
  )
  const { output, errors } = await typeLine('export', { server: api.url })
  t.is(errors, '4 resources exported\n')
  t.is(
    output,
    'kind: size\nname: small\nspec:\n  vcpus: 1\n  memoryMib: 512\n' +
      '---\nkind: network\nname: back\ntenant: default\nspec: {}\n' +
      '---\nkind: volume\nname: extra\ntenant: default\nspec:\n  sizeMib: 1\n' +
      '---\nkind: instance\nname: web\ntenant: default\nlabels:\n  app: x\nspec:\n' +
      '  image: debian\n  size: small\n  ports:\n    - network: back\n'
  )
  const again = await typeLine('apply -f -', { server: api.url, input: output })
  t.regex(again.output, /instance\/web unchanged/)
  const list = await typeLine('get instances -o yaml', { server: api.url })
  const fromList = await typeLine('apply -f -', { server: api.url, input: list.output })
  t.is(fromList.output, 'instance/web unchanged\n')
})

test('restarts that were made are no wish: a file neither shows nor takes them back', async t => {
  await using api = await FakeApi.start()
  const web = { kind: 'instance', name: 'web' } as const
  api.resources.wish(web, { spec: { image: 'debian', memoryMib: 64, restarts: 2 }, labels: {} })
  const { output } = await typeLine('export instance', { server: api.url })
  t.notRegex(output, /restarts/)
  const line = 'diff -f - --exit-code'
  t.is((await typeLine(line, { server: api.url, input: output })).code, 0)
  const asked = output.replace('spec:\n', 'spec:\n  restarts: 3\n')
  const changed = await typeLine(line, { server: api.url, input: asked })
  t.is(changed.output, '~ instance/web\n  ~ spec.restarts: 2 → 3\n')
})

test('a tenant in the file and another one on the command line do not go together', async t => {
  await using api = await FakeApi.start()
  const input = 'kind: volume\nname: v\ntenant: acme\nspec: {sizeMib: 1}\n'
  t.is((await typeLine('apply -f - --tenant other', { server: api.url, input })).code, 2)
  const environment = { REMUDA_TENANT: 'other' }
  const applied = await typeLine('apply -f -', { server: api.url, input, environment })
  t.is(applied.output, 'volume/acme/v created\n')
  t.is(api.asked.at(-1)?.query.get('tenant'), 'acme')
})

const makeFile = (
  t: { teardown: (act: () => void) => void },
  name: string,
  content: Buffer
): string => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'remuda-cli-'))
  t.teardown(() => fs.rmSync(folder, { recursive: true, force: true }))
  const file = path.join(folder, name)
  fs.writeFileSync(file, content)
  return file
}

const qcow2 = Buffer.concat([Buffer.from('QFI\u00fb', 'latin1'), Buffer.alloc(300_000, 7)])

test('an image is hashed, described and sent', async t => {
  await using api = await FakeApi.start()
  const file = makeFile(t, 'debian.img', qcow2)
  const typed = await typeLine(['image', 'import', 'debian', '--file', file], { server: api.url })
  t.is(typed.code, 0, typed.errors)
  t.regex(typed.output, /^image\/debian imported: ready/)
  const image = api.resources.find({ kind: 'image', name: 'debian' })
  t.like(image?.spec, { format: 'qcow2', type: 'vm', sha256: api.uploads.get('debian') })
})

test('an upload that broke off is taken up by the same command', async t => {
  await using api = await FakeApi.start()
  const file = makeFile(t, 'debian.img', qcow2)
  const line = ['image', 'import', 'debian', '--file', file]
  api.intercept = ({ path: asked }) => (asked.endsWith('/content') ? 'cut' : undefined)
  t.is((await typeLine(line, { server: api.url })).code, 6)
  api.intercept = () => undefined
  t.regex((await typeLine(line, { server: api.url })).output, /image\/debian imported: ready/)
  t.regex((await typeLine(line, { server: api.url })).output, /image\/debian unchanged: ready/)
  const other = makeFile(t, 'other.img', Buffer.alloc(512, 'other'))
  const taken = await typeLine(['image', 'import', 'debian', '--file', other], { server: api.url })
  t.is(taken.code, 4)
})

test('an image that is not what it should be is not sent', async t => {
  await using api = await FakeApi.start()
  const file = makeFile(t, 'a', Buffer.from('x'))
  const wrong = await typeLine(['image', 'import', 'a', '--file', file, '--sha256', '00'], {
    server: api.url
  })
  t.is(wrong.code, 2)
  t.regex(wrong.errors, /it hashes to 2d711642/)
  t.is((await typeLine('image import a', { server: api.url })).code, 2)
  t.is((await typeLine('image import a --file /nonexistent', { server: api.url })).code, 1)
  t.is(api.asked.length, 0)
})

test('what is neither qcow2 nor tar nor whole sectors is no image', async t => {
  await using api = await FakeApi.start()
  const file = makeFile(t, 'passwd', Buffer.from('root:x:0:0\n'))
  const { code, errors } = await typeLine(['image', 'import', 'a', '--file', file], {
    server: api.url
  })
  t.is(code, 2)
  t.regex(errors, /^error: cannot import .*passwd: it is no disk$/m)
  t.regex(errors, /a raw disk is made of sectors of 512 bytes, and this has 11 bytes$/m)
  t.is(api.asked.length, 0)
})

test('on a terminal hashing and sending show a bar', async t => {
  await using api = await FakeApi.start()
  const file = makeFile(t, 'a', qcow2)
  const { errors } = await typeLine(['image', 'import', 'a', '--file', file], {
    server: api.url,
    terminal: { columns: 100 }
  })
  t.regex(errors, /hashing █+░* \d+ % /)
  t.regex(errors, /sending .* MiB\/s/)
})
