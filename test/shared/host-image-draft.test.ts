import { mkdir, mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { makeImageDraft, sweepImageDrafts } from '../../shared/host-image-draft.ts'

/** No process has it: the kernel gives lower numbers. */
const nobody = 2 ** 30

const wall = Date.UTC(2026, 1, 1)

async function folderOf(
  t: ExecutionContext,
  ages: Readonly<Record<string, number>>
): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'remuda-drafts-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  for (const [name, hours] of Object.entries(ages)) {
    await mkdir(join(folder, name))
    await writeFile(join(folder, name, 'root.squashfs'), 'half')
    const at = wall / 1_000 - hours * 3_600
    await utimes(join(folder, name, 'root.squashfs'), at, at)
    await utimes(join(folder, name), at, at)
  }
  return folder
}

test('a draft is removed once its process is gone, and nothing else', async t => {
  const left = `.building-${nobody}-aBc123`
  const folder = await folderOf(t, { [left]: 0, '.building-aBc123': 2, '0123456789abcdef': 48 })
  const own = await makeImageDraft(folder)
  t.deepEqual(await sweepImageDrafts(folder, { untouchedMs: 0, wall }), [left])
  t.deepEqual((await readdir(folder)).toSorted(), [
    ...[basename(own), '.building-aBc123', '0123456789abcdef'].toSorted()
  ])
})

test('a draft that says nothing of its process is removed after a day', async t => {
  const folder = await folderOf(t, { '.building-aBc123': 25 })
  t.deepEqual(await sweepImageDrafts(folder, { untouchedMs: 0, wall }), ['.building-aBc123'])
})

test('a draft that was written to lately stays for who sees no processes', async t => {
  const [young, old] = [`.building-${nobody}-young1`, `.building-${nobody}-older1`]
  const folder = await folderOf(t, { [young]: 2, [old]: 2 })
  const now = wall / 1_000
  await utimes(join(folder, young, 'root.squashfs'), now, now)
  t.deepEqual(await sweepImageDrafts(folder, { untouchedMs: 3_600_000, wall }), [old])
})
