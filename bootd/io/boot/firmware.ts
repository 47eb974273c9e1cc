/**
 * What firmware is given first, gathered from Debian's packages into one folder that dnsmasq hands
 * out over TFTP and bootd over HTTP. Nothing in it is secret. What an operator has put into the
 * folder `firmware` comes in as well, over Debian's: for arm64 there is no iPXE in Debian 12.
 */
import { chmod, copyFile, mkdir, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { codeOf, exists } from '#shared/files.ts'
import { firmwareFiles } from '../../core/dnsmasq-conf.ts'

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

/** Fills the folder anew; gives a sentence on what is missing, or undefined. */
export async function gatherFirmware(wish: {
  readonly folder: string
  /** What the operator has put there counts more. */
  readonly own: string
  readonly loader: keyof typeof needed
}): Promise<string | undefined> {
  const { folder, own, loader } = wish
  await rm(folder, { recursive: true, force: true })
  await mkdir(folder, { recursive: true })
  const files = new Map(sources)
  for (const name of await ownFiles(own)) files.set(name, join(own, name))
  for (const [name, from] of files) await place(from, join(folder, name))
  // Read by dnsmasq, which gives its rights up.
  await chmod(folder, 0o755)
  const missing: string[] = []
  for (const name of needed[loader].files) {
    if (!(await exists(join(folder, name)))) missing.push(name)
  }
  if (missing.length === 0) return undefined
  return `${missing.join(', ')} cannot be handed out: apt-get install ${needed[loader].packages}`
}

async function place(from: string, to: string): Promise<void> {
  try {
    await copyFile(from, to)
    await chmod(to, 0o644)
  } catch (thrown) {
    if (codeOf(thrown) !== 'ENOENT') throw thrown
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
