import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { gatherFirmware } from '../../../bootd/io/boot/firmware.ts'

const files = ['undionly.kpxe', 'snponly.efi', 'shimx64.efi', 'grubx64.efi']

test("what an operator has put there counts more than Debian's", async t => {
  const top = await mkdtemp(join(tmpdir(), 'remuda-firmware-'))
  t.teardown(() => rm(top, { recursive: true, force: true }))
  const [own, folder] = [join(top, 'own'), join(top, 'tftp')]
  await mkdir(own)
  for (const name of files) await writeFile(join(own, name), `own ${name}`)
  t.is(await gatherFirmware({ folder, own, loader: 'signed' }), undefined)
  for (const name of files) t.is(await readFile(join(folder, name), 'utf8'), `own ${name}`)
})
