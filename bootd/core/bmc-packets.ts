/**
 * Asks whether a baseboard controller is at an address, without a user or a password. Two short
 * packets of RMCP (UDP 623), since some answer only one of them: the presence ping of ASF 2.0
 * (3.2.4.2), and IPMI's question how one may log in (IPMI 2.0, 22.13), without a session.
 */

/** Where baseboard controllers answer, of UDP. */
export const rmcpPort = 623

/** What an answer says. */
export type BmcAnswer = { readonly speaks: 'asf' | 'ipmi'; readonly isIpmi2?: boolean }

const [rmcpVersion, noAnswerWanted] = [0x06, 0xff]
const [classAsf, classIpmi] = [0x06, 0x07]
const asfEnterprise = [0x00, 0x00, 0x11, 0xbe]
const [asfPing, asfPong] = [0x80, 0x40]

/** The presence ping. */
export const presencePing: Uint8Array = Uint8Array.from([
  ...[rmcpVersion, 0x00, noAnswerWanted, classAsf],
  ...[...asfEnterprise, asfPing, 0x01, 0x00, 0x00]
])

/** How one may log in at this channel, as an administrator, with what IPMI 2.0 adds. */
export const capabilitiesQuestion: Uint8Array = Uint8Array.from([
  ...[rmcpVersion, 0x00, noAnswerWanted, classIpmi],
  // No session: no authentication, sequence and id 0, and nine bytes of message.
  ...[0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x09],
  // To the controller (20h), function 06h; from software (81h), command 38h, channel Eh (this one).
  ...[0x20, 0x18, 0xc8, 0x81, 0x00, 0x38, 0x8e, 0x04, 0xb5]
])

/** Reads an answer; undefined: it is none of a baseboard controller. */
export function readBmcAnswer(bytes: Uint8Array): BmcAnswer | undefined {
  if (bytes[0] !== rmcpVersion) return undefined
  if (bytes[3] === classAsf && asfEnterprise.every((each, at) => bytes[4 + at] === each)) {
    if (bytes[8] !== asfPong || bytes.length < 28) return undefined
    return { speaks: 'asf' }
  }
  // Message: target, function, checksum, source, sequence, command, completion, channel, support.
  if (bytes[3] !== classIpmi || bytes.length < 24 || bytes[4] !== 0) return undefined
  const [command, completion, support, extended] = [bytes[19], bytes[20], bytes[22], bytes[24]]
  if (command !== 0x38 || completion !== 0 || support === undefined) return undefined
  const isExtended = (support & 0x80) !== 0
  return { speaks: 'ipmi', isIpmi2: isExtended && ((extended ?? 0) & 0x02) !== 0 }
}

/** What a Redfish service says of itself to everybody (DSP0266, 7.2); undefined: it is none. */
export function readRedfishRoot(
  body: unknown
): { readonly version: string; readonly product?: string } | undefined {
  if (typeof body !== 'object' || body === null) return undefined
  const { RedfishVersion: version, Vendor, Product } = body as Readonly<Record<string, unknown>>
  if (typeof version !== 'string' || !/^\d{1,4}(\.\d{1,4}){1,2}$/.test(version)) return undefined
  const words = [Vendor, Product].filter(word => typeof word === 'string')
  const product = words
    .join(' ')
    .replaceAll(/[^\x20-\x7e]+/g, ' ')
    .slice(0, 128)
    .trim()
  return { version, ...(product !== '' && { product }) }
}
