/** A plan for tests, and machines of it. */
import type { Versions } from '../../../bootd/core/boot-choice.ts'
import type { BootMachine, BootPlan } from '../../../shared/wire/boot.ts'

export const [version, before] = ['0123456789abcdef', 'fedcba9876543210']
export const manifestSha256 = 'ab'.repeat(32)

/** Every version is whole. */
export const whole: Versions = () => ({ state: 'whole', manifestSha256, architecture: 'x86_64' })

export const machine: BootMachine = {
  name: 'host-1',
  uuid: '4c4c4544-0042-3510-8052-b4c04f4e3132',
  serial: 'B5RN12',
  macs: ['52:54:00:77:00:01'],
  profile: 'host',
  version,
  fallback: before,
  wish: 'image 2',
  secret: 'a-secret-of-host-1-alone'
}

export const plan: BootPlan = {
  type: 'boot-plan',
  epoch: 3,
  machines: [machine],
  door: {
    cloud: 'cloud-1',
    cloudKey: 'k'.repeat(43),
    doors: [{ endpoint: 'tcp://10.0.0.1:7412', publicKey: 'p'.repeat(40) }]
  },
  unknown: { profile: 'host', version },
  images: [{ version, from: [] }],
  peerToken: 'shown-by-bootds-alone-0123456789',
  sshKeys: ['ssh-ed25519 AAAAC3 operator'],
  joinWithinS: 600
}
