/** How the sending of an instance comes to its end. */
import test from 'ava'
import { Fault } from '#shared/fault.ts'
import { losesWrites, standstillAt, whyEndless } from '../../agent/core/diff-crossing.ts'
import { rememberFailure } from '../../agent/core/memory-steps.ts'
import type { Transfer } from '../../agent/core/ports.ts'
import { ModelWorld } from './model-world.ts'
import { host, instance, order } from './samples.ts'

const transfer: Transfer = {
  totalMib: 1_024,
  remainingMib: 100,
  mibPerSecond: 100,
  writtenMibPerSecond: 10,
  round: 1,
  standstillMs: 300
}
const door = { uri: 'qemu+tls://h2/system', address: '10.0.0.2', folder: '/f', postCopy: true }
const leaving = { move: 'mv-1', step: 2, to: 'h2', live: true, go: true, door }

/** What is done about an instance that is sent, beside the sending. */
function stepsFor(sent: Partial<Transfer>, pace: object = {}): readonly object[] {
  const world = new ModelWorld(order({ instances: [instance()] }))
  world.run()
  world.take(order({ instances: [instance({ leaving: { ...leaving, pace } })] }))
  const transfers = new Map(world.domains.map(({ uuid }) => [uuid, { ...transfer, ...sent }]))
  world.observed = { ...world.observed, transfers }
  return world.look().steps.map(step => {
    const standstillMs = step.type === 'allow-standstill' ? step.standstillMs : undefined
    return { type: step.type, ...(standstillMs !== undefined && { standstillMs }) }
  })
}

/** Under QEMU 7.2 without KVM writes may be lost. */
const lossy = host()
const sound = host({ kvm: true })
const limits = [
  [lossy, undefined, [300, 300, 300, 300, 300, 300, 300]],
  [lossy, 1_000, [300, 300, 600, 1_000, 1_000, 1_000, 1_000]],
  [lossy, 50, [50, 50, 50, 50, 50, 50, 50]],
  [lossy, 5, [5, 5, 5, 5, 5, 5, 5]],
  [sound, undefined, [30, 30, 60, 120, 240, 300, 300]],
  [sound, 1_000, [30, 30, 60, 120, 240, 480, 960]],
  [sound, 50, [30, 30, 50, 50, 50, 50, 50]],
  [sound, 5, [5, 5, 5, 5, 5, 5, 5]]
] as const

for (const [from, downtimeMs, allowed] of limits) {
  const most = downtimeMs === undefined ? 'where nobody said' : `where ${downtimeMs} ms are allowed`
  const where = from === sound ? 'under KVM' : 'where writes may be lost'
  test(`${where}, ${most}, it may stand still for ${allowed.join(', ')} ms in turn`, t => {
    const pace = downtimeMs === undefined ? {} : { downtimeMs }
    const rounds = [1, 2, 3, 4, 5, 6, 7]
    t.deepEqual(
      rounds.map(round => standstillAt({ pace }, round, from)),
      [...allowed]
    )
    t.is(standstillAt({ pace }, 10_000, from), downtimeMs ?? 300)
  })
}

const emulators = [
  ['7.2.22', true],
  ['8.2.1', true],
  ['9.0.0', false],
  ['10.0.2', false],
  [undefined, true]
] as const

for (const [qemuVersion, loses] of emulators) {
  const who = qemuVersion === undefined ? 'an emulator that nobody names' : `QEMU ${qemuVersion}`
  test(`${who} ${loses ? 'may lose' : 'loses no'} writes of what it emulates`, t => {
    const abilities = { ...lossy.abilities!, qemuVersion }
    t.is(losesWrites({ kvm: false, abilities }), loses)
    t.false(losesWrites({ kvm: true, abilities }))
  })
}

test('before libvirt was asked, writes may be lost', t => {
  t.true(losesWrites({ kvm: false, abilities: undefined }))
})

test('one that comes to no end in time may stand still for longer, but not than it may', t => {
  const pace = { downtimeMs: 1_000 }
  t.deepEqual(stepsFor({ round: 2 }, pace), [])
  t.deepEqual(stepsFor({ round: 3 }, pace), [{ type: 'allow-standstill', standstillMs: 600 }])
  t.deepEqual(stepsFor({ round: 3, standstillMs: 600 }, pace), [])
  t.deepEqual(stepsFor({ round: 9 }), [])
})

test('one that writes too fast goes on there only once it was allowed all that it may', t => {
  const fast = { round: 9, writtenMibPerSecond: 90 }
  t.deepEqual(stepsFor({ ...fast, standstillMs: 30 }), [
    { type: 'allow-standstill', standstillMs: 300 }
  ])
  t.deepEqual(stepsFor({ ...fast, standstillMs: 300 }), [{ type: 'start-post-copy' }])
  t.deepEqual(stepsFor({ ...fast, standstillMs: 300 }, { postCopy: 'never' }), [])
  // An older libvirt does not say what is allowed.
  const unsaid = { ...fast, standstillMs: undefined } as unknown as Partial<Transfer>
  t.deepEqual(stepsFor(unsaid), [{ type: 'start-post-copy' }])
})

test('one that is about to end is not said to be endless, however many rounds it took', t => {
  const late = { ...transfer, round: 60, standstillMs: 300 }
  t.is(whyEndless({ ...late, remainingMib: 29 }), undefined)
  t.regex(whyEndless({ ...late, remainingMib: 31 }) ?? '', /^after 60 rounds 31 MiB are left/)
})

/** One whose two parts have lost each other, by what libvirt says, and is to be sent further. */
function tornWorld(): ModelWorld {
  const world = new ModelWorld()
  world.run()
  const torn = { state: 'paused', reason: 'postcopy failed' } as const
  world.domains = world.domains.map(each => ({ ...each, ...torn }))
  world.take(order({ instances: [instance({ leaving: { ...leaving, crossing: true } })] }))
  return world
}

/** The next try to send what is left of it fails so; gives what is said then. */
function failTry(world: ModelWorld, code: 'conflict' | 'hypervisor'): object | undefined {
  world.pass(60_000)
  const step = world.look().steps.find(({ type }) => type === 'migrate-domain')
  const fault = new Fault(code, 'cannot send the rest')
  world.memory = rememberFailure(world.memory, step!, fault, world.now)
  const { stand, tries } = world.look().verdicts.instances[0]?.move ?? {}
  return { stand, tries }
}

test('what its emulator sends by itself is not given up, however often libvirt refuses', t => {
  const world = tornWorld()
  t.deepEqual(failTry(world, 'hypervisor'), { stand: 'broken', tries: 1 })
  for (let number = 0; number < 20; number += 1) {
    t.deepEqual(failTry(world, 'conflict'), { stand: 'crossing', tries: undefined })
  }
  t.deepEqual(failTry(world, 'hypervisor'), { stand: 'broken', tries: 1 })
  t.deepEqual(failTry(world, 'hypervisor'), { stand: 'broken', tries: 2 })
})
