import test from 'ava'
import type { Resource } from '#shared/model/index.ts'
import { Crowds } from '../../../controller/core/crowds.ts'

const volume = (id: string, sizeMib: number, imageId?: string): Resource => ({
  kind: 'volume',
  id,
  name: id,
  tenant: 'acme',
  labels: {},
  spec: { pool: 'local', format: 'qcow2', sizeMib },
  decided: imageId === undefined ? {} : { imageId },
  generation: 1,
  createdAt: '2026-01-01T00:00:00.000Z'
})

test('what many belong to knows how many, and how much, until the last has left', t => {
  const crowds = new Crowds()
  const volumes = [volume('v-1', 64, 'im-1'), volume('v-2', 16), volume('v-3', 8, 'im-1')]
  for (const each of volumes) crowds.enter(each)
  t.is(crowds.of('pool-volumes', 'local'), 3)
  t.is(crowds.of('pool-mib', 'local'), 88)
  t.is(crowds.of('image-volumes', 'im-1'), 2)
  t.is(crowds.of('tenant-resources', 'acme'), 3)
  t.is(crowds.of('tenant-instances', 'acme'), 0)
  crowds.leave(volumes[1]!)
  t.is(crowds.of('pool-mib', 'local'), 72)
  for (const each of [volumes[0]!, volumes[2]!]) crowds.leave(each)
  for (const crowd of ['pool-volumes', 'pool-mib'] as const) t.is(crowds.of(crowd, 'local'), 0)
  t.is(crowds.of('tenant-resources', 'acme'), 0)
})
