import { setTimeout as sleep } from 'node:timers/promises'
import { migrationSuite } from '../../contracts/migration.ts'
import { guestXml } from '../../lab/guests.ts'
import { FakeHypervisor } from '../../world/fake-hypervisor.ts'

migrationSuite('the fakes', () => {
  const target = new FakeHypervisor()
  const uri = 'qemu+tls://h2/system'
  let paceMs = 0
  const pace = () => sleep(paceMs)
  const source = new FakeHypervisor({ peers: new Map([[uri, target]]), pace })
  const way = { uri, address: 'h2', folders: { here: '/', there: '/' } }
  return {
    source,
    target,
    way,
    blindWay: { ...way, uri: 'qemu+tls://h9/system' },
    xml: guest => guestXml(guest, { disk: '/none.img', root: '/none' }),
    busyXml: guest => {
      source.lines.writesFast = true
      return guestXml(guest, { disk: '/none.img', root: '/none' })
    },
    tear: async () => {
      source.lines.cut(uri, true)
      await sleep(paceMs)
      source.lines.cut(uri, false)
    },
    slowDown: async () => {
      paceMs = 100
    }
  }
})
