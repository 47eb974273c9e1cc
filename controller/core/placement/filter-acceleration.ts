import type { Filter } from './pipeline.ts'

/** Keeps the hosts where KVM was seen to work, for a VM that is not to be emulated. */
export const filterAcceleration: Filter = ({ facts }, { acceleration }) => {
  if (acceleration !== 'kvm') return undefined
  if (!facts) return 'its hardware is not reported yet'
  return facts.kvm.works ? undefined : `needs KVM, which does not work: ${facts.kvm.because}`
}
