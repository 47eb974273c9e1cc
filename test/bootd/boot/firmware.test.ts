import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { gatherFirmware } from '../../../bootd/io/boot/firmware.ts'

const files = ['undionly.kpxe', 'snponly.efi', 'shimx64.efi', 'grubx64.efi']

const loader = 'signed'

async function scene(t: ExecutionContext) {
  const top = await mkdtemp(join(tmpdir(), 'remuda-firmware-'))
  t.teardown(() => rm(top, { recursive: true, force: true }))
  const [own, folder] = [join(top, 'own'), join(top, 'tftp')]
  await mkdir(own)
  const put = async (words: string): Promise<void> => {
    for (const name of files) await writeFile(join(own, name), `${words} ${name}`)
  }
  await put('own')
  const read = (name: string) => readFile(join(folder, name), 'utf8')
  return { own, folder, put, read }
}

test("what an operator has put there counts more than Debian's", async t => {
  const { own, folder, read } = await scene(t)
  t.is(await gatherFirmware({ folder, own, loader }), undefined)
  for (const name of files) t.is(await read(name), `own ${name}`)
})

test('what cannot be written anew stays as it was, is told, and comes later', async t => {
  const { own, folder, put, read } = await scene(t)
  await gatherFirmware({ folder, own, loader })
  await put('new')
  // Where it would be written beside.
  await mkdir(join(folder, '.snponly.efi.part', 'full'), { recursive: true })
  const problem = await gatherFirmware({ folder, own, loader })
  t.regex(problem ?? '', /^first files are not all as they should be: cannot .*\(EISDIR\)$/)
  t.is(await read('snponly.efi'), 'own snponly.efi')
  t.is(await read('shimx64.efi'), 'new shimx64.efi')
  t.is(await gatherFirmware({ folder, own, loader }), undefined)
  t.is(await read('snponly.efi'), 'new snponly.efi')
})

test('what is as it should be is not written again', async t => {
  const { own, folder } = await scene(t)
  const inodes = () => Promise.all(files.map(async name => (await stat(join(folder, name))).ino))
  await gatherFirmware({ folder, own, loader })
  const before = await inodes()
  await gatherFirmware({ folder, own, loader })
  t.deepEqual(await inodes(), before)
  for (const name of files) t.is((await stat(join(folder, name))).mode & 0o777, 0o644)
  t.is((await stat(folder)).mode & 0o777, 0o755)
})

test('what nobody hands out any more is removed', async t => {
  const { own, folder } = await scene(t)
  await gatherFirmware({ folder, own, loader })
  for (const name of ['grub', 'images', 'old']) await mkdir(join(folder, name))
  await writeFile(join(own, 'more.efi'), 'more')
  await gatherFirmware({ folder, own, loader })
  const names = await readdir(folder)
  t.deepEqual(
    ['grub', 'images', 'old', 'more.efi'].map(name => names.includes(name)),
    [true, true, false, true]
  )
  await rm(join(own, 'more.efi'))
  await gatherFirmware({ folder, own, loader: 'ipxe' })
  const left = await readdir(folder)
  t.false(left.some(name => ['grub', 'images', 'more.efi'].includes(name)))
})
