import test from 'ava'
import { Fault } from '#shared/fault.ts'
import { isBeyondResuming, lockBehind, RefusalError } from '../../../agent/io/libvirt/refusal.ts'

const refused = (code: number, message: string): Fault =>
  new Fault('hypervisor', `cannot start a qemu domain: libvirt refuses: ${message}`, {
    cause: new RefusalError({ code, message } as ConstructorParameters<typeof RefusalError>[0])
  })

const emulator =
  'internal error: process exited while connecting to monitor: qemu-system-x86_64: -device ' +
  '{"driver":"virtio-blk-pci"}: Failed to get "write" lock\n'
const cases: readonly (readonly [string, Fault, string | undefined])[] = [
  [
    'virtlockd',
    refused(87, "resource busy: Lockspace resource '/locks/622d' is locked"),
    "resource busy: Lockspace resource '/locks/622d' is locked"
  ],
  [
    'another emulator',
    refused(1, `${emulator}Is another process using the image [/pool/a.raw]?`),
    'another emulator writes to /pool/a.raw'
  ],
  [
    'another emulator, of an unknown image',
    refused(1, emulator),
    'another emulator writes to one of its images'
  ],
  ['no lock', refused(1, 'internal error: no such disk'), undefined]
]
for (const [who, fault, said] of cases) {
  test(`what is said where ${who} keeps a domain from starting`, t => {
    t.is(lockBehind(fault), said)
  })
}

test('a domain whose processor has failed is known by the words of its emulator alone', t => {
  const words = "unable to execute QEMU command 'cont': Resetting the Virtual Machine is required"
  t.true(isBeyondResuming(refused(1, `internal error: ${words}`)))
  t.false(isBeyondResuming(refused(55, 'domain is not paused')))
  t.false(isBeyondResuming(new Error(words)), 'nobody but libvirt says so')
})
