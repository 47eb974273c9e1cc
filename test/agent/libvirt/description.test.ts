import test from 'ava'
import { Descriptions, describeDomain } from '../../../agent/io/libvirt/description.ts'

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

test('a description is read once for each start of a domain', async t => {
  const descriptions = new Descriptions()
  const { read, reads } = makeReader()
  await descriptions.of(key, read)
  await descriptions.of(key, read)
  t.is(reads(), 1)
  await descriptions.of({ ...key, id: 2 }, read)
  t.is(reads(), 2)
})

test('a description is read again after an event, and after the domain was away', async t => {
  const descriptions = new Descriptions()
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

test('what was read while an event came in is not kept', async t => {
  const descriptions = new Descriptions()
  const { read, reads } = makeReader()
  await descriptions.of(key, async () => {
    descriptions.forget('a')
    return await read()
  })
  await descriptions.of(key, read)
  t.is(reads(), 2)
})

test('a description that is no XML is a protocol fault', async t => {
  const descriptions = new Descriptions()
  const reading = descriptions.of(key, async () => '<domain>')
  await t.throwsAsync(reading, { code: 'protocol', message: /cannot use what libvirt says/ })
})
