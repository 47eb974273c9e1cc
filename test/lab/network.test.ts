import fs from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { makeLog, silentLog } from '#shared/log.ts'
import { bridgeOf, interfaceOf } from '../../agent/core/network-layout.ts'
import { FlatNetworks, removeAll } from '../../agent/io/network/flat.ts'
import { networkSuite, sampleNetwork, samplePort } from '../contracts/network.ts'
import { Client, Netns } from './netns.ts'
import { eventually, NetworkHost } from './network-host.ts'

const one = sampleNetwork(1)
const two = sampleNetwork(2, { nat: false })
const web = samplePort(one, 2, 'web')
const api = samplePort(one, 3, 'api')

networkSuite('flat networks', async () => {
  const host = await NetworkHost.make()
  return {
    network: host.networks,
    bridges: () => host.bridges(),
    reopen: () => host.reopen(),
    impossible: sampleNetwork(9, { uplink: 'nowhere' }),
    [Symbol.asyncDispose]: () => host[Symbol.asyncDispose]()
  }
})

test.serial('an instance gets its address, gateway, names and packet size by DHCP', async t => {
  await using host = await NetworkHost.make()
  await host.stand(t, [{ ...one, mtu: 1400 }, two], [web, api, samplePort(two, 7, 'alone')])
  const lease = await (await host.plug(api)).lease()
  const { ip, subnet, router, dns, mtu, hostname, domain } = lease ?? {}
  t.deepEqual(
    { ip, subnet, router, dns, mtu, hostname, domain },
    {
      ip: '10.66.1.3',
      subnet: '255.255.255.0',
      router: '10.66.1.1',
      dns: '10.66.1.1',
      mtu: '1400',
      hostname: 'api',
      domain: 'net1.internal'
    }
  )
  const alone = await (await host.plug(samplePort(two, 7, 'alone'))).lease()
  t.is(alone?.['ip'], '10.66.2.7')
  t.is(alone?.['router'], undefined)
})

test.serial('instances find each other by name, in their own network alone', async t => {
  await using host = await NetworkHost.make()
  const other = samplePort(two, 4, 'other')
  await host.stand(t, [one, two], [web, api, other])
  const client = await host.plugAddressed(web, one)
  t.deepEqual(await client.resolve('api', '10.66.1.1'), ['10.66.1.3'])
  t.deepEqual(await client.resolve('api.net1.internal', '10.66.1.1'), ['10.66.1.3'])
  t.is(await client.resolve('other', '10.66.1.1'), undefined)
  t.is(await client.resolve('other', '10.66.2.1'), undefined)
  const before = await host.servers()
  await host.stand(t, [one, two], [web, { ...api, name: 'db' }, other])
  await eventually(async () => (await client.resolve('db', '10.66.1.1'))?.[0])
  t.is(await client.resolve('api', '10.66.1.1'), undefined)
  const dns = `${bridgeOf(one.id)}/dns`
  t.is((await host.servers())[dns], before[dns])
})

test.serial('a second application changes nothing, nor does a new agent', async t => {
  await using host = await NetworkHost.make()
  await host.stand(t, [one, two], [web, api])
  await host.plug(web)
  const before = await host.snapshot()
  await host.stand(t, [one, two], [web, api])
  t.deepEqual(await host.snapshot(), before)
  await host.reopen()
  await host.stand(t, [two, one], [api, web])
  t.deepEqual(await host.snapshot(), before)
})

test.serial('what others have changed is put right, and nothing else', async t => {
  await using host = await NetworkHost.make()
  await host.stand(t, [one], [web])
  await host.plug(web)
  const before = await host.servers()
  const bridge = bridgeOf(one.id)
  await host.netns.run('nft', ['flush', 'chain', 'bridge', 'remuda', 'from_port'])
  await host.netns.run('ip', ['address', 'flush', 'dev', bridge])
  await host.netns.run('ip', ['link', 'set', 'dev', interfaceOf(web.id), 'nomaster'])
  await host.stand(t, [one], [web])
  const { stdout } = await host.netns.run('ip', ['-json', 'address', 'show', 'dev', bridge])
  t.true(stdout.includes('"local":"10.66.1.1"'))
  const ports = await host.netns.run('ip', ['-json', 'link', 'show', 'master', bridge])
  t.true(ports.stdout.includes(interfaceOf(web.id)))
  const rules = await host.netns.run('nft', ['list', 'chain', 'bridge', 'remuda', 'from_port'])
  t.true(rules.stdout.includes('port_macs'))
  t.deepEqual(await host.servers(), before)
})

test.serial('a new instance gets the address of a removed one at once', async t => {
  await using host = await NetworkHost.make()
  await host.stand(t, [one], [web])
  t.is((await (await host.plug(web)).lease())?.['ip'], '10.66.1.2')
  const dns = `${bridgeOf(one.id)}/dns`
  const before = await host.servers()
  const successor = { ...samplePort(one, 5, 'db'), address: web.address }
  await host.stand(t, [one], [successor])
  t.is((await (await host.plug(successor)).lease())?.['ip'], '10.66.1.2')
  t.is((await host.servers())[dns], before[dns])
})

test.serial('a further instance needs no new DHCP server', async t => {
  await using host = await NetworkHost.make()
  await host.stand(t, [one], [web])
  const client = await host.plug(web)
  t.is((await client.lease())?.['ip'], '10.66.1.2')
  const before = await host.servers()
  for (let number = 10; number < 20; number += 1) {
    const more = samplePort(one, number, `more${number}`)
    await host.stand(t, [one], [web, ...(number % 2 === 0 ? [more] : [])])
    t.is((await client.lease())?.['ip'], '10.66.1.2')
    if (number === 10) t.deepEqual(await host.servers(), before)
  }
})

test.serial('a name server that was killed comes back, also under a new agent', async t => {
  await using host = await NetworkHost.make()
  await host.stand(t, [one], [web])
  for (const role of ['dhcp', 'dns']) {
    const server = `${bridgeOf(one.id)}/${role}`
    const pid = (await host.servers())[server]!
    process.kill(pid, 'SIGKILL')
    const next = await eventually(async () => {
      const now = (await host.servers())[server]
      return now === pid ? undefined : now
    })
    t.not(next, pid)
  }
  await host.networks[Symbol.asyncDispose]()
  const pids = Object.values(await host.servers())
  for (const pid of pids) process.kill(pid, 'SIGKILL')
  await host.reopen()
  await host.stand(t, [one], [web])
  t.is((await (await host.plug(web)).lease())?.['ip'], '10.66.1.2')
})

test.serial('an instance speaks only under its own addresses', async t => {
  await using host = await NetworkHost.make()
  await host.stand(t, [one], [web, api])
  const victim = await host.plugAddressed(api, one)
  const client = await host.plugAddressed(web, one)
  t.true(await client.reaches(api.address), 'its own addresses')
  await client.configure('10.66.1.77/24')
  t.true(await client.isCutOffFrom(api.address), 'a free IP address')
  await client.configure(`${web.address}/24`)
  const link = ['link', 'set', 'dev', 'eth0', 'address']
  await client.netns.run('ip', [...link, '52:54:00:00:01:99'])
  t.true(await client.isCutOffFrom(api.address), 'another hardware address')
  await client.netns.run('ip', [...link, web.mac])
  t.true(await client.reaches(api.address), 'its own addresses again')
  await victim.netns.run('ip', ['neighbour', 'flush', 'all'])
  await client.configure('10.66.1.1/24')
  t.true(await client.isCutOffFrom(api.address), "the gateway's IP address")
  const { stdout } = await victim.netns.run('ip', ['neighbour', 'show', '10.66.1.1'])
  t.false(stdout.includes(web.mac), "the gateway's entry in the ARP table of another")
})

test.serial('an instance sends no IPv6, which has no addresses to pin', async t => {
  await using host = await NetworkHost.make()
  await host.stand(t, [one], [web, api])
  const clients = [await host.plugAddressed(web, one), await host.plugAddressed(api, one)] as const
  for (const [index, { netns }] of clients.entries()) {
    const address = `fe80::${index + 1}/64`
    await netns.run('ip', ['address', 'add', address, 'dev', 'eth0', 'nodad'])
  }
  t.true(await clients[0].reaches(api.address))
  t.true(await clients[0].isCutOffFrom('fe80::2%eth0'))
  await host.netns.run('nft', ['delete', 'table', 'bridge', 'remuda'])
  t.true(await clients[0].reaches('fe80::2%eth0'), 'without the filter')
})

test.serial('an instance cannot play DHCP server', async t => {
  await using host = await NetworkHost.make()
  const rogue = samplePort(one, 9, 'rogue')
  await host.stand(t, [one], [rogue])
  const server = await host.plugAddressed(rogue, one)
  const guest = await Client.plug(host.netns, { name: 'foreign0', bridge: bridgeOf(one.id) })
  const conf = ['--keep-in-foreground', '--conf-file=/dev/null', '--port=0', '--bind-dynamic']
  const range = ['--interface=eth0', '--dhcp-range=10.66.1.100,10.66.1.120', '--leasefile-ro']
  const ready = join(host.state, 'rogue.ready')
  const args = [...conf, ...range, '--no-ping', '--dhcp-authoritative', `--pid-file=${ready}`]
  const ended = server.netns.run('dnsmasq', args).catch(() => {})
  const pid = Number(await eventually(() => fs.readFile(ready, 'utf8').catch(() => undefined)))
  try {
    t.is(await guest.lease(2), undefined)
  } finally {
    process.kill(pid)
    await ended
    await guest[Symbol.asyncDispose]()
  }
})

test.serial('NAT leads outside under the address of the host, and nobody in', async t => {
  await using host = await NetworkHost.make()
  const outside = await host.outside('eth0')
  await host.netns.run('ip', ['address', 'add', '192.0.2.1/24', 'dev', 'eth0'])
  await outside.configure('192.0.2.2/24')
  const other = samplePort(two, 4, 'other')
  await host.stand(t, [one, two], [web, other])
  const client = await host.plugAddressed(web, one)
  const closed = await host.plugAddressed(other, two)
  t.true(await client.reaches('192.0.2.2'), 'from a NAT network')
  t.true(await closed.isCutOffFrom('192.0.2.2'), 'from an isolated network')
  t.true(await client.isCutOffFrom(other.address), 'from one network into another')
  t.true(await client.reaches('10.66.1.1'), 'the gateway')
  t.true(await client.isCutOffFrom('192.0.2.1'), "the host's own address")
  t.true(await client.isCutOffFrom('10.66.2.1'), "another network's gateway")
  await outside.netns.run('ip', ['route', 'add', '10.66.0.0/16', 'via', '192.0.2.1'])
  t.true(await outside.isCutOffFrom(web.address), 'from outside')
})

test.serial("names of the outside come from the host's own name servers", async t => {
  await using host = await NetworkHost.make()
  const outside = await host.outside('eth0')
  await host.netns.run('ip', ['address', 'add', '192.0.2.1/24', 'dev', 'eth0'])
  await outside.configure('192.0.2.2/24')
  await host.stand(t, [one], [web])
  const client = await host.plugAddressed(web, one)
  t.is(await client.resolve('www.example.org', '10.66.1.1'), undefined)
  const before = await host.servers()
  const ready = join(host.state, 'outside.ready')
  const conf = ['--keep-in-foreground', '--conf-file=/dev/null', '--no-resolv', '--no-hosts']
  const names = ['--address=/example.org/192.0.2.80', '--address=/internal/192.0.2.81']
  const args = [...conf, ...names, '--interface=eth0', `--pid-file=${ready}`]
  const ended = outside.netns.run('dnsmasq', args).catch(() => {})
  const pid = Number(await eventually(() => fs.readFile(ready, 'utf8').catch(() => undefined)))
  try {
    await fs.writeFile(join(host.state, 'resolv.conf'), 'nameserver 192.0.2.2\n')
    await host.stand(t, [one], [web])
    const answer = await eventually(() => client.resolve('www.example.org', '10.66.1.1'))
    t.deepEqual(answer, ['192.0.2.80'])
    t.is(await client.resolve('nobody.internal', '10.66.1.1'), undefined)
    t.deepEqual(await host.servers(), before)
  } finally {
    process.kill(pid)
    await ended
  }
})

test.serial('an uplink joins hosts; each is the gateway of its own instances', async t => {
  await using left = await NetworkHost.make()
  await using right = await NetworkHost.make()
  const link = ['link', 'add', 'name', 'eth1', 'type', 'veth', 'peer', 'name', 'eth1']
  await left.netns.run('ip', [...link, 'netns', right.netns.name])
  const joined = { ...one, uplink: 'eth1' }
  await left.stand(t, [joined], [web])
  await right.stand(t, [joined], [api])
  const [here, there] = [await left.plug(web), await right.plug(api)]
  t.is((await here.lease())?.['serverid'], '10.66.1.1')
  t.is((await there.lease())?.['ip'], api.address)
  await here.configure(`${web.address}/24`)
  await there.configure(`${api.address}/24`)
  t.true(await here.reaches(api.address), 'an instance on the other host')
  t.true(await here.reaches('10.66.1.1'), 'the gateway')
  const before = await left.snapshot()
  await left.stand(t, [joined], [web])
  t.deepEqual(await left.snapshot(), before)
  await left.stand(t, [one], [web])
  t.true(await here.isCutOffFrom(api.address), 'the other host without the uplink')
  t.true(await here.reaches('10.66.1.1'), 'the gateway without the uplink')
})

test.serial('switches send to where an instance is once it was announced there', async t => {
  await using left = await NetworkHost.make()
  await using right = await NetworkHost.make()
  await using between = await Netns.make()
  await between.run('ip', ['link', 'add', 'name', 'sw0', 'type', 'bridge'])
  await between.run('ip', ['link', 'set', 'dev', 'sw0', 'up'])
  const joined = { ...one, uplink: 'eth1' }
  for (const [port, { netns }] of [['left', left] as const, ['right', right] as const]) {
    const lines = [
      `link add name ${port} type veth peer name eth1 netns ${netns.name}`,
      `link set dev ${port} master sw0`,
      `link set dev ${port} up`
    ]
    await between.run('ip', ['-batch', '-'], lines.join('\n'))
  }
  await using asker = await Client.plug(between, { name: 'asker', bridge: 'sw0' })
  await asker.configure('10.66.1.200/24')
  const portOf = async (mac: string): Promise<string | undefined> => {
    const { stdout } = await between.run('bridge', ['-json', 'fdb', 'show', 'br', 'sw0'])
    const known = JSON.parse(stdout) as readonly { mac: string; ifname: string }[]
    return known.find(one => one.mac === mac)?.ifname
  }
  await left.stand(t, [joined], [web])
  await left.plugAddressed(web, one)
  t.true(await asker.reaches(web.address), 'where it was')
  t.is(await portOf(web.mac), 'left')
  await left.unplug(web)
  await right.stand(t, [joined], [web])
  await right.plugAddressed(web, one)
  t.is(await portOf(web.mac), 'left', 'it has said nothing yet that leaves its host')
  right.networks.announce([web, { ...api, networkId: 'n-none' }])
  await eventually(async () => ((await portOf(web.mac)) === 'right' ? true : undefined))
  t.true(await asker.reaches(web.address), 'where it is')
})

test.serial("without NAT an uplink leads to the site's router", async t => {
  await using host = await NetworkHost.make()
  const router = await host.outside('eth1')
  await router.configure('10.66.1.1/24')
  const site = { ...one, nat: false, uplink: 'eth1' }
  await host.stand(t, [site], [web, api])
  const client = await host.plug(web)
  const lease = await client.lease()
  t.is(lease?.['ip'], '10.66.1.2')
  t.is(lease?.['router'], '10.66.1.1')
  await client.configure('10.66.1.2/24')
  t.true(await client.reaches('10.66.1.1'))
  const { stdout } = await router.netns.run('ip', ['neighbour', 'show'])
  t.false(stdout.includes('169.254.0.1'))
  await router.netns.run('ip', ['link', 'set', 'dev', 'eth0', 'address', api.mac])
  t.is(await router.lease(2), undefined, 'DHCP from beyond the uplink')
})

test.serial("an uplink that carries the host's address is left alone", async t => {
  await using host = await NetworkHost.make()
  await host.outside('eth0')
  await host.netns.run('ip', ['address', 'add', '192.0.2.1/24', 'dev', 'eth0'])
  const standing = await host.networks.apply([{ ...one, uplink: 'eth0' }, two], [])
  t.regex(standing[0]!.failure!, /its uplink eth0 carries 192\.0\.2\.1\/24, which the host would/)
  t.is(standing[1]!.failure, undefined)
  t.deepEqual(await host.bridges(), [bridgeOf(two.id)])
})

test.serial('a filter of others that drops what ours lets pass is warned of', async t => {
  await using host = await NetworkHost.make()
  const drop = 'type filter hook forward priority 0; policy drop;'
  await host.netns.run('nft', ['-f', '-'], `table ip filter { chain FORWARD { ${drop} }; }`)
  const lines: string[] = []
  const log = makeLog('agent', { level: 'warn', write: line => void lines.push(line) })
  await using networks = new FlatNetworks({ state: host.state, log, netns: host.netns.name })
  await networks.apply([one], [])
  await networks.apply([one], [])
  t.is(lines.length, 1)
  const { message, chain } = JSON.parse(lines[0]!)
  t.is(message, 'another packet filter drops what it does not know')
  t.is(chain, 'ip filter FORWARD')
})

test.serial('bridges of another cloud on the same machine are left alone', async t => {
  await using host = await NetworkHost.make()
  await host.netns.run('ip', ['link', 'add', 'rb00000000beef', 'type', 'bridge'])
  await host.stand(t, [one, two], [])
  t.is((await host.bridges()).length, 3)
  await host.stand(t, [two], [])
  t.deepEqual([...(await host.bridges())].sort(), ['rb00000000beef', bridgeOf(two.id)].sort())
  await host.networks[Symbol.asyncDispose]()
  await removeAll({ state: host.state, log: silentLog, netns: host.netns.name })
  t.deepEqual(await host.bridges(), ['rb00000000beef'])
})

test.serial('removal leaves nothing, and can be repeated', async t => {
  await using host = await NetworkHost.make()
  const { stdout } = await host.netns.run('nft', ['list', 'ruleset'])
  t.is(stdout, '')
  const before = await host.snapshot()
  await host.stand(t, [one, two], [web, api])
  t.is(Object.keys(await host.servers()).length, 4)
  const pids = Object.values(await host.servers())
  await host.networks[Symbol.asyncDispose]()
  for (let round = 0; round < 2; round += 1) {
    await removeAll({ state: host.state, log: silentLog, netns: host.netns.name })
    t.deepEqual(await host.snapshot(), before)
  }
  for (const pid of pids) await t.throwsAsync(fs.access(`/proc/${pid}/cwd`))
})
