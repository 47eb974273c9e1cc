/**
 * What the kernel's files leave out and user space knows: names of ARM processors (the kernel gives
 * only numbers) and serial numbers that udev found. Asked for gaps only, since it runs programs.
 */
import { plain } from '../../core/hardware-text.ts'

/** Names by which to fill gaps; undefined where it knows none. */
export type SecondOpinion = {
  readonly cpu: () => Promise<{
    readonly vendor: string | undefined
    readonly model: string | undefined
  }>
  /** By name of the block device. */
  readonly disks: () => Promise<
    ReadonlyMap<string, { readonly model: string | undefined; readonly serial: string | undefined }>
  >
}

/** Asks `lscpu` and `lsblk`; only of use for the machine that we run on. */
export const secondOpinion: SecondOpinion = {
  cpu: async () => {
    const cpu = await (await programs()).cpu()
    return { vendor: plain(cpu.vendor), model: plain(`${cpu.manufacturer} ${cpu.brand}`) }
  },
  disks: async () => {
    const devices = await (await programs()).blockDevices()
    return new Map(
      devices.map(device => [
        device.name,
        { model: plain(device.model), serial: plain(device.serial) }
      ])
    )
  }
}

/** Half of the code of an agent, which most hosts never run: read once there is a gap to fill. */
const programs = async () => (await import('systeminformation')).default
