import test from 'ava'
import type { OrderNetwork } from '#shared/wire/order.ts'
import { diffBridge, type Link, removeBridges } from '../../../agent/core/diff-links.ts'
import { bridgeOf, layNetworks } from '../../../agent/core/network-layout.ts'
import { sampleNetwork } from '../../contracts/network.ts'

const one = sampleNetwork(1)
const joined = sampleNetwork(1, { uplink: 'eth1' })
const bridge = bridgeOf(one.id)

const link = (name: string, change: Partial<Link> = {}): Link => ({
  name,
  kind: undefined,
  master: undefined,
  mac: '52:54:00:00:00:01',
  mtu: 1500,
  up: true,
  alias: undefined,
  addresses: [],
  ...change
})

const standing = (change: Partial<Link> = {}): Link =>
  link(bridge, {
    kind: 'bridge',
    mac: '0a:00:00:00:00:01',
    alias: `remuda ${one.id}`,
    addresses: ['10.66.1.1/24'],
    ...change
  })

const plan = (network: OrderNetwork, links: readonly Link[], port?: string) =>
  diffBridge(
    layNetworks([network]).layouts[0]!,
    new Map(links.map(each => [each.name, each])),
    port === undefined ? [] : [{ interface: port, bridge }]
  )

const rows: readonly (readonly [string, OrderNetwork, readonly Link[], readonly string[]])[] = [
  ['a bridge that is as it should be is not touched', one, [standing(), link('eth0')], []],
  [
    'a bridge that is missing is made',
    one,
    [],
    [
      `link add name ${bridge} address 0a:00:00:00:00:01 type bridge ` +
        'forward_delay 0 stp_state 0 mcast_snooping 0',
      `link set dev ${bridge} addrgenmode none`,
      `link set dev ${bridge} mtu 1500`,
      `address add 10.66.1.1/24 dev ${bridge}`,
      `link set dev ${bridge} alias "remuda ${one.id}"`,
      `link set dev ${bridge} up`
    ]
  ],
  [
    'what differs is changed',
    one,
    [standing({ mtu: 1400, mac: '0a:00:00:00:00:09', up: false, addresses: ['10.9.9.1/24'] })],
    [
      `link set dev ${bridge} address 0a:00:00:00:00:01`,
      `link set dev ${bridge} mtu 1500`,
      `address delete 10.9.9.1/24 dev ${bridge}`,
      `address add 10.66.1.1/24 dev ${bridge}`,
      `link set dev ${bridge} up`
    ]
  ],
  [
    'an uplink is noted before it is taken',
    joined,
    [standing(), link('eth1', { up: false })],
    [
      `link set dev ${bridge} alias "remuda ${one.id} uplink=eth1"`,
      `link set dev eth1 master ${bridge}`,
      'link set dev eth1 up'
    ]
  ],
  [
    'an uplink that is not wanted any more is let go',
    one,
    [standing({ alias: `remuda ${one.id} uplink=eth1` }), link('eth1', { master: bridge })],
    ['link set dev eth1 nomaster', `link set dev ${bridge} alias "remuda ${one.id}"`]
  ],
  [
    'a foreign interface in the bridge stays',
    one,
    [standing(), link('eth7', { master: bridge })],
    []
  ],
  [
    'a port that lost its bridge is plugged in again',
    one,
    [standing(), link('rp1', { kind: 'tun' })],
    [`link set dev rp1 master ${bridge}`]
  ]
]
for (const [title, network, links, expected] of rows) {
  test(title, t => t.deepEqual(plan(network, links, 'rp1'), { lines: expected }))
}

const obstacles: readonly (readonly [string, OrderNetwork, readonly Link[], RegExp])[] = [
  [
    'an uplink that is not there is none',
    joined,
    [],
    /^its uplink eth1 is no interface of this host$/
  ],
  [
    'an uplink that carries the address of the host is not taken',
    joined,
    [link('eth1', { addresses: ['192.0.2.1/24', '2001:db8::1/64'] })],
    /^its uplink eth1 carries 192\.0\.2\.1\/24, 2001:db8::1\/64, which the host would lose: give/
  ],
  [
    'an uplink of another bridge is not taken',
    joined,
    [link('eth1', { master: 'br0' })],
    /^its uplink eth1 is in br0 already$/
  ],
  [
    'an uplink that passes smaller packets only is not taken',
    joined,
    [link('eth1', { mtu: 1400 })],
    /^its uplink eth1 passes packets of 1400 bytes, the network's have 1500$/
  ],
  [
    'a subnet in which the host is already is none of ours',
    one,
    [link('eth0', { addresses: ['10.66.1.77/16'] })],
    /^its subnet 10\.66\.1\.0\/24 overlaps 10\.66\.1\.77\/16, which interface eth0 carries$/
  ],
  [
    'an interface of the name that is no bridge is not ours',
    one,
    [link(bridge, { kind: 'veth' })],
    /exists and is no bridge but veth$/
  ]
]
for (const [title, network, links, expected] of obstacles) {
  test(title, t => {
    const result = plan(network, links)
    t.regex('failure' in result ? result.failure : '', expected)
  })
}

test('networks that cannot stand side by side say which is in the way', t => {
  const range = [{ cidr: '10.66.0.0/16', gateway: '10.66.0.1', dns: [] }]
  const { layouts, failures } = layNetworks([
    sampleNetwork(3, { uplink: 'eth1' }),
    sampleNetwork(2, { subnets: range }),
    joined,
    sampleNetwork(4, { subnets: [{ cidr: '10.66.4.1/24', gateway: '10.66.4.1', dns: [] }] }),
    sampleNetwork(5, { nat: false, uplink: 'eth5', subnets: range })
  ])
  t.deepEqual(
    layouts.map(layout => layout.name),
    ['net1', 'net5']
  )
  t.is(
    failures.get(sampleNetwork(2).id),
    'its subnet 10.66.0.0/16 overlaps 10.66.1.0/24 of network net1 on this host'
  )
  t.is(failures.get(sampleNetwork(3).id), 'its uplink eth1 is that of network net1 already')
  t.regex(failures.get(sampleNetwork(4).id) ?? '', /^cannot use subnet 10\.66\.4\.1\/24 with gate/)
})

test('only bridges with a name of ours are removed', t => {
  const links = [
    standing(),
    link('rb0123456789ab', { kind: 'bridge' }),
    link('rb0123456789ac', { kind: 'veth' }),
    link('rbx', { kind: 'bridge' }),
    link('docker0', { kind: 'bridge' })
  ]
  const all = new Map(links.map(each => [each.name, each]))
  const names = ['rb0123456789ab', 'rb0123456789ac', 'rbx', 'docker0', 'rb0123456789ad']
  t.deepEqual(removeBridges(all, names), ['link delete dev rb0123456789ab'])
})
