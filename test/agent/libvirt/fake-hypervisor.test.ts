import { hypervisorSuite } from '../../contracts/hypervisor.ts'
import { guestXml } from '../../lab/guests.ts'
import { FakeHypervisor } from '../../world/fake-hypervisor.ts'

hypervisorSuite('the fake', async () => {
  const hypervisor = new FakeHypervisor()
  return {
    hypervisor,
    xml: guest => guestXml(guest, { disk: '/none.img', root: '/none' }),
    killBehind: async key => hypervisor.kill(key),
    disconnect: async () => hypervisor.disconnect(),
    [Symbol.asyncDispose]: () => hypervisor[Symbol.asyncDispose]()
  }
})
