import { Fault } from './fault.ts'

/** Milliseconds. */
export type Ms = number & { readonly unit?: 'ms' }
/** Mebibytes, 2^20 bytes. */
export type Mib = number & { readonly unit?: 'MiB' }

const mibOf: Readonly<Record<string, number>> = {
  k: 1e3 / 2 ** 20,
  kb: 1e3 / 2 ** 20,
  kib: 2 ** -10,
  m: 1,
  mb: 1e6 / 2 ** 20,
  mib: 1,
  g: 1024,
  gb: 1e9 / 2 ** 20,
  gib: 1024,
  t: 2 ** 20,
  tb: 1e12 / 2 ** 20,
  tib: 2 ** 20
}

/**
 * Reads a size such as `128MiB`, `2GiB`, `4G` or `512` (MiB) and gives whole MiB.
 * Single letters are binary (G = GiB); GB and MB are decimal and rounded up.
 */
export function parseMib(text: string): Mib {
  const match = /^\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*$/i.exec(text)
  const factor = match ? mibOf[(match[2] || 'mib').toLowerCase()] : undefined
  if (!match || factor === undefined) {
    throw new Fault('invalid', `cannot read the size "${text}"`, {
      reasons: ['a size is a number and a unit: MiB, GiB, TiB (or M, G, T)'],
      next: ['write for example 128MiB or 2GiB']
    })
  }
  return Math.ceil(Number(match[1]) * factor) as Mib
}

const msOf: Readonly<Record<string, number>> = { ms: 1, s: 1e3, m: 6e4, h: 36e5, d: 864e5 }

/** Reads a duration such as `500ms`, `30s`, `5m` or `30` (seconds) and gives milliseconds. */
export function parseMs(text: string): Ms {
  const match = /^\s*(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)?\s*$/.exec(text)
  if (!match) {
    throw new Fault('invalid', `cannot read the duration "${text}"`, {
      reasons: ['a duration is a number and a unit: ms, s, m, h, d'],
      next: ['write for example 30s or 5m']
    })
  }
  return (Number(match[1]) * msOf[match[2] ?? 's']!) as Ms
}

/** Writes MiB with the largest unit in which it is short: 1.5 GiB, 128 MiB. */
export function formatMib(mib: Mib): string {
  if (mib >= 2 ** 20) return `${trim(mib / 2 ** 20)} TiB`
  if (mib >= 1024) return `${trim(mib / 1024)} GiB`
  return `${trim(mib)} MiB`
}

/** Writes a duration for people: 350 ms, 12 s, 3 min, 5 h, 2 d. */
export function formatMs(ms: Ms): string {
  if (ms < 1000) return `${Math.round(ms)} ms`
  if (ms < 120_000) return `${trim(ms / 1000)} s`
  if (ms < 7_200_000) return `${Math.round(ms / 60_000)} min`
  if (ms < 172_800_000) return `${Math.round(ms / 3_600_000)} h`
  return `${Math.round(ms / 86_400_000)} d`
}

const trim = (value: number): string => String(Math.round(value * 10) / 10)
