/**
 * What an instance takes of its host's memory beside its own. It is counted wherever memory is:
 * else a host that is promised to the last MiB has its kernel choose whom to kill.
 *
 * - A VM: QEMU's own code and state, each processor's stack and buffers, and the second page tables
 *   by which the processor finds the guest's memory, one in 512. Seen with QEMU 7.2 and the devices
 *   that an instance has, at its firmware: 40 MiB with 1 processor and one disk, 49 MiB with 8 and
 *   four. The part that grows is the one that OpenShift Virtualization plans with, 8 MiB for each
 *   processor and 0.2 % (its documentation, "Virtual machine memory overhead"); there is no
 *   graphics device to be counted. One that is emulated needs more for the code that it translates.
 * - A container: the process of libvirt that holds it.
 *
 * It is recorded with the instance when it gets its shape, so that what was promised stays what it
 * was when this page says otherwise.
 */
import type { Instance, InstanceDecided } from '#shared/model/instance.ts'
import type { Mib } from '#shared/units.ts'
import type { Cloud } from './commit.ts'
import type { View } from './view.ts'

type InstanceType = Instance['spec']['type']
type Shape = Pick<InstanceDecided, 'vcpus' | 'memoryMib'>

const machineBaseMib: Mib = 48
const machineVcpuMib: Mib = 8
const memoryPerTable = 512
const containerMib: Mib = 16

/** Whether it is counted of instances that are made, or get another shape, from now on. */
export const overheadSetting = (view: View): NonNullable<Cloud['overhead']> =>
  view.cloud?.overhead ?? 'ignored'

/** What hosts keep for an instance of a shape beside its own memory. */
export const overheadIn = (view: View, type: InstanceType, shape: Shape): Mib =>
  overheadSetting(view) === 'counted' ? overheadOf(type, shape) : 0

/** What an instance of a shape takes beside its own memory. */
export function overheadOf(type: InstanceType, { vcpus, memoryMib }: Shape): Mib {
  if (type === 'container') return containerMib
  return machineBaseMib + machineVcpuMib * vcpus + Math.ceil(memoryMib / memoryPerTable)
}

/**
 * All that an instance takes of its host's common memory while it runs. Huge pages are set aside
 * for good, and counted by themselves; see scarce.ts.
 */
export const heldMib = ({
  memoryMib,
  overheadMib = 0,
  hugePages
}: Pick<InstanceDecided, 'memoryMib' | 'overheadMib' | 'hugePages'>): Mib =>
  (hugePages === undefined ? memoryMib : 0) + overheadMib
