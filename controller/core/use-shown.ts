/** What is shown of how busy hosts and instances are, where that was measured lately. */
import type { Ms } from '#shared/units.ts'
import type { View } from './view.ts'

const percentOf = (share: number): number => Math.round(Math.min(1, Math.max(0, share)) * 100)
const rounded = (value: number): number => Math.round(value * 100) / 100

/** The measured use of a host, for its status. */
export function hostUseShown(view: View, host: string, now: Ms) {
  const found = view.uses.of(host, now)
  if (!found) return undefined
  const { cpu, disk, network } = found
  return {
    use: {
      cpuPercent: percentOf(cpu),
      ...(disk !== undefined && { diskPercent: percentOf(disk) }),
      ...(network !== undefined && { networkPercent: percentOf(network) })
    }
  }
}

/** That of an instance, as its host has measured it. */
export function instanceUseShown(view: View, id: string, of: string | undefined, now: Ms) {
  const found = of === undefined ? undefined : view.uses.of(of, now)?.instances.get(id)
  if (!found) return undefined
  return { use: { cpuThreads: rounded(found.cpu), networkMbit: rounded(found.networkMbit) } }
}
