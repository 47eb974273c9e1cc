import type { HostFacts } from '#shared/model/host-facts.ts'
import type { Hardware } from '../../agent/core/ports.ts'
import type { Counters } from '../../agent/core/use.ts'

/** Facts of a small machine; each field can be given otherwise. */
export const someFacts = (given: Partial<HostFacts> = {}): HostFacts => ({
  hostname: 'h1',
  uuid: '00000000-0000-4000-8000-000000000001',
  kernel: '6.1.0',
  cpu: { model: 'Test', vendor: 'Test', sockets: 1, cores: 2, threads: 2, features: [] },
  memoryMib: 8192,
  hugepages: [],
  numa: [],
  disks: [],
  nics: [],
  devices: [],
  bmc: false,
  kvm: { works: false, because: 'this is a test' },
  libvirt: '9.0.0',
  drivers: ['qemu', 'lxc'],
  ...given
})

/** A machine that says what a test wants it to say. */
export class FakeHardware implements Hardware {
  said: HostFacts
  freeMib = 4096
  counted: Counters | undefined

  constructor(given: Partial<HostFacts> = {}) {
    this.said = someFacts(given)
  }

  async facts(): Promise<HostFacts> {
    return this.said
  }

  async memoryFreeMib(): Promise<number> {
    return this.freeMib
  }

  async counters(): Promise<Counters | undefined> {
    return this.counted
  }
}
