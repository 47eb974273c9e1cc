import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { isInstalled } from '#shared/process.ts'
import {
  loadSigningKeys,
  makeSigningKeys,
  publicKeyText,
  signatureProblem,
  signatureText
} from '#shared/signify.ts'

const signed = Buffer.from('what is signed')
const keys = makeSigningKeys()
const others = makeSigningKeys()
const publicKey = publicKeyText(keys)
const signature = signatureText(keys, signed)

const cases: readonly (readonly [string, Parameters<typeof signatureProblem>[0], RegExp | true])[] =
  [
    ['what was signed', { signed, signature, publicKey }, true],
    [
      'a public key without its comment',
      { signed, signature, publicKey: publicKey.split('\n')[1]! },
      true
    ],
    ['another text', { signed: Buffer.from('other'), signature, publicKey }, /changed after/],
    ['another key', { signed, signature, publicKey: publicKeyText(others) }, /by another key/],
    ['no signature', { signed, signature: '', publicKey }, /signature is none/],
    [
      'a signature cut short',
      { signed, signature: signature.slice(0, -20), publicKey },
      /signature is none/
    ],
    ['no key', { signed, signature, publicKey: 'nothing' }, /public key is none/]
  ]

for (const [what, check, expected] of cases) {
  test(`a signature ${expected === true ? 'holds' : 'does not hold'} with ${what}`, t => {
    const problem = signatureProblem(check)
    if (expected === true) t.is(problem, undefined)
    else t.regex(problem ?? '', expected)
  })
}

test('a key that claims the name of another does not pass for it', t => {
  const forged = { ...others, name: keys.name }
  t.regex(
    signatureProblem({ signed, signature: signatureText(forged, signed), publicKey }) ?? '',
    /does not fit/
  )
})

test('a pair is made once, kept in private, and refused when it was damaged', async t => {
  const folder = await mkdtemp(join(tmpdir(), 'remuda-signify-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const path = join(folder, 'image.key')
  const [first, second] = await Promise.all([loadSigningKeys(path), loadSigningKeys(path)])
  t.is(publicKeyText(first), publicKeyText(second))
  t.is((await stat(path)).mode & 0o777, 0o600)
  await writeFile(path, `untrusted comment: x\n${randomBytes(104).toString('base64')}\n`)
  await t.throwsAsync(loadSigningKeys(path), { message: /holds no secret key/ })
})

const signify = isInstalled('signify-openbsd') ? test : test.skip
signify('signify itself accepts our signatures, and signs with our keys', async t => {
  const folder = await mkdtemp(join(tmpdir(), 'remuda-signify-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const place = (name: string) => join(folder, name)
  const own = await loadSigningKeys(place('own.sec'))
  await writeFile(place('own.pub'), publicKeyText(own))
  await writeFile(place('text'), signed)
  await writeFile(place('text.sig'), signatureText(own, signed))
  const run = (...args: readonly string[]) => spawnSync('signify-openbsd', args).status
  const verify = ['-V', '-q', '-p', place('own.pub'), '-m', place('text'), '-x']
  t.is(run(...verify, place('text.sig')), 0)
  t.is(run('-S', '-s', place('own.sec'), '-m', place('text'), '-x', place('again.sig')), 0)
  t.is(run(...verify, place('again.sig')), 0)
  await writeFile(place('text'), 'something else')
  t.not(run(...verify, place('text.sig')), 0)
})
