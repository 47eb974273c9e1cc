/**
 * How one candidate vouches for a request that it passes on: for who asked, where that is no token
 * but the control socket of its host, and for itself, where it fetches an image.
 *
 * The key is made of the cloud's own, which only those have that read the journal. What is sealed:
 * who passes it on, who asked, when, a number used once, and method and path. A seal is good for a
 * short while and once, so that nobody who has seen it can use it again.
 */
import { createHmac, hkdfSync, randomBytes, timingSafeEqual } from 'node:crypto'
import { Fault } from '#shared/fault.ts'
import type { Ms } from '#shared/units.ts'
import type { View } from '../core/view.ts'
import type { Caller } from './api/route.ts'

/** Header of a request that a candidate has passed on. */
export const sealHeader = 'remuda-forwarded'

/** Clocks of candidates may differ by so much. Unit: ms. */
const goodMs: Ms = 5 * 60 * 1_000
/** Seals that are remembered; with more at once, new ones are refused. */
const rememberedMax = 200_000

/** What is sealed beside who asks. */
export type Sealed = { readonly method: string; readonly url: string; readonly now: Ms }

/** The key that all candidates of a cloud share; undefined: there is none yet. */
export function sealKeyOf(view: View): Buffer | undefined {
  const { id = '', signing } = view.cloud ?? {}
  if (!signing) return undefined
  return Buffer.from(
    hkdfSync('sha256', signing.secretKey, id, 'requests that candidates pass on', 32)
  )
}

/** Makes the header's text. */
export function seal(
  key: Buffer,
  by: string,
  caller: Caller,
  { method, url, now }: Sealed
): string {
  const parts = ['1', by, caller.name, caller.role, String(now), randomBytes(16).toString('hex')]
  const text = parts.map(encodeURIComponent).join(';')
  return `${text};${sign(key, text, method, url)}`
}

const sign = (key: Buffer, text: string, method: string, url: string): string =>
  createHmac('sha256', key).update(`${text}\n${method}\n${url}`).digest('hex')

/** Breaks seals: each only once. */
export class SealReader {
  readonly #used = new Map<string, Ms>()

  /**
   * Says who asked, or why that cannot be believed. A Fault: it is of this cloud, and only its
   * clock stands in the way, of which whoever has asked should be told.
   */
  read(
    key: Buffer,
    text: string,
    { method, url, now }: Sealed
  ): { readonly caller: Caller; readonly by: string } | Fault | string {
    const parts = text.split(';')
    const signature = parts.pop() ?? ''
    const [kind, by, name, role, at, once] = parts.map(decoded)
    if (parts.length !== 6 || kind !== '1') return 'it cannot be read'
    const expected = Buffer.from(sign(key, parts.join(';'), method, url))
    const given = Buffer.from(signature)
    if (expected.length !== given.length || !timingSafeEqual(expected, given)) {
      return 'its seal is not of this cloud'
    }
    const ageMs = now - Number(at)
    if (!(Math.abs(ageMs) <= goodMs)) return clocksDiffer(by!, ageMs)
    if (role !== 'admin' && role !== 'reader') return 'it names no role'
    this.#forget(now)
    if (this.#used.has(once!)) return 'it was used before'
    if (this.#used.size >= rememberedMax) return `${rememberedMax} others have come just before`
    this.#used.set(once!, now)
    return { caller: { name: name!, role }, by: by! }
  }

  /** The oldest come first; one that is older than two lifetimes cannot be good any more. */
  #forget(now: Ms): void {
    for (const [once, at] of this.#used) {
      if (now - at < 2 * goodMs) return
      this.#used.delete(once)
    }
  }
}

const clocksDiffer = (by: string, ms: Ms): Fault =>
  new Fault(
    'unavailable',
    `cannot take what ${by} passes on: ` +
      `its clock and ours differ by ${Math.round(ms / 1000)} s, ${goodMs / 1000} s may be`,
    { next: [`set the clock of ${by}, or ours`, 'ask another candidate meanwhile'] }
  )

function decoded(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return ''
  }
}
