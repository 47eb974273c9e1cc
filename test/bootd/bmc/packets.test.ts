import test from 'ava'
import fc from 'fast-check'
import {
  capabilitiesQuestion,
  presencePing,
  readBmcAnswer,
  readRedfishRoot
} from '../../../bootd/core/bmc-packets.ts'

const bytesOf = (text: string): Uint8Array => Buffer.from(text.replaceAll(/[^0-9a-f]/g, ''), 'hex')

test('what is asked is what the standards say', t => {
  // RMCP 1.0, no acknowledgement wanted, class ASF; enterprise 4542, ping, tag 1.
  t.deepEqual(Buffer.from(presencePing).toString('hex'), '0600ff06000011be80010000')
  // Class IPMI, no session; nine bytes: Get Channel Authentication Capabilities.
  const [header, message] = [`0600ff07${'00'.repeat(9)}09`, '2018c88100388e04b5']
  t.deepEqual(Buffer.from(capabilitiesQuestion).toString('hex'), header + message)
  const sumOf = (bytes: Uint8Array): number => bytes.reduce((sum, each) => sum + each, 0) & 0xff
  t.is(sumOf(capabilitiesQuestion.subarray(14, 17)), 0, 'first checksum')
  t.is(sumOf(capabilitiesQuestion.subarray(17)), 0, 'second checksum')
})

const answers: readonly {
  readonly title: string
  readonly bytes: string
  readonly read: ReturnType<typeof readBmcAnswer>
}[] = [
  {
    title: 'a presence pong',
    bytes: '0600ff06 000011be 40010010 000011be 00000000 81 00 000000000000',
    read: { speaks: 'asf' }
  },
  {
    title: 'capabilities with IPMI 2.0',
    bytes: '0600ff07 00 00000000 00000000 10 811c63 200038 00 01 96 04 03 000000 00 00',
    read: { speaks: 'ipmi', isIpmi2: true }
  },
  {
    title: 'capabilities of IPMI 1.5 alone',
    bytes: '0600ff07 00 00000000 00000000 10 811c63 200038 00 01 16 04 00 000000 00 00',
    read: { speaks: 'ipmi', isIpmi2: false }
  },
  {
    title: 'a refusal is no answer',
    bytes: '0600ff07 00 00000000 00000000 10 811c63 200038 c1 01 96 04 03 000000 00 00',
    read: undefined
  },
  { title: 'our own ping come back', bytes: '0600ff06000011be80010000', read: undefined },
  { title: 'something else', bytes: '48656c6c6f', read: undefined }
]
for (const { title, bytes, read } of answers) {
  test(`an answer: ${title}`, t => t.deepEqual(readBmcAnswer(bytesOf(bytes)), read))
}

test('whatever comes back is read or not, and breaks nothing', t => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), fc.boolean(), (bytes, begins) => {
      const all = begins ? Uint8Array.from([6, 0, 0xff, bytes.length % 2 ? 6 : 7, ...bytes]) : bytes
      const read = readBmcAnswer(all)
      t.true(read === undefined || ['asf', 'ipmi'].includes(read.speaks))
    })
  )
})

test('a Redfish service says its version, and who made it, in plain words', t => {
  const root = { RedfishVersion: '1.15.0', Vendor: 'Acme\u001b[2J', Product: 'iThing 9' }
  t.deepEqual(readRedfishRoot(root), { version: '1.15.0', product: 'Acme [2J iThing 9' })
  t.deepEqual(readRedfishRoot({ RedfishVersion: '1.0.1' }), { version: '1.0.1' })
  for (const other of [null, 7, [], {}, { RedfishVersion: 1 }, { RedfishVersion: 'new' }]) {
    t.is(readRedfishRoot(other), undefined)
  }
})
