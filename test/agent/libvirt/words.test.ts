import test from 'ava'
import type { RemoteEvent } from '../../../agent/io/libvirt/connection.ts'
import { lifecycleWords, stateWords } from '../../../agent/io/libvirt/constants.ts'
import { toDomainEvent } from '../../../agent/io/libvirt/domain-events.ts'
import type { RemoteDomain } from '../../../agent/io/libvirt/procedures.ts'

const states = [
  { numbers: [0, 0], words: ['running', 'no state'] },
  { numbers: [1, 1], words: ['running', 'booted'] },
  { numbers: [2, 0], words: ['running', 'blocked'] },
  { numbers: [3, 1], words: ['paused', 'user'] },
  { numbers: [3, 5], words: ['paused', 'I/O error'] },
  { numbers: [3, 11], words: ['paused', 'starting up'] },
  { numbers: [4, 1], words: ['stopping', 'user'] },
  { numbers: [5, 2], words: ['stopped', 'destroyed'] },
  { numbers: [6, 1], words: ['crashed', 'panicked'] },
  { numbers: [7, 0], words: ['paused', 'power management'] },
  { numbers: [1, 99], words: ['running', 'unknown'] },
  { numbers: [99, 0], words: ['running', 'unknown'] },
  { numbers: [-1, -1], words: ['running', 'unknown'] }
] as const

for (const { numbers, words } of states) {
  test(`state ${numbers.join(', reason ')} is ${words.join(': ')}`, t => {
    const { state, reason } = stateWords(numbers[0], numbers[1])
    t.deepEqual([state, reason], [...words])
  })
}

const lifecycles = [
  { numbers: [0, 0], words: ['defined', 'added'] },
  { numbers: [2, 0], words: ['started', 'booted'] },
  { numbers: [2, 1], words: ['started', 'migrated'] },
  { numbers: [3, 2], words: ['suspended', 'I/O error'] },
  { numbers: [5, 1], words: ['stopped', 'destroyed'] },
  { numbers: [5, 5], words: ['stopped', 'failed'] },
  { numbers: [6, 1], words: ['shutdown', 'by the guest'] },
  { numbers: [8, 0], words: ['crashed', 'panicked'] },
  { numbers: [9, 0], words: ['unknown', 'unknown'] }
] as const

for (const { numbers, words } of lifecycles) {
  test(`lifecycle event ${numbers.join(', detail ')} is ${words.join(': ')}`, t => {
    const { event, detail } = lifecycleWords(numbers[0], numbers[1])
    t.deepEqual([event, detail], [...words])
  })
}

const dom: RemoteDomain = { name: 'web', uuid: Buffer.alloc(16, 0xab), id: 1 }
const head = { callbackId: 0, dom }
const inner = <Msg>(msg: Msg): { callbackId: number; msg: Msg } => ({ callbackId: 0, msg })
const ioError = { dom, srcPath: '/x', devAlias: 'virtio-disk0', action: 1, reason: 'enospc' }
const job = { ...head, dst: 'vda', type: 2, status: 3 }

const messages: readonly { message: RemoteEvent; event: string; detail: string }[] = [
  {
    message: { name: 'domainEventCallbackReboot', body: inner({ dom }) },
    event: 'rebooted',
    detail: 'by the guest'
  },
  {
    message: { name: 'domainEventCallbackWatchdog', body: inner({ dom, action: 2 }) },
    event: 'watchdog',
    detail: 'reset'
  },
  {
    message: { name: 'domainEventCallbackIoErrorReason', body: inner(ioError) },
    event: 'I/O error',
    detail: 'virtio-disk0 enospc: paused'
  },
  {
    message: { name: 'domainEventCallbackBalloonChange', body: inner({ dom, actual: 1024n }) },
    event: 'changed',
    detail: 'memory 1024 KiB'
  },
  {
    message: { name: 'domainEventCallbackTunable', body: { ...head, params: [] } },
    event: 'changed',
    detail: 'tuning'
  },
  {
    message: {
      name: 'domainEventCallbackAgentLifecycle',
      body: { ...head, state: 1, reason: 2 }
    },
    event: 'guest-agent',
    detail: 'connected'
  },
  {
    message: { name: 'domainEventCallbackMetadataChange', body: { ...head, type: 2, nsuri: 'x' } },
    event: 'changed',
    detail: 'metadata'
  },
  {
    message: { name: 'domainEventCallbackDeviceAdded', body: { ...head, devAlias: 'net0' } },
    event: 'device',
    detail: 'net0 added'
  },
  {
    message: { name: 'domainEventCallbackDeviceRemoved', body: inner({ dom, devAlias: 'net0' }) },
    event: 'device',
    detail: 'net0 removed'
  },
  {
    message: {
      name: 'domainEventCallbackDeviceRemovalFailed',
      body: { ...head, devAlias: 'net0' }
    },
    event: 'device',
    detail: 'net0 not removed'
  },
  {
    message: { name: 'domainEventBlockJob2', body: job },
    event: 'job',
    detail: 'vda block copy ready'
  },
  {
    message: { name: 'domainEventCallbackJobCompleted', body: { ...head, params: [] } },
    event: 'job',
    detail: 'completed'
  }
]

for (const { message, event, detail } of messages) {
  test(`${message.name} becomes ${event}: ${detail}`, t => {
    const uuid = 'abababab-abab-abab-abab-abababababab'
    t.deepEqual(toDomainEvent('qemu', message), {
      uuid,
      name: 'web',
      driver: 'qemu',
      event,
      detail
    })
  })
}
