import test from 'ava'
import type { DomainEvent, Driver } from '../../../agent/core/ports.ts'
import { EventQueue } from '../../../agent/io/libvirt/event-queue.ts'

const event = (name: string, driver: Driver = 'qemu'): DomainEvent => ({
  uuid: '7e1c1a52-0000-4000-8000-000000000001',
  name,
  driver,
  event: 'started',
  detail: 'booted'
})

async function readAll(queue: EventQueue): Promise<readonly string[]> {
  const read: string[] = []
  for await (const { name, driver, event } of queue) read.push(name || `${driver} ${event}`)
  return read
}

test('events are read in the order in which they came, also those before the end', async t => {
  const queue = new EventQueue()
  for (const name of ['a', 'b', 'c']) queue.push(event(name))
  queue.end()
  queue.push(event('too late'))
  t.deepEqual(await readAll(queue), ['a', 'b', 'c'])
})

test('a reader who waits gets the next event, and the end', async t => {
  const queue = new EventQueue()
  const reading = readAll(queue)
  queue.push(event('a'))
  queue.end()
  t.deepEqual(await reading, ['a'])
})

const overflows: readonly { max: number; pushed: readonly Driver[]; read: readonly string[] }[] = [
  { max: 2, pushed: ['qemu', 'qemu'], read: ['0', '1'] },
  { max: 2, pushed: ['qemu', 'qemu', 'qemu'], read: ['qemu reconnected'] },
  { max: 2, pushed: ['qemu', 'lxc', 'qemu'], read: ['qemu reconnected', 'lxc reconnected'] },
  { max: 3, pushed: ['lxc', 'lxc', 'lxc', 'lxc', 'lxc'], read: ['lxc reconnected', '4'] }
]

for (const { max, pushed, read } of overflows) {
  test(`a queue of ${max} gives ${read.join(', ')} for ${pushed.length} events`, async t => {
    const queue = new EventQueue({ max })
    for (const [index, driver] of pushed.entries()) queue.push(event(String(index), driver))
    queue.end()
    t.deepEqual(await readAll(queue), read)
  })
}

test('the end is told once, also when the reader is the one to leave', async t => {
  let ends = 0
  const queue = new EventQueue({ onEnd: () => ends++ })
  queue.push(event('a'))
  for await (const { name } of queue) {
    t.is(name, 'a')
    break
  }
  queue.end()
  t.is(ends, 1)
  t.true((await queue.next()).done)
})
