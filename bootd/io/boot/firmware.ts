/**
 * What firmware is given first, gathered from Debian's packages into one folder that dnsmasq hands
 * out over TFTP and bootd over HTTP. Nothing in it is secret. What an operator has put into the
 * folder `firmware` comes in as well, over Debian's: for arm64 there is no iPXE in Debian 12.
 */
import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { codeOf, exists } from '#shared/files.ts'
import { firmwareFiles } from '../../core/dnsmasq-conf.ts'
import { storageTrouble } from '../storage-trouble.ts'
import { grubFolders } from './grub-files.ts'
import { openFolder, publishCopy } from './publish.ts'

const [ipxe, shim, grub] = ['/usr/lib/ipxe', '/usr/lib/shim', '/usr/lib/grub']

/** Where Debian's packages ipxe, shim-signed and grub-efi-…-signed put them. */
const sources: readonly (readonly [string, string])[] = [
  [firmwareFiles.bios, `${ipxe}/undionly.kpxe`],
  [firmwareFiles.efi64, `${ipxe}/snponly.efi`],
  ['ipxe.efi', `${ipxe}/ipxe.efi`],
  [firmwareFiles.shim, `${shim}/shimx64.efi.signed`],
  [firmwareFiles.grub, `${grub}/x86_64-efi-signed/grubnetx64.efi.signed`],
  [firmwareFiles.shimArm64, `${shim}/shimaa64.efi.signed`],
  [firmwareFiles.grubArm64, `${grub}/arm64-efi-signed/grubnetaa64.efi.signed`]
]

/** Which packages have what a loader needs for x86-64. */
const needed = {
  ipxe: { files: [firmwareFiles.bios, firmwareFiles.efi64], packages: 'ipxe' },
  signed: {
    files: [firmwareFiles.bios, firmwareFiles.shim, firmwareFiles.grub],
    packages: 'ipxe shim-signed grub-efi-amd64-signed'
  }
} as const

const ownFile = /^[a-z0-9][a-z0-9._-]{0,63}$/

/**
 * Brings the folder up to date; gives a sentence on what is missing or cannot be written, or
 * undefined. What was there and cannot be replaced stays.
 */
export async function gatherFirmware(wish: {
  readonly folder: string
  /** What the operator has put there counts more. */
  readonly own: string
  readonly loader: keyof typeof needed
}): Promise<string | undefined> {
  const { folder, own, loader } = wish
  const files = new Map(sources)
  const troubles = new Set<string>()
  const tryTo = async (act: () => Promise<unknown>): Promise<void> => {
    try {
      await act()
    } catch (thrown) {
      troubles.add(`first files are not all as they should be: ${storageTrouble(thrown)}`)
    }
  }
  await tryTo(() => openFolder(folder))
  await tryTo(async () => {
    for (const name of await ownFiles(own)) files.set(name, join(own, name))
  })
  for (const [name, from] of files) await tryTo(() => publishCopy(from, join(folder, name)))
  const kept = new Set([...files.keys(), ...(loader === 'signed' ? grubFolders : [])])
  await tryTo(() => removeOthers(folder, kept))
  const missing: string[] = []
  for (const name of needed[loader].files) {
    if (!(await exists(join(folder, name)))) missing.push(name)
  }
  const { packages } = needed[loader]
  const lack = `${missing.join(', ')} cannot be handed out: apt-get install ${packages}`
  // One is enough to see what is wrong with the disk.
  const all = [...(missing.length > 0 ? [lack] : []), ...[...troubles].slice(0, 1)]
  return all.length === 0 ? undefined : all.join('; ')
}

/** Removes what an earlier run has put there, and what it has begun to write. */
async function removeOthers(folder: string, kept: ReadonlySet<string>): Promise<void> {
  for (const name of await readdir(folder)) {
    if (!kept.has(name)) await rm(join(folder, name), { recursive: true, force: true })
  }
}

async function ownFiles(folder: string): Promise<readonly string[]> {
  try {
    const entries = await readdir(folder, { withFileTypes: true })
    return entries.flatMap(entry =>
      entry.isFile() && ownFile.test(entry.name) ? [entry.name] : []
    )
  } catch (thrown) {
    if (codeOf(thrown) === 'ENOENT') return []
    throw thrown
  }
}
