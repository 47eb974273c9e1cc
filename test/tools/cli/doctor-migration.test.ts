import test from 'ava'
import type { ResourceDocument } from '#shared/model/index.ts'
import { judgeMigration } from '../../../tools/cli/run/doctor-cloud.ts'

const host = (name: string, migration?: object, phase = 'online'): ResourceDocument => ({
  kind: 'host',
  id: `h-${name}`,
  name,
  labels: {},
  spec: {},
  status: { phase, ...(migration && { migration }) },
  conditions: [],
  generation: 1,
  observedGeneration: 1,
  createdAt: '2026-01-01T00:00:00.000Z'
})

const open = { uri: 'qemu+tls://10.0.0.1/system' }

test('with one host there is nowhere to move to, and nothing is said', t => {
  t.deepEqual(judgeMigration([host('h1', open), host('h2', open, 'silent')]), [])
})

test('where instances can come to every host, all is well', t => {
  t.like(judgeMigration([host('h1', open), host('h2', open)])[0], { state: 'ok' })
})

test('a host where none can go on before all of its memory has come is named', t => {
  const postCopyFault = 'the kernel has no userfaultfd'
  const [check] = judgeMigration([host('h1', open), host('h2', { ...open, postCopyFault })])
  t.like(check, {
    state: 'warn',
    found: 'none can go on before all of its memory has come: h2: the kernel has no userfaultfd'
  })
})

test('a host that takes none in is named with its reason', t => {
  const fault = 'libvirt does not listen'
  const [check] = judgeMigration([host('h1', open), host('h2', { ...open, fault }), host('h3')])
  t.like(check, {
    state: 'warn',
    found: 'h2: libvirt does not listen; h3: its agent does not say where'
  })
})
