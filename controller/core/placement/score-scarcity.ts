import { setAsideOn } from '../scarce.ts'
import type { Score } from './pipeline.ts'

/**
 * Keeps hosts with devices free for those that ask for them: -1 for who asks for none of the sorts
 * that a host has set aside, less for who asks for some.
 */
export const scoreScarcity: Score = ({ facts }, { scarce }) => {
  // Most hosts have none, and all are asked for every newcomer.
  if (!facts || facts.devices.length === 0) return 0
  const { devices } = setAsideOn(facts)
  let unasked = 0
  for (const kind of devices) if (scarce?.[kind] === undefined) unasked += 1
  return devices.length === 0 ? 0 : -unasked / devices.length
}
