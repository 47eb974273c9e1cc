import test from 'ava'
import type { Condition, ResourceDocument } from '#shared/model/index.ts'
import { judgeLocks } from '../../../tools/cli/run/doctor-locks.ts'

const document = (kind: 'host' | 'pool', name: string): ResourceDocument => ({
  ...{ kind, id: name, name, labels: {}, spec: {}, status: {}, conditions: [] },
  ...{ generation: 1, observedGeneration: 1, createdAt: '2026-01-01T00:00:00.000Z' }
})
const pool = (name: string, spec: object): ResourceDocument => ({
  ...document('pool', name),
  spec: { shared: true, ...spec }
})
const host = (
  name: string,
  status: Condition['status'] | undefined,
  message = '',
  phase = 'online'
): ResourceDocument => ({
  ...document('host', name),
  status: { phase },
  conditions: status === undefined ? [] : [{ type: 'locks', status, reason: 'so', message }]
})
const far = pool('far', { locks: 'virtlockd' })

test('without a shared pool nothing is said of locks', t => {
  t.deepEqual(judgeLocks([pool('local', { shared: false })], [host('h1', 'true')]), [])
})

test('where no pool wishes locks, it is said what keeps a second writer out', t => {
  const [check] = judgeLocks([pool('far', {})], [host('h1', 'true'), host('h2', 'unknown')])
  t.is(check?.state, 'ok')
  t.regex(check?.found ?? '', /^pool far: only fences and QEMU's own locks .* works on h1 \(docs/)
})

test('where virtlockd works on all hosts that are online, all is well', t => {
  const off = host('h3', 'false', 'it is off', 'fenced')
  t.like(judgeLocks([far], [host('h1', 'true'), host('h2', 'true'), off]), [
    { state: 'ok', found: 'pool far: virtlockd works on h1, h2' }
  ])
})

test('each host where it does not work is named, with what is missing and where it is told', t => {
  const why = 'its libvirt has no lock manager: set lock_manager'
  const [check] = judgeLocks(
    [far],
    [host('h1', 'true'), host('h2', 'false', why), host('h3', undefined)]
  )
  t.deepEqual(check, {
    ...{ name: 'locks', state: 'fail' },
    found: `pool far is not used on h2: ${why}; h3: its agent does not say whether it can`,
    fix: 'on each of these hosts: docs/hosts.md, "Locks on shared volumes"'
  })
})
