import test from 'ava'
import { makeLibvirt } from '../../agent/io/libvirt/hypervisor.ts'
import { destroyAll, hypervisorSuite } from '../contracts/hypervisor.ts'
import { type GuestFiles, guestXml, prepareGuests } from './guests.ts'
import { type PrivateLibvirtd, startLibvirtd } from './libvirtd.ts'

let libvirtd: PrivateLibvirtd
let files: GuestFiles

test.before(async () => {
  libvirtd = await startLibvirtd()
  files = await prepareGuests(libvirtd.directory)
})

test.after.always(async () => {
  await libvirtd?.[Symbol.asyncDispose]()
})

const connect = (): ReturnType<typeof makeLibvirt> => {
  const paths = [libvirtd.socketPath]
  return makeLibvirt({ socketPaths: { qemu: paths, lxc: paths } })
}

hypervisorSuite('libvirt', async () => {
  const hypervisor = connect()
  return {
    hypervisor,
    xml: guest => guestXml(guest, files),
    killBehind: async key => {
      await using other = connect()
      await other.destroy(key)
    },
    disconnect: () => libvirtd.restart(),
    [Symbol.asyncDispose]: async () => {
      await hypervisor[Symbol.asyncDispose]()
      await using cleaner = connect()
      await destroyAll(cleaner)
    }
  }
})
