/**
 * Reads what machines ask for over HTTP. It comes from anyone on the boot network: each part has a
 * form and a length, and whatever else there is is refused or ignored.
 */

import { parseIpv4 } from '#shared/cidr.ts'
import { ownSerial, ownUuid } from '#shared/hardware-names.ts'
import { hostImageFiles, manifestName, signatureName } from '#shared/model/host-image.ts'
import { bootStages } from '#shared/wire/boot.ts'
import { type Asker, ownMac } from './boot-plan.ts'
import type { Progress } from './boot-progress.ts'
import type { RunningStage } from './stage-answer.ts'

/** What is asked. */
export type BootRequest =
  | {
      readonly asks: 'script'
      readonly asker: Asker
      /** Whether an earlier script has it ask, since something of its version did not come. */
      readonly isAgain: boolean
    }
  | { readonly asks: 'words'; readonly asker: Asker; readonly runs: RunningStage }
  | { readonly asks: 'firmware'; readonly file: string }
  | {
      readonly asks: 'image'
      readonly version: string
      readonly file: string
      readonly token: string | undefined
    }
  | { readonly asks: 'progress'; readonly token: string }
  | { readonly asks: 'join'; readonly token: string }
  | { readonly asks: 'peers'; readonly token: string }

/** A request that cannot be answered: with which status of HTTP, and why. */
export type Refused = { readonly status: 400 | 404 | 405 | 414; readonly because: string }

/** No path with its question is longer. Unit: characters. */
export const pathCharsMax = 2_048
/** No progress is longer. Unit: bytes. */
export const progressBytesMax = 2_048
/** What follows the question mark has no more parts. */
const partsMax = 16

const tokenPattern = /^[A-Za-z0-9_-]{16,128}$/
const imageFiles: ReadonlySet<string> = new Set([...hostImageFiles, manifestName, signatureName])

/** Reads what is asked by method and path. */
export function readRequest(method: string, path: string): BootRequest | Refused {
  if (path.length > pathCharsMax) {
    return { status: 414, because: `a path has at most ${pathCharsMax} characters` }
  }
  if (!/^\/[\x21-\x7e]*$/.test(path)) return { status: 400, because: 'that is no path' }
  const cut = path.indexOf('?')
  const place = cut < 0 ? path : path.slice(0, cut)
  const request = requestOf(place, readParts(cut < 0 ? '' : path.slice(cut + 1)))
  if (!request) return { status: 404, because: 'there is nothing there' }
  const isRead = method === 'GET' || method === 'HEAD'
  const fits = request.asks === 'progress' ? method === 'POST' : isRead
  // What has an effect is not done by asking for its length.
  const isSafe = method !== 'HEAD' || ['image', 'firmware'].includes(request.asks)
  return fits && isSafe
    ? request
    : { status: 405, because: `${method.slice(0, 16)} is not for that` }
}

function requestOf(place: string, parts: ReadonlyMap<string, string>): BootRequest | undefined {
  if (place === '/boot.ipxe') {
    return { asks: 'script', asker: askerOf(parts), isAgain: parts.get('again') === '1' }
  }
  if (place === '/boot.words') {
    const [version, profile = 'host'] = [parts.get('version'), parts.get('profile')]
    return { asks: 'words', asker: askerOf(parts), runs: { version, profile } }
  }
  const firmware = /^\/firmware\/([a-z0-9][a-z0-9._-]{0,63})$/.exec(place)?.[1]
  if (firmware !== undefined) return { asks: 'firmware', file: firmware }
  const [, version, file] = /^\/images\/([0-9a-f]{16})\/([a-z.]{1,32})$/.exec(place) ?? []
  if (version !== undefined && file !== undefined && imageFiles.has(file)) {
    const token = parts.get('token')
    const isToken = token !== undefined && tokenPattern.test(token)
    return { asks: 'image', version, file, token: isToken ? token : undefined }
  }
  const boot = /^\/v1\/boots\/([A-Za-z0-9_-]{16,128})\/(progress|join|peers)$/.exec(place)
  const [, token, asks] = boot ?? []
  if (token === undefined) return undefined
  switch (asks) {
    case 'join':
    case 'peers':
      return { asks, token }
    default:
      return { asks: 'progress', token }
  }
}

/** Reads the parts of a question or form; of a name the first counts, what is no text does not. */
export function readParts(text: string): ReadonlyMap<string, string> {
  const parts = new Map<string, string>()
  for (const part of text.split('&', partsMax)) {
    const cut = part.indexOf('=')
    if (cut < 1) continue
    const value = decoded(part.slice(cut + 1))
    const name = part.slice(0, cut)
    if (value !== undefined && !parts.has(name)) parts.set(name, value)
  }
  return parts
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    return undefined
  }
}

function askerOf(parts: ReadonlyMap<string, string>): Asker {
  const uuid = ownUuid(parts.get('uuid'))
  const serial = ownSerial(parts.get('serial'))
  const mac = ownMac(parts.get('mac'))
  const architecture = architectures.get(parts.get('arch') ?? '')
  const platform = parts.get('platform')
  return {
    ...(uuid !== undefined && { uuid }),
    ...(serial !== undefined && { serial }),
    ...(mac !== undefined && { mac }),
    ...(architecture !== undefined && { architecture }),
    ...((platform === 'efi' || platform === 'pcbios') && { platform })
  }
}

/** How iPXE and kernels call architectures; a BIOS of a machine of 64 bits says i386. */
const architectures: ReadonlyMap<string, string> = new Map([
  ...(['i386', 'x86_64'] as const).map(name => [name, 'x86_64'] as const),
  ...(['arm64', 'aarch64'] as const).map(name => [name, 'aarch64'] as const)
])

const stages: ReadonlySet<string> = new Set(bootStages)
/** What only bootd knows, no machine says of itself. */
const unsaid: ReadonlySet<string> = new Set(['dhcp', 'script', 'kernel', 'waiting'])

/** Reads what a machine says of how far it is; undefined: it is none. */
export function readProgress(form: string): Progress | undefined {
  const parts = readParts(form.trim())
  const stage = parts.get('stage') ?? ''
  if (!stages.has(stage) || unsaid.has(stage)) return undefined
  const percent = parts.get('percent')
  const because = parts.get('because')
  const serves = Number(/^[1-9]\d{0,4}$/.exec(parts.get('serves') ?? '')?.[0] ?? 0)
  const badPeer = parts.get('badPeer')
  return {
    stage: stage as Progress['stage'],
    ...(percent !== undefined && /^(\d{1,2}|100)$/.test(percent) && { percent: Number(percent) }),
    ...(because !== undefined && because !== '' && { because: sayable(because) }),
    ...(serves > 0 && serves <= 65_535 && { serves }),
    ...(badPeer !== undefined && parseIpv4(badPeer) !== undefined && { badPeer })
  }
}

/** A sentence of a machine, without what could fool who reads it on a terminal. */
const sayable = (text: string): string =>
  text.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Co}\p{Cs}]+/gu, ' ').slice(0, 400)
