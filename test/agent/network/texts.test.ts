import test from 'ava'
import type { OrderNetwork } from '#shared/wire/order.ts'
import {
  dhcpConf,
  dhcpHosts,
  dnsConf,
  dnsHosts,
  dnsServers,
  onlyAdds
} from '../../../agent/core/dnsmasq-conf.ts'
import { layNetworks } from '../../../agent/core/network-layout.ts'
import { nftRuleset } from '../../../agent/core/nft-ruleset.ts'
import { sampleNetwork, samplePort } from '../../contracts/network.ts'
import { isGolden } from '../golden-file.ts'

const nat = sampleNetwork(1)
const isolated = sampleNetwork(2, { nat: false, mtu: 9000 })
const site = sampleNetwork(3, {
  nat: false,
  uplink: 'eth1',
  subnets: [{ cidr: '192.0.2.0/24', gateway: '192.0.2.254', dns: ['192.0.2.53', '9.9.9.9'] }]
})
const joined = sampleNetwork(4, {
  uplink: 'eth2.100',
  subnets: [
    { cidr: '10.66.4.0/25', gateway: '10.66.4.1', dns: [] },
    { cidr: '10.66.8.0/22', gateway: '10.66.11.254', dns: ['10.66.4.1'] }
  ]
})
const ports = [samplePort(nat, 2, 'web'), samplePort(nat, 3, 'api'), samplePort(site, 9, 'gate')]
const paths = {
  hostsFile: '/run/x/hosts',
  serversFile: '/run/x/servers',
  readyFile: '/run/x/ready'
}

const laid = (networks: readonly OrderNetwork[]) => layNetworks(networks).layouts

for (const [name, networks, plugs] of [
  ['one-nat-network', [nat], ports.slice(0, 2)],
  ['all-kinds', [joined, site, isolated, nat], ports],
  ['a-caller', [nat], [{ ...ports[0]!, phonesHome: true }, ports[1]!]],
  ['no-networks', [], []]
] as const) {
  test(`the packet filter of ${name.replaceAll('-', ' ')} is as reviewed`, t => {
    isGolden(t, `network/filter-${name}.golden.nft`, nftRuleset(laid(networks), plugs))
  })
}

test('the packet filter of a host that has booted over the network is as reviewed', t => {
  const server = { address: '10.0.0.2', port: 7_480 }
  const text = nftRuleset(laid([nat]), ports.slice(0, 2), server)
  isGolden(t, 'network/filter-booted-over-the-network.golden.nft', text)
})

for (const network of [nat, isolated, site, joined]) {
  test(`the files of dnsmasq for ${network.name} are as reviewed`, t => {
    const [layout] = laid([network])
    const own = ports.filter(port => port.networkId === network.id)
    const parts = {
      'dhcp.conf': dhcpConf(layout!, paths),
      'dhcp.hosts': dhcpHosts(own),
      'dns.conf': dnsConf(layout!, paths),
      'dns.hosts': dnsHosts(layout!, own)
    }
    const text = Object.entries(parts).map(([name, content]) => `===== ${name}\n${content}`)
    isGolden(t, `network/dnsmasq-${network.name}.golden.txt`, text.join(''))
  })
}

test('the order of networks and ports changes no text', t => {
  const networks = [joined, site, isolated, nat]
  t.is(
    nftRuleset(laid(networks), ports),
    nftRuleset(laid(networks.toReversed()), ports.toReversed())
  )
  t.is(dhcpHosts(ports), dhcpHosts(ports.toReversed()))
  t.is(dnsHosts(laid([nat])[0]!, ports), dnsHosts(laid([nat])[0]!, ports.toReversed()))
})

for (const name of ['ignore', 'infinite', '12', '5m']) {
  test(`an instance named ${name} gets its address like any other`, t => {
    t.is(dhcpHosts([{ ...ports[0]!, name }]), '52:54:00:00:01:02,10.66.1.2\n')
  })
}

for (const [title, resolvConf, expected] of [
  [
    'its name servers in order',
    'nameserver 9.9.9.9\nnameserver 2620:fe::fe\n',
    '9.9.9.9 2620:fe::fe'
  ],
  ['each one once', 'nameserver 9.9.9.9\n nameserver\t9.9.9.9 # again\n', '9.9.9.9'],
  [
    'no gateway of ours, which would ask itself',
    'nameserver 10.66.1.1\nnameserver 1.1.1.1',
    '1.1.1.1'
  ],
  ['no comments and no other words', '# nameserver 9.9.9.9\nsearch x\nnameserver x y\n', ''],
  ['nobody where it has none', '', '']
] as const) {
  test(`about the outside the host asks ${title}`, t => {
    const lines = expected.split(' ').filter(Boolean)
    t.is(dnsServers(resolvConf, laid([nat])), lines.map(line => `server=${line}\n`).join(''))
  })
}

for (const [title, before, after, expected] of [
  ['a further line', 'a\nb\n', 'a\nb\nc\n', true],
  ['the same lines', 'a\nb\n', 'a\nb\n', true],
  ['the first line', '', 'a\n', true],
  ['a line that goes', 'a\nb\n', 'b\n', false],
  ['a line that changes', 'a\nb\n', 'a\nc\n', false]
] as const) {
  test(`a DHCP server ${expected ? 'stays' : 'starts anew'} for ${title}`, t => {
    t.is(onlyAdds(before, after), expected)
  })
}
