import fs from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import test from 'ava'
import { launcher } from '../../../tools/build/launcher.ts'
import { isFresh, writeStamp } from '../../../tools/build/stamp.ts'

async function makeBuild() {
  const root = await fs.mkdtemp(path.join(os.tmpdir(), 'remuda-build-'))
  const dist = path.join(root, 'dist')
  await fs.mkdir(dist)
  const write = (file: string, text: string) => fs.writeFile(path.join(root, file), text)
  await write('a.ts', 'a')
  await write('package-lock.json', '{}')
  await write('dist/a.js', 'a')
  await write('dist/a', launcher('a'))
  const metafile = {
    inputs: { 'a.ts': {}, 'node_modules/b/index.js': {} },
    outputs: { 'dist/a.js': {} }
  }
  await writeStamp(root, dist, { metafile, programs: ['a'] })
  const remove = () => fs.rm(root, { recursive: true, force: true })
  return { root, dist, write, fresh: () => isFresh(root, dist), [Symbol.asyncDispose]: remove }
}

test('a build of the same sources is fresh', async t => {
  await using build = await makeBuild()
  t.true(await build.fresh())
})

for (const [what, change] of [
  ['a source that changed', build => build.write('a.ts', 'b')],
  ['a source that is gone', build => fs.rm(path.join(build.root, 'a.ts'))],
  ['other packages', build => build.write('package-lock.json', '{ }')],
  [
    'a new program',
    async build => {
      await fs.mkdir(path.join(build.root, 'bootd'))
      await build.write('bootd/main.ts', '')
    }
  ],
  ['a bundle that is gone', build => fs.rm(path.join(build.dist, 'a.js'))],
  ['a launcher that is gone', build => fs.rm(path.join(build.dist, 'a'))],
  ['a torn stamp', build => build.write('dist/.stamp.json', '{ torn')],
  ['no stamp', build => fs.rm(path.join(build.dist, '.stamp.json'))]
] as readonly (readonly [
  string,
  (build: Awaited<ReturnType<typeof makeBuild>>) => Promise<void>
])[]) {
  test(`${what} calls for a new build`, async t => {
    await using build = await makeBuild()
    await change(build)
    t.false(await build.fresh())
  })
}
