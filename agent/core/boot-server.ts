/** Where a host has booted from, if it did so over the network. */
import { parseIpv4 } from '#shared/cidr.ts'

/** Where bootd serves what hosts boot, and takes their logs, by TCP and UDP. */
export type BootServer = { readonly address: string; readonly port: number }

/** Reads the kernel's command line as the first stage of an image does: the last one counts. */
export function bootServerOf(commandLine: string): BootServer | undefined {
  const words = commandLine.split(/\s+/).filter(word => word.startsWith('remuda.url='))
  const url = /^remuda\.url=http:\/\/([\d.]+)(?::(\d{1,5}))?\/?$/.exec(words.at(-1) ?? '')
  const [, address = '', port = '80'] = url ?? []
  if (parseIpv4(address) === undefined || Number(port) > 65_535) return undefined
  return { address, port: Number(port) }
}
