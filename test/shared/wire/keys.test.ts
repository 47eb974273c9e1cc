import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import fc from 'fast-check'
import { readPrivateFile, writePrivateFile } from '#shared/private-file.ts'
import { loadKeys, makeKeys, publicKeyOf } from '#shared/wire/keys.ts'
import { fromZ85, isKey, toZ85 } from '#shared/wire/z85.ts'

async function folder(t: ExecutionContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'remuda-keys-'))
  t.teardown(() => rm(path, { recursive: true }))
  return path
}

test('the first start makes keys in a file that only its owner can read', async t => {
  const path = join(await folder(t), 'state', 'agent.key')
  const keys = await loadKeys(path)
  t.true(isKey(keys.publicKey) && isKey(keys.secretKey))
  t.is((await stat(path)).mode & 0o777, 0o600)
  t.deepEqual(await readdir(join(path, '..')), ['agent.key'])
})

test('a later start has the same keys', async t => {
  const path = join(await folder(t), 'agent.key')
  t.deepEqual(await loadKeys(path), await loadKeys(path))
})

test('programs that start at once get the same keys', async t => {
  const path = join(await folder(t), 'agent.key')
  const all = await Promise.all(Array.from({ length: 8 }, () => loadKeys(path)))
  for (const keys of all) t.deepEqual(keys, all[0])
  t.deepEqual(await readdir(join(path, '..')), ['agent.key'])
})

for (const mode of [0o644, 0o640, 0o604, 0o620, 0o666]) {
  const text = `0${mode.toString(8)}`
  test(`a key file of mode ${text} is refused, with what to do`, async t => {
    const path = join(await folder(t), 'agent.key')
    await loadKeys(path)
    await chmod(path, mode)
    const fault = await t.throwsAsync(loadKeys(path), {
      code: 'forbidden',
      message: `cannot use ${path}: its mode is ${text}, so others can read or write it`
    })
    t.deepEqual((fault as { next?: unknown }).next, [
      `look who has read it, then: chmod 600 ${path}`
    ])
  })
}

const pair = makeKeys()
const other = makeKeys()
for (const [what, text, because] of [
  ['is empty', '', 'it does not hold two CURVE keys'],
  ['is no JSON', '{', 'it does not hold two CURVE keys'],
  ['holds null', 'null', 'it does not hold two CURVE keys'],
  ['holds half a pair', JSON.stringify({ publicKey: pair.publicKey }), 'two CURVE keys'],
  ['holds a key cut short', JSON.stringify({ ...pair, secretKey: 'abc' }), 'two CURVE keys'],
  [
    'holds keys of two pairs',
    JSON.stringify({ ...pair, publicKey: other.publicKey }),
    'its two keys do not fit each other'
  ]
] as const) {
  test(`a key file that ${what} is refused and left as it is`, async t => {
    const path = join(await folder(t), 'agent.key')
    await writeFile(path, text, { mode: 0o600 })
    const fault = await t.throwsAsync(loadKeys(path), { code: 'corrupt' })
    t.true(fault.message.endsWith(because), fault.message)
    t.false(fault.message.includes(pair.secretKey))
    t.is(await readFile(path, 'utf8'), text)
  })
}

test('a folder in place of a key file is refused', async t => {
  await t.throwsAsync(loadKeys(await folder(t)), { code: 'corrupt' })
})

test('a key file that cannot be written is told with its cause', async t => {
  const path = join(await folder(t), 'file')
  await writeFile(path, '')
  await t.throwsAsync(loadKeys(join(path, 'agent.key')), {
    code: 'storage',
    message: `cannot read ${join(path, 'agent.key')}`
  })
})

test('a private file that is written again has the new text and no company', async t => {
  const path = join(await folder(t), 'admission')
  t.is(await readPrivateFile(path), undefined)
  await writePrivateFile(path, 'one')
  await writePrivateFile(path, 'two')
  t.is(await readPrivateFile(path), 'two')
  t.is((await stat(path)).mode & 0o777, 0o600)
  t.deepEqual(await readdir(join(path, '..')), ['admission'])
})

test('Z85 is written and read as the example in ZeroMQ RFC 32', t => {
  const bytes = new Uint8Array([0x86, 0x4f, 0xd2, 0x6f, 0xb5, 0x59, 0xf7, 0x5b])
  t.is(toZ85(bytes), 'HelloWorld')
  t.deepEqual(fromZ85('HelloWorld'), bytes)
})

test('bytes written as Z85 are read again', t => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ minLength: 4, maxLength: 4 })), groups => {
      const bytes = new Uint8Array(groups.flatMap(group => [...group]))
      t.deepEqual(fromZ85(toZ85(bytes)), bytes)
    })
  )
})

for (const text of ['abcd', 'abc"e', '#####', 'abcdé']) {
  test(`${text} is no Z85`, t => {
    t.throws(() => fromZ85(text), { code: 'invalid' })
    t.false(isKey(text))
  })
}

test('a public key follows from its secret one, as in the test of ZeroMQ RFC 26', t => {
  const secretKey = 'JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6'
  t.is(publicKeyOf(secretKey), 'rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7')
})
