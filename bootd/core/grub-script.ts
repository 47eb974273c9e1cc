/**
 * The scripts that GRUB gets, where Secure Boot wants a signed chain: firmware checks the shim, the
 * shim GRUB, and GRUB has the shim check the kernel. Then the first stage checks the image.
 */

import type { ScriptWish } from './ipxe-script.ts'
import { kernelWords } from './kernel-line.ts'

/** Where GRUB finds bootd's HTTP server, as it writes that. */
const deviceOf = (url: string): string => `(http,${url.replace(/^http:\/\//, '')})`

/** What a machine says of itself; GRUB fills it in, and cannot encode a serial number. */
const words = 'uuid=$uuid&mac=$net_default_mac&arch=$grub_cpu&platform=$grub_platform'

/** What GRUB reads first, over TFTP or HTTP, the same for all: ask who you are, again and again. */
export const askingGrubScript = (url: string, waitS: number): string =>
  text([
    'set timeout=0',
    'smbios --type 1 --get-uuid 8 --set uuid',
    'while true; do',
    `  source "${deviceOf(url)}/grub.cfg?${words}"`,
    `  sleep ${waitS}`,
    'done'
  ])

/** The script of one machine; when it ends, GRUB asks again. */
export function grubScript(wish: ScriptWish): string {
  const { url, choice, token, mac, architecture } = wish
  const name = choice.name ?? 'a machine that nobody knows'
  switch (choice.gives) {
    case 'nothing':
      return text([echo(`Remuda: ${name} waits: ${choice.because}`)])
    case 'disk':
      return text([echo(`Remuda: ${name} starts from its own disk`), 'exit'])
    case 'image': {
      const { version, manifestSha256, profile, kernelOptions } = choice
      const line = kernelWords({
        ...{ url, token, version, manifestSha256, isRescue: profile === 'rescue' },
        ...(mac !== undefined && { mac }),
        ...(architecture !== undefined && { architecture }),
        ...(kernelOptions !== undefined && { kernelOptions })
      })
      const from = (file: string) => `"${deviceOf(url)}/images/${version}/${file}?token=${token}"`
      return text([
        echo(`Remuda: ${name} starts image ${version}`),
        `if linux ${from('vmlinuz')} ${line.join(' ')}; then`,
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
