import type { Filter } from './pipeline.ts'

/** Keeps the hosts whose libvirt can run this type of instance. */
export const filterDriver: Filter = ({ drivers, facts }, { type }) => {
  const driver = type === 'vm' ? 'qemu' : 'lxc'
  if (drivers.includes(driver)) return undefined
  const isSilent = drivers.length === 0 && facts?.libvirt === undefined
  if (isSilent) return 'its libvirt has not said yet what it can run'
  const has = drivers.length === 0 ? 'none' : drivers.join(', ')
  return `a ${type} needs libvirt's ${driver} driver, it has ${has}`
}
