import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { gatherFirmware } from '../../../bootd/io/boot/firmware.ts'

const url = 'http://10.0.0.2:7480'
const files = ['undionly.kpxe', 'snponly.efi', 'shimx64.efi']

for (const [what, loader, grub, expected] of [
  ['a GRUB that has HTTP in it', 'signed', 'GET / HTTP/1.1', undefined],
  ['a GRUB that knows TFTP alone', 'signed', 'tftp', /^grubx64\.efi speaks no HTTP, so machines/],
  ['such a GRUB where iPXE is given', 'ipxe', 'tftp', undefined]
] as const) {
  const verdict = expected === undefined ? 'as it should be' : 'said to be of no use'
  test(`${what} is ${verdict}`, async t => {
    const top = await mkdtemp(join(tmpdir(), 'remuda-firmware-'))
    t.teardown(() => rm(top, { recursive: true, force: true }))
    const [own, folder] = [join(top, 'own'), join(top, 'tftp')]
    await mkdir(own)
    for (const name of files) await writeFile(join(own, name), name)
    await writeFile(join(own, 'grubx64.efi'), grub)
    const said = await gatherFirmware({ folder, own, loader, url })
    if (expected === undefined) t.is(said, undefined)
    else t.regex(said ?? '', expected)
    // What an operator has put there counts more than what Debian has.
    t.is(await readFile(join(folder, 'grubx64.efi'), 'utf8'), grub)
  })
}
