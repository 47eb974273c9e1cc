/**
 * A cloud of 100,000 instances, each with its volume and its port, on 1,000 hosts, and two
 * decisions in each history: the commits that make it, for benches that need a large state.
 */
import { formatIpv4 } from '#shared/cidr.ts'
import { newId } from '#shared/ids.ts'
import type { Instance } from '#shared/model/instance.ts'
import { InstanceSpec } from '#shared/model/instance.ts'
import type { Port } from '#shared/model/network.ts'
import { withDefaults } from '#shared/model/validate.ts'
import type { Volume } from '#shared/model/volume.ts'
import type { Change, Commit } from '../../controller/core/commit.ts'
import { firstCommit } from '../../controller/core/first-commit.ts'
import type { View } from '../../controller/core/view.ts'

/** How many instances it has. */
export const instancesMax = 100_000
/** And how many hosts. */
export const hostsMax = 1_000
/** An entry of a journal holds as many and stays below its bound. */
const instancesPerCommit = 500

/** Gives commit after commit; each must be in the view before the next one is asked for. */
export function* largeCloud(view: View): Generator<Commit> {
  const at = new Date().toISOString()
  const token = { id: 'tk', name: 'admin', sha256: '0'.repeat(64), role: 'admin' as const }
  const context = { by: 'bench', now: { monotonic: 0, wall: Date.now() }, newId }
  const wish = { cloudId: 'c-bench', adminToken: { ...token, createdAt: at }, cidr: '10.0.0.0/8' }
  yield firstCommit(wish, context)
  const network = view.named('network', 'default', 'default')!.id
  const subnet = view.named('subnet', 'default', 'default')!.id
  yield { changes: Array.from({ length: hostsMax }, hostOf), decisions: [] }
  for (let first = 0; first < instancesMax; first += instancesPerCommit) {
    const numbers = Array.from({ length: instancesPerCommit }, (_, offset) => first + offset)
    const changes = numbers.flatMap(number => resourcesOf(number, { at, network, subnet }))
    yield { changes, decisions: numbers.flatMap(number => decisionsOf(number, at)) }
  }
}

const hostOf = (_: unknown, number: number): Change => ({
  op: 'put',
  resource: {
    kind: 'host',
    id: newId('h'),
    name: `h${number}`,
    labels: {},
    spec: { schedulable: true, reservedMib: 512, vcpusPerThread: 4 },
    // Nobody is let in, so that nobody is dialled: it is the state that is measured.
    decided: {
      approval: 'pending',
      uuid: newId('u'),
      publicKey: 'k'.repeat(40),
      endpoint: `tcp://127.1.${number >> 8}.${number & 255}:7411`
    },
    generation: 1,
    createdAt: new Date().toISOString()
  }
})

const spec = (withDefaults(InstanceSpec, { image: 'tiny', memoryMib: 512 }) ??
  {}) as Instance['spec']

function resourcesOf(
  number: number,
  cloud: { readonly at: string; readonly network: string; readonly subnet: string }
): readonly Change[] {
  const common = { tenant: 'default', labels: {}, generation: 1, createdAt: cloud.at }
  const name = `instance-${number}`
  const host = `h${number % hostsMax}`
  const [id, volumeId, portId] = [newId('i'), newId('v'), newId('p')]
  const labels = { app: `app-${number % 97}` }
  const decided = { host, vcpus: 1, memoryMib: 512, volumes: [volumeId], ports: [portId] }
  const instance: Instance = { ...common, kind: 'instance', id, name, labels, spec, decided }
  const volume: Volume = {
    ...common,
    kind: 'volume',
    id: volumeId,
    name: `${name}-root`,
    spec: { pool: 'local', format: 'qcow2', sizeMib: 64, image: 'tiny' },
    decided: { host, imageId: 'im-1', ownerId: id }
  }
  const hex = number.toString(16).padStart(6, '0')
  const port: Port = {
    ...common,
    kind: 'port',
    id: portId,
    name: `${name}-0`,
    spec: { network: 'default', instance: name },
    decided: {
      mac: `52:54:00:${hex.slice(0, 2)}:${hex.slice(2, 4)}:${hex.slice(4)}`,
      address: formatIpv4(0x0a000002 + number),
      networkId: cloud.network,
      subnetId: cloud.subnet,
      ownerId: id
    }
  }
  return [instance, volume, port].map(resource => ({ op: 'put', resource }))
}

const decisionsOf = (number: number, at: string) => {
  const subjects = [`instance/instance-${number}`]
  const asked = 'asked for: vm, 1 vcpu, 512 MiB, image tiny, volume of 64 MiB'
  const because = `placed on h${number % hostsMax}: it has the most free memory (4096 of 8192 MiB)`
  return [
    { at, by: 'user/admin', verb: 'created', because: asked, subjects },
    { at, by: 'user/admin', verb: 'placed', because, subjects }
  ]
}
