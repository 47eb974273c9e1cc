import test from 'ava'
import type { Hypervisor } from '../../../agent/core/ports.ts'
import { makeLibvirt } from '../../../agent/io/libvirt/hypervisor.ts'
import { packetType } from '../../../agent/io/libvirt/packet.ts'
import { events, type RemoteDomain } from '../../../agent/io/libvirt/procedures.ts'
import { formatUuid, parseUuid } from '../../../agent/io/libvirt/uuid.ts'
import { encode } from '../../../agent/io/libvirt/xdr.ts'
import {
  type Answers,
  Refusal,
  type SmallServer,
  silence,
  startSmallServer
} from './small-server.ts'

const dom = (index: number): RemoteDomain => ({
  name: `d${index}`,
  uuid: Buffer.alloc(16, index),
  id: index
})

const xml = '<domain><memory unit="KiB">32768</memory><vcpu>1</vcpu></domain>'

const state = [{ field: 'state.state', value: { type: 'int', value: 1 } }] as const

/** A libvirtd with so many machines and no containers. */
const machines = (count: number): Answers => ({
  connectGetAllDomainStats: () => ({
    retStats: Array.from({ length: count }, (_, index) => ({ dom: dom(index), params: state }))
  }),
  connectListAllDomains: () => ({ domains: [], ret: 0 }),
  domainGetXmlDesc: () => ({ xml })
})

const noDriver = (uri: string): Answers => ({
  connectOpen: ({ name }) => {
    if (name === uri) throw new Refusal(5, `no connection driver available for ${uri}`)
    return undefined
  }
})

const connect = (qemu: string, lxc = qemu): Hypervisor =>
  makeLibvirt({ socketPaths: { qemu: [qemu], lxc: [lxc] } })

const tellOfEnd = (server: SmallServer, index: number): void => {
  const msg = { dom: dom(index), event: 5, detail: 2 }
  const body = encode(events[318].body, { callbackId: 0, msg })
  for (const peer of server.peers) peer.send({ procedure: 318, type: packetType.message }, body)
}

test('a hundred domains are described once, and then a listing is two calls', async t => {
  await using server = await startSmallServer({ answers: machines(100) })
  await using hypervisor = connect(server.path)
  t.is((await hypervisor.domains()).length, 100)
  t.is(server.countOf('domainGetXmlDesc'), 100)
  const before = server.calls.length
  t.is((await hypervisor.domains()).length, 100)
  t.deepEqual(server.calls.slice(before).toSorted(), [
    'connectGetAllDomainStats',
    'connectListAllDomains'
  ])
})

test('after an event the description of that domain alone is read again', async t => {
  await using server = await startSmallServer({ answers: machines(3) })
  await using hypervisor = connect(server.path)
  await hypervisor.domains()
  const reader = hypervisor.events(AbortSignal.timeout(10_000))[Symbol.asyncIterator]()
  tellOfEnd(server, 1)
  const { value } = await reader.next()
  const uuid = formatUuid(dom(1).uuid)
  t.deepEqual(value, {
    uuid,
    name: 'd1',
    driver: value?.driver,
    event: 'stopped',
    detail: 'crashed'
  })
  await reader.next()
  await hypervisor.domains()
  t.is(server.countOf('domainGetXmlDesc'), 4)
})

test('a domain that ends while it is listed is left out', async t => {
  const answers: Answers = {
    ...machines(3),
    domainGetXmlDesc: args => {
      if (args.dom.id === 1) throw new Refusal(42, 'no domain')
      return { xml }
    }
  }
  await using server = await startSmallServer({ answers })
  await using hypervisor = connect(server.path)
  const names = (await hypervisor.domains()).map(({ name }) => name)
  t.deepEqual(names, ['d0', 'd2'])
})

test('a driver that libvirt does not have is left out, and asked for only once', async t => {
  const answers = { ...machines(1), ...noDriver('lxc:///system') }
  await using server = await startSmallServer({ answers })
  await using hypervisor = connect(server.path)
  t.is((await hypervisor.domains()).length, 1)
  t.is((await hypervisor.domains()).length, 1)
  t.is(server.countOf('connectOpen'), 2)
  const creating = hypervisor.create('lxc', '<domain type="lxc"/>')
  await t.throwsAsync(creating, { code: 'unavailable', message: /no connection driver available/ })
})

test('a driver without a socket is left out as long as nothing of it was ever there', async t => {
  await using server = await startSmallServer({ answers: machines(1) })
  await using hypervisor = connect(server.path, '/nonexistent/sock')
  t.is((await hypervisor.domains()).length, 1)
})

test('a listing fails when a driver that was there cannot be reached', async t => {
  await using qemu = await startSmallServer({ answers: machines(1) })
  const lxc = await startSmallServer({ answers: machines(0) })
  await using hypervisor = connect(qemu.path, lxc.path)
  t.is((await hypervisor.domains()).length, 1)
  await lxc[Symbol.asyncDispose]()
  const fault = await t.throwsAsync(hypervisor.domains())
  t.regex(fault?.message ?? '', /libvirt for lxc|connection to libvirt is gone/)
  await t.throwsAsync(hypervisor.domains(), { code: 'unavailable', message: /lxc.*ENOENT/ })
})

test('without any libvirtd a listing fails', async t => {
  await using hypervisor = connect('/nonexistent/sock')
  await t.throwsAsync(hypervisor.domains(), { code: 'unavailable', message: /ENOENT/ })
})

test('the second socket is tried when the first does not answer', async t => {
  await using server = await startSmallServer({ answers: machines(1) })
  const paths = ['/nonexistent/sock', server.path]
  await using hypervisor = makeLibvirt({ socketPaths: { qemu: paths, lxc: paths } })
  t.is((await hypervisor.domains()).length, 1)
})

test('calls that meet at the start share one connection for each driver', async t => {
  await using server = await startSmallServer({ answers: machines(1) })
  await using hypervisor = connect(server.path)
  await Promise.all([hypervisor.domains(), hypervisor.domains(), hypervisor.stats()])
  t.is(server.countOf('connectOpen'), 2)
})

test('a lost connection is found again by itself, and both drivers say to look again', async t => {
  await using server = await startSmallServer({ answers: machines(1) })
  await using hypervisor = connect(server.path)
  const events = hypervisor.events(AbortSignal.timeout(10_000))[Symbol.asyncIterator]()
  await hypervisor.domains()
  server.dropAll()
  const told = [(await events.next()).value, (await events.next()).value]
  t.deepEqual(
    told.map(event => event?.event),
    ['reconnected', 'reconnected']
  )
  t.deepEqual(told.map(event => event?.driver).toSorted(), ['lxc', 'qemu'])
})

test('who waits when the connection dies is told, and the next call connects again', async t => {
  let silent = true
  const answers: Answers = {
    ...machines(1),
    connectGetAllDomainStats: (args, peer, packet) =>
      silent ? silence : machines(1).connectGetAllDomainStats!(args, peer, packet)
  }
  await using server = await startSmallServer({ answers })
  await using hypervisor = connect(server.path, '/nonexistent/sock')
  const listing = hypervisor.domains()
  const refused = t.throwsAsync(listing, { code: 'closed' })
  while (server.countOf('connectGetAllDomainStats') === 0) await new Promise(setImmediate)
  silent = false
  server.dropAll()
  await refused
  t.is((await hypervisor.domains()).length, 1)
})

test('to close does not wait for a libvirtd that hangs, and tells who waits', async t => {
  await using server = await startSmallServer({ answers: { connectOpen: () => silence } })
  const hypervisor = connect(server.path)
  const events = hypervisor.events(new AbortController().signal)[Symbol.asyncIterator]()
  const listing = t.throwsAsync(hypervisor.domains(), { code: 'closed' })
  while (server.countOf('connectOpen') < 2) await new Promise(setImmediate)
  await hypervisor[Symbol.asyncDispose]()
  await listing
  t.true((await events.next()).done)
})

test('who can never go on is told from who is refused for now', async t => {
  const words = "internal error: unable to execute QEMU command 'cont': "
  let refusal = new Refusal(1, `${words}Resetting the Virtual Machine is required`)
  const answers: Answers = {
    ...machines(1),
    domainLookupByUuid: () => ({ dom: dom(1) }),
    domainResume: () => {
      throw refusal
    }
  }
  await using server = await startSmallServer({ answers })
  await using hypervisor = connect(server.path)
  const key = { driver: 'qemu', uuid: formatUuid(dom(1).uuid) } as const
  const because = 'can only be started anew'
  await t.throwsAsync(hypervisor.resume(key), { code: 'conflict', message: new RegExp(because) })
  refusal = new Refusal(1, `${words}Device is busy`)
  await t.throwsAsync(hypervisor.resume(key), { code: 'hypervisor' })
})

for (const uuid of ['', 'x', '00000000000040008000000000000001', '../../../etc/passwd']) {
  test(`"${uuid}" is no UUID of a domain`, async t => {
    await using server = await startSmallServer()
    await using hypervisor = connect(server.path)
    await t.throwsAsync(hypervisor.destroy({ driver: 'qemu', uuid }), { code: 'invalid' })
  })
}

test('a UUID is read and written', t => {
  const text = '0199aabb-ccdd-7eef-8123-456789abcdef'
  t.is(formatUuid(parseUuid(text.toUpperCase())), text)
})
