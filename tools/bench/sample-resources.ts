import { newId } from '#shared/ids.ts'
import type { Instance } from '#shared/model/instance.ts'
import type { Port } from '#shared/model/network.ts'
import type { Volume } from '#shared/model/volume.ts'

/** Makes an instance as a user would have it, with its root volume and its port. */
export function sampleResources(number: number): readonly [Instance, Volume, Port] {
  const [id, volume, port] = [newId('i'), newId('v'), newId('p')]
  const name = `web-${number}`
  const common = {
    tenant: `tenant-${number % 50}`,
    labels: { app: 'shop', tier: `web-${number % 7}` },
    generation: number,
    createdAt: '2026-01-01T00:00:00.000Z'
  }
  const host = `host-${number % 1000}`
  const key = `ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI${id.slice(-12)}ieGFkZgQ7Z1xR5QYq3L7X ops`
  const restart = {
    policy: 'always',
    delayMsMin: 100,
    delayMsMax: 60_000,
    resetMs: 60_000
  } as const
  const instance: Instance = {
    ...common,
    kind: 'instance',
    id,
    name,
    spec: {
      type: 'vm',
      size: 'small',
      image: 'debian-12',
      rootMib: 10_240,
      pool: 'local',
      volumes: [],
      ports: [{ network: 'default' }],
      sshKeys: [key],
      cpuBaseline: 'portable',
      desiredPower: 'running',
      restart,
      restarts: 0,
      failedRunsMax: 5,
      failedHostsMax: 3,
      priority: 500,
      stopGraceMs: 30_000,
      highlyAvailable: true
    },
    decided: { host, vcpus: 2, memoryMib: 2048, volumes: [volume], ports: [port] }
  }
  const root: Volume = {
    ...common,
    kind: 'volume',
    id: volume,
    name: `${name}-root`,
    spec: { pool: 'local', format: 'qcow2', sizeMib: 10_240, image: 'debian-12' },
    decided: { host, imageId: newId('m'), ownerId: id }
  }
  const plug: Port = {
    ...common,
    kind: 'port',
    id: port,
    name: `${name}-0`,
    spec: { network: 'default', instance: name },
    decided: {
      mac: `52:54:00:${octets(number)
        .map(octet => octet.toString(16).padStart(2, '0'))
        .join(':')}`,
      address: `10.${octets(number).join('.')}`,
      networkId,
      subnetId,
      ownerId: id
    }
  }
  return [instance, root, plug]
}

const networkId = newId('n')
const subnetId = newId('s')
const octets = (number: number): readonly number[] => [
  (number >> 16) & 255,
  (number >> 8) & 255,
  number & 255
]
