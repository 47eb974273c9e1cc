/** What is left of a lab that was killed while it came up, and that it can be taken away. */
import { spawn } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { exists } from '#shared/files.ts'
import { statusOf } from '../../../tools/lab/client.ts'
import { folderOf } from '../../../tools/lab/folder.ts'
import { openLab } from '../../../tools/lab/open.ts'
import { planLab } from '../../../tools/lab/plan.ts'
import { sweep } from '../../../tools/lab/sweep.ts'
import { eventually } from '../cloud/waiting.ts'

const program = fileURLToPath(new URL('../../../tools/lab/main.ts', import.meta.url))

test('a lab that was killed half-way is taken away by the next down', async t => {
  t.timeout(300_000)
  const folder = await mkdtemp(join(tmpdir(), 'remuda-lab-'))
  t.teardown(async () => {
    await sweep(folder)
    await rm(folder, { recursive: true, force: true })
  })
  const wish = { folder, hosts: 2, solo: true, outside: false }
  const up = spawn(process.execPath, [program, JSON.stringify(wish)], { stdio: 'ignore' })
  t.teardown(() => up.kill('SIGKILL'))
  const pid = await eventually('the power of h1 is on', async () => {
    return (await statusOf(folder)).hosts[0]?.pid
  })
  up.kill('SIGKILL')
  const keeper = Number(await readFile(folderOf(folder).keeperReady, 'utf8'))
  process.kill(keeper, 'SIGKILL')
  t.true(await sweep(folder))
  t.false(await exists(folder))
  t.false(await exists(`/proc/${pid}/root/`))
  const groups = await readdir('/sys/fs/cgroup/cpu').catch(() => readdir('/sys/fs/cgroup'))
  const { tag } = planLab(wish)
  t.deepEqual(
    groups.filter(name => name.includes(tag)),
    []
  )
  t.false(await sweep(folder))
})

test('a lab in a folder that holds another one is refused', async t => {
  t.timeout(300_000)
  const folder = await mkdtemp(join(tmpdir(), 'remuda-lab-'))
  const wish = { folder, solo: true, outside: false, isFurnished: false }
  await using lab = await openLab({ ...wish, hosts: 1, isBound: true })
  const again = await openLab({ ...wish, hosts: 1, isBound: true })
  await again[Symbol.asyncDispose]()
  t.deepEqual(again.plan, lab.plan)
  const refused = await t.throwsAsync(openLab({ ...wish, hosts: 2 }))
  t.is(refused?.message, `cannot make the lab in ${folder}: there is another one`)
})
