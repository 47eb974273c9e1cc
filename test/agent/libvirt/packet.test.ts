import test from 'ava'
import fc from 'fast-check'
import { Fault } from '#shared/fault.ts'
import {
  decodeError,
  encodePacket,
  type Packet,
  PacketReader,
  packetBytesMax
} from '../../../agent/io/libvirt/packet.ts'
import { procedures } from '../../../agent/io/libvirt/procedures.ts'
import { encode } from '../../../agent/io/libvirt/xdr.ts'

const bytes = (...lines: readonly string[]): Buffer =>
  Buffer.from(lines.map(line => line.replace(/#.*/, '').replaceAll(' ', '')).join(''), 'hex')

const openCall = bytes(
  '0000003c  # length: 60, itself included',
  '20008086  # program: remote',
  '00000001  # version',
  '00000001  # procedure: connectOpen',
  '00000000  # type: call',
  '00000002  # serial',
  '00000000  # status: ok',
  '00000001  # name: there is one',
  '0000000e  # its length: 14',
  '71656d753a2f2f2f73797374656d  # qemu:///system',
  '0000      # padding',
  '00000000  # flags',
  '00000000  # (nothing more belongs here)'
).subarray(0, 56)
openCall.writeUInt32BE(openCall.length)

const refusal = bytes(
  '0000002a  # code: 42, no such domain',
  '0000000a  # from: the QEMU driver',
  '00000001 00000004 676f6e65  # message: "gone"',
  '00000002  # level: error',
  '00000001  # dom: there is one',
  '00000003 77656200  # its name: "web"',
  '000102030405060708090a0b0c0d0e0f  # its UUID',
  'ffffffff  # its number: it does not run',
  '00000000 00000000 00000000  # str1 to str3: none',
  'ffffffff ffffffff  # int1, int2',
  '00000000  # net: none'
)

test('a call is written as libvirt wants it', t => {
  const header = { program: 0x20008086, version: 1, procedure: 1, type: 0, serial: 2, status: 0 }
  const body = encode(procedures.connectOpen.args, { name: 'qemu:///system', flags: 0 })
  t.is(encodePacket(header, body).toString('hex'), openCall.toString('hex'))
})

test('a packet is read into its header and body', t => {
  const [packet, ...rest] = [...new PacketReader().push(openCall)]
  t.like(packet, { program: 0x20008086, version: 1, procedure: 1, type: 0, serial: 2, status: 0 })
  t.is(packet?.body.length, 28)
  t.is(rest.length, 0)
})

test('a refusal is read with its code and message', t => {
  t.like(decodeError(refusal), {
    code: 42,
    optDomain: 10,
    message: 'gone',
    level: 2,
    dom: { name: 'web', id: -1 },
    str1: undefined,
    int2: -1,
    net: undefined
  })
})

const badLengths = [0, 4, 27, packetBytesMax + 1, 0xffff_ffff]
for (const length of badLengths) {
  test(`a packet that claims ${length} bytes is a protocol fault at once`, t => {
    const head = Buffer.alloc(4)
    head.writeUInt32BE(length)
    const fault = t.throws(() => [...new PacketReader().push(head)], { instanceOf: Fault })
    t.is(fault?.code, 'protocol')
    t.regex(fault?.message ?? '', new RegExp(`claims ${length} bytes`))
  })
}

test('a packet that is too long is refused before it is sent', t => {
  const header = { program: 1, version: 1, procedure: 1, type: 0, serial: 1, status: 0 }
  const body = Buffer.alloc(packetBytesMax)
  t.throws(() => encodePacket(header, body), { code: 'invalid' })
})

const headers = fc.record({
  program: fc.nat(),
  version: fc.nat(),
  procedure: fc.integer(),
  type: fc.integer(),
  serial: fc.nat(),
  status: fc.integer(),
  body: fc.uint8Array({ maxLength: 40 }).map(array => Buffer.from(array))
})

test('packets come out as they went in, however the socket cuts them', t => {
  const cuts = fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1 })
  fc.assert(
    fc.property(fc.array(headers), cuts, (sent, sizes) => {
      const wire = Buffer.concat(sent.map(({ body, ...header }) => encodePacket(header, body)))
      const reader = new PacketReader()
      const received: Packet[] = []
      for (let start = 0, turn = 0; start < wire.length; turn++) {
        const end = start + sizes[turn % sizes.length]!
        received.push(...reader.push(wire.subarray(start, end)))
        start = end
      }
      t.deepEqual(received, sent)
    })
  )
  t.pass()
})

test('any bytes give packets or a protocol fault', t => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array()), chunks => {
      const reader = new PacketReader()
      try {
        for (const chunk of chunks)
          for (const packet of reader.push(Buffer.from(chunk))) void packet
      } catch (thrown) {
        if (!(thrown instanceof Fault) || thrown.code !== 'protocol') throw thrown
      }
    })
  )
  t.pass()
})
