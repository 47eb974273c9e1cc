/**
 * How much of its host's order a resource takes up. An order is one message, and no message is
 * longer than four MiB: a host whose order would be longer gets none, not even one that takes
 * something away. So instances go to a host only as long as their parts of its order are small
 * enough to leave room for what else it names: pools, networks, images.
 */
import type { Instance } from '#shared/model/instance.ts'
import { messageBytesMax } from '#shared/wire/messages.ts'

/** What the instances of one host may take up of its order. Unit: bytes. */
export const orderBytesMax = (messageBytesMax * 3) / 4

/** More than an instance, one of its volumes and one of its ports take up without long texts. */
const instanceBytes = 640
const volumeBytes = 384
const portBytes = 192
const textBytes = 5

/** What an instance takes up, with its volumes and ports. Unit: bytes. */
export function orderBytesOf({ spec, decided }: Pick<Instance, 'spec' | 'decided'>): number {
  let bytes = instanceBytes + decided.volumes.length * volumeBytes
  bytes += decided.ports.length * portBytes
  for (const text of [spec.userData ?? '', ...spec.sshKeys]) bytes += textBytes + lengthOf(text)
  return bytes
}

/** Unit: bytes of UTF-8. */
const lengthOf = (text: string): number =>
  // biome-ignore lint/suspicious/noControlCharactersInRegex: ASCII is as long as it has characters
  /^[\x00-\x7f]*$/.test(text) ? text.length : encoder.encode(text).length

const encoder = new TextEncoder()
