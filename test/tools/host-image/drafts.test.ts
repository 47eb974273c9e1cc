import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { makeSigningKeys } from '../../../shared/signify.ts'
import { buildHostImage } from '../../../tools/host-image/build.ts'

const canBuild = process.getuid?.() === 0 && process.arch === 'x64'
const asBuilder = canBuild ? test : test.skip

asBuilder('a build removes what one left behind that was killed, and its own draft', async t => {
  const top = await mkdtemp(join(tmpdir(), 'remuda-build-'))
  t.teardown(() => rm(top, { recursive: true, force: true }))
  const out = join(top, 'out')
  // The kernel gives no such number to a process.
  await mkdir(join(out, `.building-${2 ** 30}-aBc123`), { recursive: true })
  await t.throwsAsync(
    buildHostImage({
      ...{ out, cache: join(top, 'cache'), keys: makeSigningKeys(), profile: 'minimal' },
      ...{ release: 'bookworm', architecture: 'x86_64', progress: () => {} },
      signal: AbortSignal.abort()
    })
  )
  t.deepEqual(await readdir(out), [])
})
