import { networkSuite, sampleNetwork } from '../../contracts/network.ts'
import { FakeNetwork } from '../../world/fake-network.ts'

networkSuite('the fake network', async () => {
  const network = new FakeNetwork()
  const impossible = sampleNetwork(9)
  network.failures.set(impossible.id, 'cannot use net9: its uplink is no interface of this host')
  return {
    network,
    bridges: async () => network.networks.map(each => network.bridgeOf(each.id)),
    reopen: async () => network,
    impossible,
    [Symbol.asyncDispose]: async () => {}
  }
})
