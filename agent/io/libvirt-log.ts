import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { domainName } from '../core/domain-plan.ts'

/** Where libvirt keeps a log of each domain, by driver. */
const folder = '/var/log/libvirt'

/** Removes what libvirt has logged of an instance that is gone. A log that is not there is fine. */
export async function removeLibvirtLog(instance: {
  readonly tenant: string
  readonly name: string
}): Promise<void> {
  for (const driver of ['qemu', 'lxc']) {
    await rm(join(folder, driver, `${domainName(instance)}.log`), { force: true })
  }
}
