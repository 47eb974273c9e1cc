/** Small whole values for the agent's tests; each field can be given otherwise. */
import type {
  Order,
  OrderImage,
  OrderInstance,
  OrderNetwork,
  OrderPool,
  OrderVolume
} from '#shared/wire/order.ts'
import type { HostContext } from '../../agent/core/domain-plan.ts'

/** An id whose UUID ends in a number. */
export const idOf = (prefix: string, number: number): string =>
  `${prefix}-0198c0de-0000-7000-8000-${String(number).padStart(12, '0')}`

export const cloud = 'cloud-1'

export const image = (given: Partial<OrderImage> = {}): OrderImage => ({
  id: idOf('im', 1),
  name: 'tiny',
  format: 'qcow2',
  sha256: 'a'.repeat(64),
  sizeBytes: 1_000_000,
  url: 'http://controller.example/images/tiny?ticket=1',
  ...given
})

export const pool = (given: Partial<OrderPool> = {}): OrderPool => ({
  name: 'local',
  driver: 'directory',
  shared: false,
  ...given
})

export const volume = (given: Partial<OrderVolume> = {}): OrderVolume => ({
  id: idOf('v', 1),
  name: 'web-root',
  pool: 'local',
  format: 'qcow2',
  sizeMib: 1024,
  imageId: idOf('im', 1),
  desired: 'present',
  ...given
})

export const network = (given: Partial<OrderNetwork> = {}): OrderNetwork => ({
  id: idOf('n', 1),
  name: 'default',
  mtu: 1500,
  nat: true,
  subnets: [{ cidr: '10.66.0.0/24', gateway: '10.66.0.1', dns: ['10.66.0.1'] }],
  ...given
})

export const instance = (given: Partial<OrderInstance> = {}): OrderInstance => ({
  id: idOf('i', 1),
  name: 'web',
  tenant: 'acme',
  type: 'vm',
  generation: 7,
  vcpus: 2,
  memoryMib: 512,
  volumes: [idOf('v', 1)],
  ports: [
    {
      id: idOf('p', 1),
      networkId: idOf('n', 1),
      mac: '52:54:00:00:00:01',
      address: '10.66.0.10'
    }
  ],
  sshKeys: [],
  cpuBaseline: 'portable',
  desiredPower: 'running',
  restart: { policy: 'always', delayMsMin: 100, delayMsMax: 60_000, resetMs: 60_000 },
  restarts: 0,
  stopGraceMs: 15_000,
  ...given
})

/** An order of one instance with all that it needs. */
export const order = (given: Partial<Order> = {}): Order => ({
  type: 'order',
  cloud,
  epoch: 1,
  generation: 1,
  host: '00000000-0000-4000-8000-000000000001',
  images: [image()],
  pools: [pool()],
  volumes: [volume()],
  networks: [network()],
  instances: [instance()],
  noticesKept: 0,
  ...given
})

/** An order that names nothing. */
export const emptyOrder = (given: Partial<Order> = {}): Order =>
  order({ images: [], pools: [], volumes: [], networks: [], instances: [], ...given })

export const host = (given: Partial<HostContext> = {}): HostContext => ({
  hostname: 'h1',
  abilities: {
    libvirtVersion: '9.0.0',
    qemu: true,
    lxc: true,
    qemuVersion: '7.2.22',
    emulator: '/usr/bin/qemu-system-x86_64',
    machine: 'pc-q35-7.2',
    emulatorUid: 0
  },
  kvm: false,
  consoleFolder: '/var/lib/remuda/agent/console',
  ...given
})
