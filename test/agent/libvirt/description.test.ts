import test from 'ava'
import { believedMs, Descriptions, describeDomain } from '../../../agent/io/libvirt/description.ts'

const domain = (inside: string): string =>
  `<domain type='qemu' id='1'><name>web</name>${inside}
  <memory unit='KiB'>1048576</memory><vcpu placement='static' current='2'>4</vcpu>
  <devices>
    <interface type='bridge'><target dev='rp0123456789ab'/></interface>
    <interface type='user'/>
    <disk><target dev='vda'/></disk>
  </devices></domain>`

const ours = 'https://remuda.dev/domain/1'
const metadatas = [
  { xml: '', text: undefined },
  { xml: '<metadata/>', text: undefined },
  { xml: `<metadata><r:instance xmlns:r="${ours}">x</r:instance></metadata>`, text: 'x' },
  { xml: `<metadata><instance xmlns="${ours}">x</instance></metadata>`, text: 'x' },
  { xml: `<metadata><r:instance xmlns:r="${ours}"/></metadata>`, text: '' },
  { xml: `<metadata><r:other xmlns:r="${ours}">x</r:other></metadata>`, text: undefined },
  { xml: `<metadata><r:instance xmlns:r="other">x</r:instance></metadata>`, text: undefined },
  {
    xml: `<metadata><o:a xmlns:o="o"/><r:instance xmlns:r="${ours}">{"a":"&lt;&amp;"}</r:instance>
      </metadata>`,
    text: '{"a":"<&"}'
  }
]

for (const { xml, text } of metadatas) {
  test(`our metadata in "${xml}" is ${text}`, t => {
    t.is(describeDomain(domain(xml)).metadata, text)
  })
}

test('a description has memory, the present vCPUs and the interfaces with a name', t => {
  const { memoryMib, vcpus, interfaces } = describeDomain(domain(''))
  t.deepEqual(
    { memoryMib, vcpus, interfaces },
    {
      memoryMib: 1024,
      vcpus: 2,
      interfaces: ['rp0123456789ab']
    }
  )
})

for (const [channel, guestAgent] of [
  ['', false],
  ['<target type="virtio" name="org.qemu.guest_agent.0" state="disconnected"/>', false],
  ['<target type="virtio" name="another" state="connected"/>', false],
  ['<target type="virtio" name="org.qemu.guest_agent.0" state="connected"/>', true]
] as const) {
  test(`with the channel "${channel}" a guest agent is there: ${guestAgent}`, t => {
    const xml = `<domain><devices><channel type="unix">${channel}</channel></devices></domain>`
    t.is(describeDomain(xml).guestAgent, guestAgent)
  })
}

test('the devices of the host that a domain has are told by their addresses', t => {
  const address = `<address type='pci' domain='0x0000' bus='0x5e' slot='0x1f' function='0x7'/>`
  const xml = `<domain><devices>
    <hostdev mode='subsystem' type='pci' managed='yes'><source>${address}</source>
      <address type='pci' domain='0x0000' bus='0x01' slot='0x00' function='0x0'/></hostdev>
    <hostdev mode='subsystem' type='usb'><source><address bus='1' device='2'/></source></hostdev>
    <interface type='hostdev'><source>
      <address type='pci' domain='0x10000' bus='0x0a' slot='0x02' function='0x1'/></source>
    </interface><interface type='bridge'><source bridge='b'/></interface></devices></domain>`
  t.deepEqual(describeDomain(xml).devices, ['0000:5e:1f.7', '10000:0a:02.1'])
  t.deepEqual(describeDomain(domain('')).devices, [])
})

for (const [tune, cell] of [
  ['', undefined],
  [`<numatune><memory mode='preferred' nodeset='1'/></numatune>`, 1],
  [`<numatune><memory mode='strict' nodeset='0-1'/></numatune>`, undefined],
  [`<numatune><memnode cellid='0' nodeset='1'/></numatune>`, undefined]
] as const) {
  test(`a domain with "${tune}" is in the cell ${cell}`, t => {
    t.is(describeDomain(domain(tune)).cell, cell)
  })
}

const key = { uuid: 'a', id: 1 }

function makeReader(): { readonly read: () => Promise<string>; readonly reads: () => number } {
  let reads = 0
  return {
    reads: () => reads,
    read: async () => {
      reads++
      return domain('')
    }
  }
}

const clock = { monotonic: () => 0 }

test('a description is read once for each start of a domain', async t => {
  const descriptions = new Descriptions(clock)
  const { read, reads } = makeReader()
  await descriptions.of(key, read)
  await descriptions.of(key, read)
  t.is(reads(), 1)
  await descriptions.of({ ...key, id: 2 }, read)
  t.is(reads(), 2)
})

test('a description is read again after an event, and after the domain was away', async t => {
  const descriptions = new Descriptions(clock)
  const { read, reads } = makeReader()
  await descriptions.of(key, read)
  descriptions.forget('b')
  await descriptions.of(key, read)
  t.is(reads(), 1)
  descriptions.forget('a')
  await descriptions.of(key, read)
  t.is(reads(), 2)
  descriptions.keepOnly(new Set(['b']))
  await descriptions.of(key, read)
  t.is(reads(), 3)
})

test('a description is read again once it is old, should an event have been lost', async t => {
  let now = 0
  const descriptions = new Descriptions({ monotonic: () => now })
  const { read, reads } = makeReader()
  await descriptions.of(key, read)
  now = believedMs - 1
  await descriptions.of(key, read)
  t.is(reads(), 1)
  now = believedMs
  await descriptions.of(key, read)
  t.is(reads(), 2)
})

test('what was read while an event came in is not kept', async t => {
  const descriptions = new Descriptions(clock)
  const { read, reads } = makeReader()
  await descriptions.of(key, async () => {
    descriptions.forget('a')
    return await read()
  })
  await descriptions.of(key, read)
  t.is(reads(), 2)
})

test('a description that is no XML is a protocol fault', async t => {
  const descriptions = new Descriptions(clock)
  const reading = descriptions.of(key, async () => '<domain>')
  await t.throwsAsync(reading, { code: 'protocol', message: /cannot use what libvirt says/ })
})
