import { createHash } from 'node:crypto'
import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { hostImageManifestText, versionOfHostImage } from '#shared/host-image-version.ts'
import { makeSigningKeys, publicKeyText, signatureText } from '#shared/signify.ts'
import { buildHostImage } from '../../../tools/host-image/build.ts'
import { fields } from '../../../tools/host-image/modules.ts'
import { trimmed } from '../../../tools/host-image/packages.ts'
import { checkHostImage, differences } from '../../../tools/host-image/verify.ts'

const keys = makeSigningKeys()
const publicKey = publicKeyText(keys)
const contents = { vmlinuz: 'kernel', initrd: 'first stage', 'root.squashfs': 'root' }

const part = (content: string) => ({
  bytes: content.length,
  sha256: createHash('sha256').update(content).digest('hex')
})

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

async function sign(folder: string, text: string, by = keys): Promise<void> {
  await writeFile(join(folder, 'manifest.json'), text)
  await writeFile(join(folder, 'manifest.json.sig'), signatureText(by, Buffer.from(text)))
}

const whole = hostImageManifestText({ ...content, version })

type Row = readonly [string, (folder: string) => Promise<void>, readonly RegExp[]]

const rows: readonly Row[] = [
  ['as it was signed', async () => {}, []],
  ['without a signature', f => rm(join(f, 'manifest.json.sig')), [/no manifest\.json\.sig/]],
  ['without a manifest', f => rm(join(f, 'manifest.json')), [/no manifest\.json$/]],
  ['that another has signed', f => sign(f, whole, makeSigningKeys()), [/signed by another key/]],
  [
    'whose manifest was changed',
    f => writeFile(join(f, 'manifest.json'), whole.replace('6.1', '6.2')),
    [/does not fit it/, /calls itself/]
  ],
  ['whose manifest is none', f => sign(f, '{}'), [/none of ours/]],
  ['without its kernel', f => rm(join(f, 'vmlinuz')), [/vmlinuz is missing/]],
  ['whose root is cut short', f => truncate(join(f, 'root.squashfs'), 2), [/has 2 bytes, not 4/]],
  [
    'whose initrd is another',
    f => writeFile(join(f, 'initrd'), 'first stAge'),
    [/initrd has SHA-256/]
  ],
  [
    'under another name',
    f => sign(f, hostImageManifestText({ ...content, version: '0'.repeat(16) })),
    [/calls itself 0{16}, and is/]
  ]
]

for (const [what, change, expected] of rows) {
  test(`a version ${what} is ${expected.length === 0 ? 'accepted' : 'refused'}`, async t => {
    const folder = await mkdtemp(join(tmpdir(), 'remuda-version-'))
    t.teardown(() => rm(folder, { recursive: true, force: true }))
    for (const [name, text] of Object.entries(contents)) await writeFile(join(folder, name), text)
    await sign(folder, whole)
    await change(folder)
    const { problems } = await checkHostImage(folder, publicKey)
    t.is(problems.length, expected.length, problems.join('; '))
    for (const [index, pattern] of expected.entries()) t.regex(problems[index]!, pattern)
  })
}

test('a version is the same whatever the order in which its manifest was put together', t => {
  const { files, ...rest } = content
  const { vmlinuz, ...others } = files
  t.is(versionOfHostImage({ files: { ...others, vmlinuz }, ...rest }), version)
  t.regex(version, /^[0-9a-f]{16}$/)
})

test('of two versions it is said which files became others', t => {
  const manifest = { ...content, version }
  const files = { ...content.files, initrd: part('other') }
  t.deepEqual(differences(manifest, manifest), [])
  const [first, ...more] = differences(manifest, { ...manifest, files })
  t.regex(first!, /^initrd was [0-9a-f]{64}, and becomes/)
  t.deepEqual(more, [])
})

const plan = {
  ...{ out: '/nowhere', keys, profile: 'minimal' as const, progress: () => {} },
  ...{ release: 'bookworm', architecture: 'x86_64' as const, cache: '/nowhere' }
}

test('what cannot be built here is refused before anything is fetched', async t => {
  const other = buildHostImage({ ...plan, architecture: 'aarch64' })
  await t.throwsAsync(other, { message: /cannot build a host image for aarch64 yet/ })
  const release = buildHostImage({ ...plan, release: '../etc' })
  await t.throwsAsync(release, { message: /cannot build a host image of Debian/ })
})

test('all values of a field of a driver are found', t => {
  const module = Buffer.from('\0license=GPL\0firmware=a/b.bin\0depends=\0firmware=c.fw\0')
  t.deepEqual(fields(module, 'firmware'), ['a/b.bin', 'c.fw'])
  t.deepEqual(fields(module, 'nothing'), [])
})

test('what is left out of the root is named below it', t => {
  for (const pattern of trimmed) t.regex(pattern, /^\.\/(usr|var|etc|boot|tmp)\//)
})
