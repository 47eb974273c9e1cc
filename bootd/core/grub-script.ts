/**
 * The scripts that GRUB gets, where Secure Boot wants a signed chain: firmware checks the shim, the
 * shim GRUB, and GRUB has the shim check the kernel. Then the first stage checks the image.
 *
 * No GRUB that Debian 12 has signed speaks HTTP, so all of it goes over TFTP, from files that are
 * made before anybody asks. What anyone may read over TFTP holds no token: the first stage asks for
 * its own over HTTP, once it runs.
 */
import type { BootChoice } from './boot-choice.ts'
import { kernelWords } from './kernel-line.ts'

/** What a script is made for. */
export type GrubWish = {
  /** Where bootd is, with no slash at the end. */
  readonly url: string
  readonly choice: BootChoice
  readonly architecture?: string
}

/** Folder of the scripts of single machines, by their UUIDs and MACs, below that of TFTP. */
export const grubFolder = 'grub/machines'
/** The script of machines that have none of their own. */
export const unknownGrubFile = `${grubFolder}/unknown.cfg`
/** Where a version's kernel and initial file system are, below the folder of TFTP. */
export const grubImageFolder = (version: string): string => `images/${version}`

const deviceOf = (url: string): string => `(tftp,${new URL(url).hostname})`

/** What GRUB reads first, the same for all: the script of this machine, again and again. */
export function firstGrubScript(url: string, waitS: number): string {
  const from = (file: string): string => `source "${deviceOf(url)}/${file}"`
  const isOpen = 'if [ -z "$known" ]; then'
  return text([
    'set timeout=0',
    'smbios --type 1 --get-uuid 8 --set uuid',
    'while true; do',
    '  set known=',
    `  ${from(`${grubFolder}/$uuid.cfg`)}`,
    `  ${isOpen} ${from(`${grubFolder}/$net_default_mac.cfg`)}; fi`,
    `  ${isOpen} ${from(unknownGrubFile)}; fi`,
    `  sleep ${waitS}`,
    'done'
  ])
}

/** The script of one machine; when it ends, GRUB reads it again. */
export function grubScript({ url, choice, architecture }: GrubWish): string {
  const name = choice.name ?? 'a machine that nobody knows'
  const known = 'set known=yes'
  switch (choice.gives) {
    case 'nothing':
      return text([known, echo(`Remuda: ${name} waits: ${choice.because}`)])
    case 'disk':
      return text([known, echo(`Remuda: ${name} starts from its own disk`), 'exit'])
    case 'image': {
      const { version, profile, kernelOptions } = choice
      const line = kernelWords({
        ...{ url, version, isRescue: profile === 'rescue' },
        ...(architecture !== undefined && { architecture }),
        ...(kernelOptions !== undefined && { kernelOptions })
      })
      const from = (file: string) => `"${deviceOf(url)}/${grubImageFolder(version)}/${file}"`
      return text([
        known,
        echo(`Remuda: ${name} starts image ${version}`),
        `if linux ${from('vmlinuz')} BOOTIF=01-$net_default_mac ${line.join(' ')}; then`,
        `  if initrd ${from('initrd')}; then boot; fi`,
        'fi',
        echo('It could not be started')
      ])
    }
    default:
      return choice satisfies never
  }
}

const echo = (sentence: string): string =>
  `echo '${sentence.replaceAll(/[^A-Za-z0-9 .,:;()/_-]/g, ' ')}'`

const text = (lines: readonly string[]): string => lines.map(line => `${line}\n`).join('')
