import { chmod, mkdir, mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { makeStateFolder } from '#shared/make-state-folder.ts'
import { writePrivateFile } from '#shared/private-file.ts'

const modeOf = async (path: string): Promise<number> => (await stat(path)).mode & 0o777

test('others pass through it, whoever has made it first', async t => {
  const parent = await mkdtemp(join(tmpdir(), 'remuda-state-'))
  t.teardown(() => rm(parent, { recursive: true, force: true }))
  const state = join(parent, 'state')
  const modes = async () => [await modeOf(state), await modeOf(join(state, 'run'))]
  await makeStateFolder(state)
  t.deepEqual(await modes(), [0o711, 0o711])

  await rm(state, { recursive: true })
  await writePrivateFile(join(state, 'run', 'controllers.json'), '{}')
  t.deepEqual(await modes(), [0o700, 0o700])
  await makeStateFolder(state)
  t.deepEqual(await modes(), [0o711, 0o711])
})

test('what was opened wider stays so', async t => {
  const state = await mkdtemp(join(tmpdir(), 'remuda-state-'))
  t.teardown(() => rm(state, { recursive: true, force: true }))
  await mkdir(join(state, 'run'))
  for (const [before, after] of [
    [0o755, 0o755],
    [0o770, 0o771]
  ] as const) {
    await chmod(join(state, 'run'), before)
    await makeStateFolder(state)
    t.is(await modeOf(join(state, 'run')), after)
  }
})
