/**
 * What the first stage of a host does with what it fetches, without a machine: its own script in
 * its own shell, against a server with faults.
 */
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import test, { type ExecutionContext } from 'ava'
import { hostImageManifestText, versionOfHostImage } from '#shared/host-image-version.ts'
import { isInstalled } from '#shared/process.ts'
import { makeSigningKeys, publicKeyText, signatureText } from '#shared/signify.ts'
import {
  bootToken,
  ImageServer,
  type ImageServerFaults
} from '../../netboot/host-image/image-server.ts'

const script = join(import.meta.dirname, '../../../tools/host-image/inside/stage1/fetch')
const root = Buffer.alloc(3_000_000, 'the root of a host ')
const keys = makeSigningKeys()

/** Makes a version whose root is no file system, which nobody finds out before it is checked. */
async function makeVersion(folder: string): Promise<string> {
  const part = (content: Buffer) => ({
    bytes: content.length,
    sha256: createHash('sha256').update(content).digest('hex')
  })
  const none = part(Buffer.from('not fetched'))
  const content = {
    ...{ format: 1 as const, architecture: 'x86_64' as const, profile: 'minimal' as const },
    ...{ kernel: '6.1.0-1-amd64', remuda: '0.1.0' },
    files: { vmlinuz: none, initrd: none, 'root.squashfs': part(root) }
  }
  const version = versionOfHostImage(content)
  const manifest = hostImageManifestText({ ...content, version })
  await writeFile(join(folder, 'root.squashfs'), root)
  await writeFile(join(folder, 'manifest.json'), manifest)
  await writeFile(join(folder, 'manifest.json.sig'), signatureText(keys, Buffer.from(manifest)))
  return version
}

type Scene = {
  readonly server: ImageServer
  readonly version: string
  readonly folder: string
  /** Fetches and checks; gives what was said, and the word `whole` where all is right. */
  readonly fetch: (settings?: Readonly<Record<string, string>>) => Promise<string>
}

async function open(t: ExecutionContext, faults: ImageServerFaults = {}): Promise<Scene> {
  const folder = await mkdtemp(join(tmpdir(), 'remuda-first-stage-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  for (const each of ['store', 'bin', 'work', 'notes']) await mkdir(join(folder, each))
  const version = await makeVersion(join(folder, 'store'))
  const server = await ImageServer.open(join(folder, 'store'))
  t.teardown(() => server[Symbol.asyncDispose]())
  server.faults = faults
  await writeFile(join(folder, 'image.pub'), publicKeyText(keys))
  for (const applet of [
    'wget',
    'sed',
    'tr',
    'sha256sum',
    'cut',
    'stat',
    'rm',
    'tail',
    'head',
    'od',
    'timeout'
  ]) {
    await symlink('/bin/busybox', join(folder, 'bin', applet))
  }
  await symlink('/bin/busybox', join(folder, 'bin/sleep'))
  await symlink('/usr/bin/signify-openbsd', join(folder, 'bin/signify'))
  const fetch = async (settings: Readonly<Record<string, string>> = {}): Promise<string> => {
    const variables = {
      ...{ url: `http://127.0.0.1:${server.port}`, boot: bootToken, version, manifest: '' },
      ...{ key: join(folder, 'image.pub'), work: join(folder, 'work') },
      ...{ notes: join(folder, 'notes'), PATH: join(folder, 'bin'), ...settings }
    }
    const program = [
      'say() { echo "$*"; }',
      'progress() { echo "progress $*"; }',
      'fail() { echo "failed: $*"; exit 1; }',
      `. ${script}`,
      'pause() { sleep 0.1; }',
      'fetch_manifest; fetch_root; echo whole'
    ].join('\n')
    const child = spawn('/bin/busybox', ['ash', '-c', program], { env: variables })
    return await text(child.stdout)
  }
  return { server, version, folder, fetch }
}

const run = isInstalled('signify-openbsd') && isInstalled('busybox') ? test : test.skip

run('a version that is what was signed is fetched whole', async t => {
  const { fetch, folder } = await open(t)
  const said = await fetch()
  t.regex(said, /whole\n$/, said)
  t.regex(said, /progress image percent=/)
  t.true((await readFile(join(folder, 'work/root.squashfs'))).equals(root))
})

run('a transfer that is cut off goes on where it ended', async t => {
  const replaced = { 'root.squashfs': root }
  const hangUps = { afterBytes: 1_000_000, times: 2 }
  const { fetch, server, folder } = await open(t, { replaced, hangUps })
  t.regex(await fetch(), /whole\n$/)
  const ranges = server.ranges.map(Number)
  t.true(ranges.length >= 2)
  // What was under way when the server hung up may be lost, what had arrived is not.
  for (const [index, range] of ranges.entries())
    t.true(range > 0 && range >= (ranges[index - 1] ?? 0))
  t.true((await readFile(join(folder, 'work/root.squashfs'))).equals(root))
})

run('a server that is busy is asked again', async t => {
  const { fetch } = await open(t, { refusals: { status: 503, times: 3 } })
  const said = await fetch()
  t.is(said.match(/cannot fetch root\.squashfs yet/g)?.length, 3)
  t.regex(said, /whole\n$/)
})

const changed = Buffer.from(root)
changed[1_000] = 0

const refused: readonly (readonly [string, ImageServerFaults, RegExp])[] = [
  [
    'whose root is another one of the same length',
    { replaced: { 'root.squashfs': changed } },
    /failed: the root of [0-9a-f]{16} has SHA-256 [0-9a-f]{64}, not [0-9a-f]{64}\n$/
  ],
  [
    'whose root is cut short',
    { replaced: { 'root.squashfs': root.subarray(0, 2_000_000) } },
    /failed: cannot fetch the root of .*: it ends after 2000000 of 3000000 bytes\n$/
  ],
  [
    'whose root is too long',
    { replaced: { 'root.squashfs': Buffer.concat([root, root]) } },
    /failed: cannot fetch the root of .*: it has 6000000 bytes, not 3000000\n$/
  ],
  [
    'that has no signature',
    { replaced: { 'manifest.json.sig': Buffer.from('') } },
    /failed: the manifest of .* is not signed by the key of this image/
  ],
  [
    'that was changed after it was signed',
    { replaced: { 'manifest.json': Buffer.from('{"format":1}') } },
    /failed: the manifest of .* is not signed by the key of this image/
  ],
  ['to which it has no right', { refusals: { status: 403, times: 1 } }, /failed: .*403 Forbidden/]
]

for (const [what, faults, expected] of refused) {
  run(`a version ${what} is refused`, async t => {
    const { fetch } = await open(t, faults)
    const said = await fetch()
    t.regex(said, expected, said)
    t.notRegex(said, /whole/)
  })
}

run('a version that another key has signed is refused', async t => {
  const { fetch, folder } = await open(t)
  await writeFile(join(folder, 'image.pub'), publicKeyText(makeSigningKeys()))
  t.regex(await fetch(), /failed: the manifest of .* is not signed by the key of this image/)
})

run('a manifest of another version, or another than was named, is refused', async t => {
  const { fetch } = await open(t)
  const version = '0123456789abcdef'
  t.regex(await fetch({ version }), /failed: the manifest is that of version .*, not of 0123456789/)
  t.regex(await fetch({ manifest: 'f'.repeat(64) }), /failed: .* is not the one that was named/)
})

/** Another host that has the same version, and bootd that names it. */
async function besides(
  t: ExecutionContext,
  faults: ImageServerFaults = {}
): Promise<Scene & { readonly peer: ImageServer; readonly namePeers: () => void }> {
  const scene = await open(t)
  const peer = await ImageServer.open(join(scene.folder, 'store'))
  t.teardown(() => peer[Symbol.asyncDispose]())
  peer.faults = faults
  const path = `/images/${scene.version}/root.squashfs?token=${bootToken}`
  const address = `http://127.0.0.1:${peer.port}${path}`
  scene.server.peers = [address]
  const namePeers = (): void => {
    scene.server.peers = [address, address]
  }
  return { ...scene, peer, namePeers }
}

run('what another host sends is taken, and bootd is not asked for the root', async t => {
  const { fetch, folder, server, peer } = await besides(t)
  const said = await fetch()
  t.regex(said, /fetching from 127\.0\.0\.1\n/)
  t.regex(said, /whole\n$/, said)
  t.notRegex(said, /badPeer/)
  t.deepEqual([server.roots, peer.roots], [0, 1])
  t.true((await readFile(join(folder, 'work/root.squashfs'))).equals(root))
})

run('another host that sends something else is told of, and all is fetched from bootd', async t => {
  const { fetch, folder, server, peer } = await besides(t, {
    replaced: { 'root.squashfs': changed }
  })
  const said = await fetch()
  t.regex(said, /progress image badPeer=127\.0\.0\.1&because=127\.0\.0\.1\+has\+sent\+another/)
  t.regex(said, /with what 127\.0\.0\.1 has sent the root of \S+ has SHA-256 [0-9a-f]{64}, not/)
  t.regex(said, /whole\n$/, said)
  t.deepEqual([server.roots, peer.roots, server.ranges.length], [1, 1, 0])
  t.true((await readFile(join(folder, 'work/root.squashfs'))).equals(root))
})

run('another host takes away none of the tries of bootd', async t => {
  const { fetch, server, peer } = await besides(t, { replaced: { 'root.squashfs': changed } })
  server.faults = { replaced: { 'root.squashfs': changed } }
  const said = await fetch()
  t.regex(said, /failed: the root of [0-9a-f]{16} has SHA-256 [0-9a-f]{64}, not [0-9a-f]{64}\n$/)
  t.deepEqual([server.roots, peer.roots], [2, 1])
})

run('where another host ends, bootd goes on', async t => {
  const { fetch, folder, server, peer, namePeers } = await besides(t, {
    replaced: { 'root.squashfs': root },
    hangUps: { afterBytes: 1_000_000, times: 9 }
  })
  namePeers()
  const said = await fetch()
  t.regex(said, /whole\n$/, said)
  t.is(peer.roots, 1, 'no third one has a part in it')
  t.is(server.roots, 1)
  t.true(Number(server.ranges[0]) > 0 && Number(server.ranges[0]) <= 1_000_000)
  t.true((await readFile(join(folder, 'work/root.squashfs'))).equals(root))
})

run('one that is busy is not waited for: the next is asked, then bootd', async t => {
  const { fetch, server, peer, namePeers } = await besides(t, {
    refusals: { status: 503, times: 2 }
  })
  namePeers()
  const said = await fetch()
  t.is(said.match(/127\.0\.0\.1 has sent 0 bytes: .*503/g)?.length, 2, said)
  t.regex(said, /whole\n$/, said)
  t.deepEqual([server.roots, peer.roots], [1, 2])
})

run('of one that sends too much nothing is kept', async t => {
  const { fetch, folder, server } = await besides(t, {
    replaced: { 'root.squashfs': Buffer.concat([root, root]) }
  })
  const said = await fetch()
  t.regex(said, /whole\n$/, said)
  t.notRegex(said, /badPeer/)
  t.deepEqual([server.roots, server.ranges.length], [1, 0])
  t.true((await readFile(join(folder, 'work/root.squashfs'))).equals(root))
})

run('one that is not there is passed over, and so is what is no address', async t => {
  const { fetch, server, version } = await besides(t)
  const path = `/images/${version}/root.squashfs?token=${bootToken}`
  server.peers = ['wait', `http://127.0.0.1:1${path}`, `file:///etc/passwd${path}`]
  const said = await fetch()
  t.is(said.match(/fetching from/g)?.length, 1, said)
  t.regex(said, /127\.0\.0\.1 has sent 0 bytes: can't connect/)
  t.regex(said, /whole\n$/, said)
  t.is(server.roots, 1)
})

/** Watches a transfer that never ends by itself and writes so, with quick fifths of a second. */
async function watch(
  t: ExecutionContext,
  { writes, stillMax }: { readonly writes: string; readonly stillMax: number }
): Promise<string> {
  const { folder } = await open(t)
  const file = join(folder, 'work/root.squashfs')
  const program = [
    `. ${script}`,
    'sleep() { busybox sleep 0.01; }',
    `bytes=1000 file=${file}`,
    `(${writes}) &`,
    `watch_transfer $! "$file" ${stillMax} 100`,
    'echo "over with $?, $passed, $still"'
  ].join('\n')
  const env = { PATH: `${join(folder, 'bin')}:/bin` }
  return await text(spawn('/bin/busybox', ['ash', '-c', program], { env }).stdout)
}

run('a transfer from another host ends that stands still, is slow, or brings too much', async t => {
  const still = { writes: 'exec busybox sleep 3600', stillMax: 25 }
  t.regex(await watch(t, still), /^over with 143, 2\d, 2\d\n$/)
  const writes = 'while :; do echo >>"$file"; busybox sleep 0.02; done'
  t.regex(await watch(t, { writes, stillMax: 1_000 }), /^over with 143, 10\d, \d+\n$/)
  const flood = 'busybox head -c 5000 /dev/zero >"$file"; exec busybox sleep 3600'
  t.regex(await watch(t, { writes: flood, stillMax: 1_000 }), /^over with 143, \d, \d\n$/)
})
