/** Versions of the host image on this machine, as they are checked and built by hand. */
import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { hostImageManifestText, versionOfHostImage } from '#shared/host-image-version.ts'
import { makeSigningKeys, publicKeyText, signatureText } from '#shared/signify.ts'
import { typeLine } from './type-line.ts'

const contents = { vmlinuz: 'kernel', initrd: 'first stage', 'root.squashfs': 'root' }
const part = (content: string) => ({
  bytes: content.length,
  sha256: createHash('sha256').update(content).digest('hex')
})

/** A state folder with one version and the key that signed it. */
async function stateWith(t: ExecutionContext): Promise<{
  readonly state: string
  readonly folder: string
  readonly version: string
}> {
  const state = await mkdtemp(join(tmpdir(), 'remuda-image-'))
  t.teardown(() => rm(state, { recursive: true, force: true }))
  const keys = makeSigningKeys()
  const content = {
    ...{ format: 1 as const, architecture: 'x86_64' as const, profile: 'minimal' as const },
    ...{ kernel: '6.1.0-1-amd64', remuda: '0.1.0' },
    files: {
      vmlinuz: part(contents.vmlinuz),
      initrd: part(contents.initrd),
      'root.squashfs': part(contents['root.squashfs'])
    }
  }
  const version = versionOfHostImage(content)
  const folder = join(state, 'bootd/images', version)
  await mkdir(folder, { recursive: true })
  await writeFile(join(state, 'bootd/image.pub'), publicKeyText(keys))
  for (const [name, text] of Object.entries(contents)) await writeFile(join(folder, name), text)
  const text = hostImageManifestText({ ...content, version })
  await writeFile(join(folder, 'manifest.json'), text)
  await writeFile(join(folder, 'manifest.json.sig'), signatureText(keys, Buffer.from(text)))
  return { state, folder, version }
}

test('a version that is whole is said to be, by the key in the state folder', async t => {
  const { state, folder, version } = await stateWith(t)
  const line = `host-image verify ${folder} --state ${state}`
  const { code, output, errors } = await typeLine(line)
  t.is(code, 0, errors)
  t.is(output, `ok    ${version} is whole and rightly signed\n`)
  const raw = await typeLine(`${line} -o json`)
  t.like(JSON.parse(raw.output), { folder, problems: [] })
})

test('a version that is not ends with 1 and each thing that is wrong', async t => {
  const { state, folder } = await stateWith(t)
  await truncate(join(folder, 'root.squashfs'), 2)
  await rm(join(folder, 'vmlinuz'))
  const { code, output } = await typeLine(`host-image verify ${folder} --state ${state}`)
  t.is(code, 1)
  t.regex(output, /^fail {2}vmlinuz is missing/m)
  t.regex(output, /^fail {2}root\.squashfs has 2 bytes, not 4/m)
})

test('without a public key nothing can be said', async t => {
  const { state, folder } = await stateWith(t)
  await rm(join(state, 'bootd/image.pub'))
  const { code, errors } = await typeLine(`host-image verify ${folder} --state ${state}`)
  t.is(code, 3)
  t.regex(errors, /cannot read the public key .*image\.pub/)
})

test('no secret key is made up to build a version once more', async t => {
  const { state, folder } = await stateWith(t)
  const line = `host-image verify ${folder} --rebuild --state ${state}`
  const { code, errors } = await typeLine(line)
  t.is(code, 3)
  t.regex(errors, /no secret key lies beside/)
})
