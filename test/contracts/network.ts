/** What every NetworkDriver promises, the fake and the real one. */
import test, { type ExecutionContext } from 'ava'
import type { OrderNetwork } from '#shared/wire/order.ts'
import type { NamedPort, NetworkDriver } from '../../agent/core/ports.ts'

export type NetworkRig = AsyncDisposable & {
  readonly network: NetworkDriver
  /** Names of the bridges that stand. */
  readonly bridges: () => Promise<readonly string[]>
  /** Lets go of the driver and opens another one over the same host, as a new agent does. */
  readonly reopen: () => Promise<NetworkDriver>
  /** A network that this host cannot have. */
  readonly impossible: OrderNetwork
}

/** Describes a network; the number sets its id, name and range. */
export const sampleNetwork = (
  number: number,
  change: Partial<OrderNetwork> = {}
): OrderNetwork => ({
  id: `n-01980000-0000-7000-8000-0000000000${String(number).padStart(2, '0')}`,
  name: `net${number}`,
  mtu: 1500,
  nat: true,
  subnets: [{ cidr: `10.66.${number}.0/24`, gateway: `10.66.${number}.1`, dns: [] }],
  ...change
})

/** Describes a port; the number sets its id and addresses, from 2 on. */
export const samplePort = (network: OrderNetwork, number: number, name: string): NamedPort => ({
  id: `p-01980000-0000-7000-8000-${network.id.slice(-6)}0000${String(number).padStart(2, '0')}`,
  networkId: network.id,
  mac: `52:54:00:00:${network.id.slice(-2)}:${String(number).padStart(2, '0')}`,
  address: `${network.subnets[0]!.gateway.replace(/\.\d+$/, '')}.${number}`,
  name
})

/** Registers the suite's tests; each gets a rig of its own, and they run one after another. */
export function networkSuite(name: string, makeRig: () => Promise<NetworkRig>): void {
  const behaves = (
    title: string,
    body: (t: ExecutionContext, rig: NetworkRig) => Promise<void>
  ): void => {
    test.serial(`${name}: ${title}`, async t => {
      await using rig = await makeRig()
      await body(t, rig)
    })
  }
  const [one, two] = [sampleNetwork(1), sampleNetwork(2, { nat: false })]

  behaves('names fit the kernel, differ, and never change', async (t, { network }) => {
    const names = [one, two].map(each => network.bridgeOf(each.id))
    const ports = [2, 3].map(number => network.interfaceOf(samplePort(one, number, 'web').id))
    t.is(new Set([...names, ...ports]).size, 4)
    for (const each of [...names, ...ports]) t.regex(each, /^[a-z0-9]{1,15}$/)
    t.is(network.bridgeOf(one.id), names[0]!)
  })

  behaves('networks stand once they are applied', async (t, { network, bridges }) => {
    const expected = [two, one].map(({ id }) => ({
      id,
      bridge: network.bridgeOf(id),
      failure: undefined
    }))
    t.deepEqual(await network.apply([two, one], [samplePort(one, 2, 'web')]), expected)
    t.deepEqual([...(await bridges())].sort(), expected.map(each => each.bridge).sort())
    t.deepEqual(await network.apply([two, one], [samplePort(one, 2, 'web')]), expected)
  })

  behaves('what is not applied any more is removed', async (t, { network, bridges }) => {
    await network.apply([one, two], [])
    t.deepEqual(
      (await network.apply([two], [])).map(each => each.id),
      [two.id]
    )
    t.deepEqual(await bridges(), [network.bridgeOf(two.id)])
    t.deepEqual(await network.apply([], []), [])
    t.deepEqual(await bridges(), [])
  })

  behaves('one that fails says why and does not stop the others', async (t, rig) => {
    const standing = await rig.network.apply([rig.impossible, one], [])
    t.deepEqual(
      standing.map(each => each.id),
      [rig.impossible.id, one.id]
    )
    t.regex(standing[0]?.failure ?? '', /^cannot .+: .+/)
    t.is(standing[1]?.failure, undefined)
    t.true((await rig.bridges()).includes(rig.network.bridgeOf(one.id)))
  })

  behaves('a new driver takes over what an earlier one left', async (t, rig) => {
    await rig.network.apply([one, two], [samplePort(one, 2, 'web')])
    const network = await rig.reopen()
    t.deepEqual(await network.apply([one], []), [
      { id: one.id, bridge: network.bridgeOf(one.id), failure: undefined }
    ])
    t.deepEqual(await rig.bridges(), [network.bridgeOf(one.id)])
  })

  behaves('applications at the same time end in the last one', async (t, rig) => {
    await Promise.all([
      rig.network.apply([one, two], []),
      rig.network.apply([], []),
      rig.network.apply([two], [])
    ])
    t.deepEqual(await rig.bridges(), [rig.network.bridgeOf(two.id)])
  })
}
