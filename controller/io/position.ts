/** Says with an answer which state it was made of: at least the one of this epoch and position. */
import type { IncomingHttpHeaders } from 'node:http'
import type { Ledger } from './ledger.ts'

/** Header of each answer. */
export const positionHeader = 'remuda-position'

/** What the header says of a ledger. */
export const positionOf = (ledger: Pick<Ledger, 'epoch' | 'durablePosition'>): string =>
  `${ledger.epoch}.${ledger.durablePosition}`

/** Position that an answer of another candidate names; 0: it names none. */
export function positionIn(headers: IncomingHttpHeaders): number {
  const [, position = '0'] = /^\d+\.(\d+)$/.exec(String(headers[positionHeader] ?? '')) ?? []
  return Number(position)
}
