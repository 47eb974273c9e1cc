import type { Filter } from './pipeline.ts'

/** Keeps the hosts that everything agrees with that the instance is bound to. */
export const filterPinned: Filter = ({ host }, { bonds }) => {
  const bond = bonds.find(one => one.host !== host.name)
  return bond && `the instance is bound to ${bond.host}: ${bond.because}`
}
