import test from 'ava'
import fc from 'fast-check'
import {
  chunkBytesMax,
  granted,
  nextChunk,
  offer,
  openWindow,
  waitingBytesMax
} from '#shared/wire/channel-window.ts'

const bytes = (length: number, value = 1) => new Uint8Array(length).fill(value)

test('no chunk is larger than a message may be, and all of it comes in order', t => {
  let window = offer(offer(openWindow(1e6), bytes(chunkBytesMax + 10, 1)), bytes(5, 2))
  const chunks: number[] = []
  for (let next = nextChunk(window); next !== undefined; next = nextChunk(window)) {
    window = next.window
    chunks.push(next.chunk.length)
  }
  t.deepEqual(chunks, [chunkBytesMax, 10, 5])
})

test('what the receiver has not taken is not exceeded', t => {
  const window = offer(openWindow(4), bytes(10))
  const first = nextChunk(window)!
  t.is(first.chunk.length, 4)
  t.is(nextChunk(first.window), undefined)
  const again = granted(first.window, { bytes: 3, limitBytes: 4 })
  t.is(nextChunk(again)?.chunk.length, 3)
})

test('a receiver cannot grant more than the window', t => {
  t.is(granted(openWindow(4), { bytes: 1e9, limitBytes: 4 }).creditBytes, 4)
})

test('too much output leaves out the oldest and says how much', t => {
  let window = offer(openWindow(1e6), bytes(waitingBytesMax, 1))
  window = offer(window, bytes(100, 2))
  const first = nextChunk(window)!
  t.is(Buffer.from(first.chunk).toString(), '\r\n[100 bytes left out]\r\n')
  t.is(first.window.waitingBytes, waitingBytesMax)
})

test('whatever is offered and granted, no more than the window is ever on its way', t => {
  const step = fc.oneof(
    fc.record({ offered: fc.nat(400_000) }),
    fc.record({ taken: fc.nat(100_000) })
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 50 }), steps => {
      const limitBytes = 65_536
      let window = openWindow(limitBytes)
      let onItsWay = 0
      for (const each of steps) {
        if ('offered' in each) window = offer(window, bytes(each.offered))
        else {
          const taken = Math.min(each.taken, onItsWay)
          onItsWay -= taken
          window = granted(window, { bytes: taken, limitBytes })
        }
        for (let next = nextChunk(window); next !== undefined; next = nextChunk(window)) {
          window = next.window
          onItsWay += next.chunk.length
        }
        if (onItsWay > limitBytes) return false
        if (window.waitingBytes > waitingBytesMax) return false
        if (window.creditBytes + onItsWay !== limitBytes) return false
      }
      return true
    })
  )
  t.pass()
})
