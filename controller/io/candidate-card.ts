import { version } from '#shared/version.ts'
import type { CandidateCard } from '../core/ports.ts'
import type { Ledger } from './ledger.ts'

/** What a candidate lets all others see of itself at this moment. */
export const cardOf = (
  own: Pick<CandidateCard, 'name' | 'apiUrl' | 'meshKey' | 'leads' | 'since'>,
  given: {
    readonly door: { readonly endpoint: string; readonly publicKey: string } | undefined
    readonly bootd: CandidateCard['bootd']
    readonly ledger: Pick<Ledger, 'durablePosition' | 'epoch'>
  }
): CandidateCard => ({
  ...own,
  doorEndpoint: given.door?.endpoint ?? '',
  doorKey: given.door?.publicKey ?? '',
  version,
  position: given.ledger.durablePosition,
  epoch: given.ledger.epoch,
  ...(given.bootd && { bootd: given.bootd })
})
