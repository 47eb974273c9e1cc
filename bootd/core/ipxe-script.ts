/** The scripts that iPXE gets. Debian's iPXE of 2019 must understand each line. */
import type { BootChoice } from './boot-choice.ts'
import { kernelWords } from './kernel-line.ts'

/** What a script is made for. */
export type ScriptWish = {
  /** Where bootd is, with no slash at the end. */
  readonly url: string
  readonly choice: BootChoice
  /** Lets this machine fetch what the script names. */
  readonly token: string
  readonly mac?: string
  readonly architecture?: string
  /** Before it asks again, so that not all of a rack ask at once. Unit: s. */
  readonly waitS: number
}

/** A setting that iPXE fills in where it runs. */
const setting = (name: string): string => `\${${name}}`

/** What a machine says of itself. */
const words = [
  ['uuid', 'uuid'],
  ['mac', 'netX/mac:hexhyp'],
  ['serial', 'serial:uristring'],
  ['asset', 'asset:uristring'],
  ['arch', 'buildarch'],
  ['platform', 'platform']
]
  .map(([name, from]) => `${name}=${setting(from!)}`)
  .join('&')

/** The first script, the same for all: come back and say who you are. */
export const askingScript = (url: string, waitS: number): string =>
  text([
    ...[':ask', `chain --replace --autofree ${url}/boot.ipxe?${words} ||`],
    ...['echo bootd does not answer: it is asked again', `sleep ${waitS}`, 'goto ask']
  ])

/** The script of one machine. */
export function ipxeScript(wish: ScriptWish): string {
  const { url, choice, token, mac, architecture, waitS } = wish
  const name = choice.name ?? 'a machine that nobody knows'
  switch (choice.gives) {
    case 'nothing':
      return text([`echo Remuda: ${name} waits: ${plain(choice.because)}`, ...again(url, waitS)])
    case 'disk':
      return text([
        `echo Remuda: ${name} starts from its own disk`,
        `iseq ${setting('platform')} efi && exit 0 ||`,
        'sanboot --no-describe --drive 0x80 ||',
        ...again(url, waitS)
      ])
    case 'image': {
      const { version, manifestSha256, profile, kernelOptions } = choice
      const line = kernelWords({
        ...{ url, token, version, manifestSha256, isRescue: profile === 'rescue' },
        ...(mac !== undefined && { mac }),
        ...(architecture !== undefined && { architecture }),
        ...(kernelOptions !== undefined && { kernelOptions })
      })
      const from = (file: string) => `${url}/images/${version}/${file}?token=${token}`
      return text([
        `echo Remuda: ${name} starts image ${version}`,
        // What does not come is asked for again; a kernel that cannot be started is a failed boot.
        'set again 1',
        `kernel --name vmlinuz ${from('vmlinuz')} initrd=initrd ${line.join(' ')} || goto again`,
        `initrd --name initrd ${from('initrd')} || goto again`,
        ...['set again 0', 'boot ||', ':again', 'imgfree ||', 'echo It could not be started'],
        ...again(url, waitS, `&again=${setting('again')}`)
      ])
    }
    default:
      return choice satisfies never
  }
}

const again = (url: string, waitS: number, more = ''): readonly string[] => [
  ':wait',
  `sleep ${waitS}`,
  `chain --replace --autofree ${url}/boot.ipxe?${words}${more} || goto wait`
]

/** Words that iPXE shows as they are. */
const plain = (sentence: string): string => sentence.replaceAll(/[^A-Za-z0-9 .,:;()/_'-]/g, ' ')

const text = (lines: readonly string[]): string =>
  ['#!ipxe', ...lines].map(line => `${line}\n`).join('')
