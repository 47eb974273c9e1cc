import { isHuge, isOfCells } from '../scarce.ts'
import type { Candidate, Filter } from './pipeline.ts'

/** Keeps the hosts with enough of what few have, such as huge pages, that is not promised. */
export const filterScarce: Filter = ({ capacity, facts }, { scarce, running }) => {
  if (!running || scarce === undefined) return undefined
  if (!capacity) return 'its hardware is not reported yet'
  for (const [name, needed] of Object.entries(scarce)) {
    if (isOfCells(name)) continue
    const all = capacity.scarce[name] ?? 0
    const promised = capacity.scarcePromised[name] ?? 0
    if (all - promised >= needed) continue
    const wish = isHuge(name) ? `${needed} MiB in ${name}` : `${needed} ${name}`
    if (all === 0) return `needs ${wish}, has none set aside${whyNone(name, facts)}`
    const unit = isHuge(name) ? ' MiB' : ''
    const free = Math.max(0, all - promised)
    const room = `${all}${unit}, ${promised}${unit} promised`
    return `needs ${wish}, has ${free}${unit} unpromised (of ${room})`
  }
  return undefined
}

/** What stands in the way of the first device of that sort, where there is one. */
function whyNone(name: string, facts: Candidate['facts']): string {
  const devices = facts?.devices.filter(one => one.class === name) ?? []
  const [first] = devices
  if (!first) return ''
  const because = first.assignable?.because ?? 'its agent has not said whether it can be given'
  return ` of its ${devices.length} (${first.pci}: ${because})`
}
