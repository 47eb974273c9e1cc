/** What the kernel of a booted image is told; its first stage reads the rest of it. */

/** What the line is made of. */
export type KernelWords = {
  /** Where bootd is, with no slash at the end. */
  readonly url: string
  /** Left out, as the manifest is: the first stage asks bootd for both. */
  readonly token?: string
  readonly version: string
  readonly manifestSha256?: string
  readonly mac?: string
  readonly architecture?: string
  readonly isRescue: boolean
  /** More of it, from the plan; what is said last counts. */
  readonly kernelOptions?: string
}

/** Words of the kernel's command line, none with a space in it. */
export function kernelWords(words: KernelWords): readonly string[] {
  const { url, token, version, manifestSha256, mac, architecture, isRescue, kernelOptions } = words
  const serial = architecture === 'aarch64' ? 'ttyAMA0' : 'ttyS0'
  return [
    `remuda.url=${url}`,
    token === undefined ? 'remuda.ask=yes' : `remuda.boot=${token}`,
    `remuda.version=${version}`,
    ...(manifestSha256 === undefined ? [] : [`remuda.manifest=${manifestSha256}`]),
    ...(mac === undefined ? [] : [`BOOTIF=01-${mac.replaceAll(':', '-')}`]),
    'console=tty0',
    `console=${serial},115200`,
    'panic=5',
    // Errors alone: a serial line takes seconds for all that a kernel says, a graphical one longer.
    // `loglevel=7` among the options shows it; who rescues a host wants to see it.
    isRescue ? 'remuda.profile=rescue' : 'quiet',
    ...plainWords(kernelOptions ?? '')
  ]
}

/** Words that mean the same to iPXE, GRUB and the kernel; others are left out. */
const plainWords = (text: string): readonly string[] =>
  text.split(/\s+/).filter(word => /^[A-Za-z0-9_.,:=/@+%-]+$/.test(word))
