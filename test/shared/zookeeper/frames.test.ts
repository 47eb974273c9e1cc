import test from 'ava'
import fc from 'fast-check'
import { Fault } from '#shared/fault.ts'
import { FrameCutter } from '#shared/zookeeper/frames.ts'
import { packet } from '../../world/raw-zookeeper.ts'

test('packets come out as they went in, however the stream is cut', t => {
  const bodies = fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 12 })
  const cuts = fc.array(fc.nat(4_000), { maxLength: 30 })
  fc.assert(
    fc.property(bodies, cuts, (contents, places) => {
      const frames = contents.map(content => packet(Buffer.from(content)))
      const stream = Buffer.concat(frames)
      const bounds = [0, ...places.filter(place => place <= stream.length), stream.length]
      const sorted = bounds.toSorted((a, b) => a - b)
      const cutter = new FrameCutter()
      const out = sorted
        .slice(1)
        .flatMap((end, index) => cutter.push(stream.subarray(sorted[index], end)))
      t.deepEqual(
        out.map(frame => frame.toString('hex')),
        frames.map(frame => frame.toString('hex'))
      )
    })
  )
})

test('a length that cannot be is refused', t => {
  for (const length of ['ffffffff', '80000000', '00400001']) {
    const fault = t.throws(() => new FrameCutter().push(Buffer.from(length, 'hex')), {
      instanceOf: Fault
    })
    t.is(fault?.code, 'protocol')
  }
})
