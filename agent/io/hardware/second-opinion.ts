/**
 * What the kernel's files leave out and user space knows: names of ARM processors (the kernel gives
 * only numbers) and serial numbers that udev found. Asked for gaps only, since it runs programs.
 */
import systeminformation from 'systeminformation'
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
    const cpu = await systeminformation.cpu()
    return { vendor: plain(cpu.vendor), model: plain(`${cpu.manufacturer} ${cpu.brand}`) }
  },
  disks: async () => {
    const devices = await systeminformation.blockDevices()
    return new Map(
      devices.map(device => [
        device.name,
        { model: plain(device.model), serial: plain(device.serial) }
      ])
    )
  }
}
