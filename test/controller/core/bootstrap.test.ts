import test from 'ava'
import { kinds } from '#shared/model/index.ts'
import { withDefaults } from '#shared/model/validate.ts'
import { isSignedBy, makeSigningKeys } from '#shared/wire/bootstrap.ts'
import {
  allowCandidate,
  type BootstrapWish,
  removeCandidate,
  renewBootstrap
} from '../../../controller/core/bootstrap.ts'
import type { Commit } from '../../../controller/core/commit.ts'
import { isRefusal, type Refusal } from '../../../controller/core/refusal.ts'
import { type SampleCloud, sampleCloud } from '../../world/sample-cloud.ts'

const keys = makeSigningKeys()
const card = (name: string, fields: object = {}) => ({
  name,
  apiUrl: `http://${name}:7410`,
  meshKey: name.padEnd(40, 'm'),
  doorEndpoint: `tcp://${name}:7412`,
  doorKey: name.padEnd(40, 'd'),
  ...fields
})

function renew(cloud: SampleCloud, names: readonly string[], wish: Partial<BootstrapWish> = {}) {
  const cards = names.map(name => card(name))
  const all = { cards, ensemble: ['10.0.0.1:2181'], newKeys: () => keys, ...wish }
  const commit = renewBootstrap(cloud.view, all, cloud.context)
  if (commit) cloud.commit(commit)
  return commit
}

const listOf = (cloud: SampleCloud) => cloud.view.cloud!.bootstrap!.bootstrap
const namesIn = (cloud: SampleCloud) => listOf(cloud).candidates.map(({ name }) => name)

function done(cloud: SampleCloud, verdict: Commit | Refusal): void {
  if (isRefusal(verdict)) throw new Error(verdict.refused.message)
  cloud.commit(verdict)
}

test('a cloud without keys gets them with its first list, and keeps them', t => {
  const cloud = sampleCloud()
  t.is(renew(cloud, ['c1'])?.decisions[0]?.because, 'version 1: candidates c1')
  t.is(cloud.view.cloud?.signing, keys)
  t.true(isSignedBy(keys.publicKey, cloud.view.cloud!.bootstrap!))
  renew(cloud, ['c1', 'c2'], { newKeys: makeSigningKeys })
  t.is(cloud.view.cloud?.signing, keys)
})

test('a list that is as it should be is not renewed', t => {
  const cloud = sampleCloud()
  renew(cloud, ['c1'])
  t.is(renew(cloud, ['c1']), undefined)
  t.is(renew(cloud, []), undefined, 'nobody shows himself: nothing is known')
})

test('a candidate that comes is taken in, and stays while it is away', t => {
  const cloud = sampleCloud()
  renew(cloud, ['c1'])
  renew(cloud, ['c1', 'c2', 'c3'])
  t.is(renew(cloud, ['c2']), undefined)
  t.deepEqual([namesIn(cloud), listOf(cloud).version], [['c1', 'c2', 'c3'], 2])
})

test('a candidate that has moved or has another key stands in the list as it is now', t => {
  const cloud = sampleCloud()
  renew(cloud, ['c1'])
  const meshKey = 'n'.repeat(40)
  renew(cloud, [], { cards: [card('c1', { meshKey, version: '9', leads: true })] })
  t.deepEqual(listOf(cloud).candidates, [card('c1', { meshKey })])
})

test('a candidate that was taken out stays out, with its key under any name', t => {
  const cloud = sampleCloud()
  renew(cloud, ['c1', 'c2'])
  done(cloud, removeCandidate(cloud.view, { name: 'c2', self: 'c1' }, cloud.context))
  t.deepEqual([namesIn(cloud), listOf(cloud).version], [['c1'], 2])
  t.true(isSignedBy(keys.publicKey, cloud.view.cloud!.bootstrap!))
  const { meshKey } = card('c2')
  const cards = [card('c1'), card('c2', { meshKey: 'x'.repeat(40) }), card('c9', { meshKey })]
  t.is(renew(cloud, [], { cards }), undefined)
  done(cloud, allowCandidate(cloud.view, 'c2', cloud.context))
  renew(cloud, ['c1', 'c2'])
  t.deepEqual([namesIn(cloud), listOf(cloud).version], [['c1', 'c2'], 3])
})

test('who leads is not taken out, and nobody that is not there', t => {
  const cloud = sampleCloud()
  renew(cloud, ['c1', 'c2'])
  t.like(removeCandidate(cloud.view, { name: 'c1', self: 'c1' }, cloud.context), {
    refused: { code: 'conflict', next: ['remuda cluster step-down, and try again'] }
  })
  for (const verdict of [
    removeCandidate(cloud.view, { name: 'c7', self: 'c1' }, cloud.context),
    allowCandidate(cloud.view, 'c2', cloud.context)
  ]) {
    t.like(verdict, { refused: { code: 'not-found', reasons: ['candidates: c1, c2'] } })
  }
})

test('a journal that was put back raises its version above those that hosts keep', t => {
  const cloud = sampleCloud()
  renew(cloud, ['c1'])
  renew(cloud, ['c1'], { versionSeen: 41 })
  t.is(listOf(cloud).version, 42)
  t.is(renew(cloud, ['c1'], { versionSeen: 42 }), undefined)
})

const alone = (fields: object) =>
  instanceSpec({ image: 'tiny', memoryMib: 16, coldStart: true, host: 'h1', ...fields })

test('an instance starts alone that can run on its host only', t => {
  const cloud = sampleCloud()
  const made = (name: string, fields: object): string =>
    cloud.done({ verb: 'create', kind: 'instance', name, spec: alone(fields) }).resource.id
  const id = made('alone', {})
  made('unsaid', { coldStart: false })
  made('stopped', { desiredPower: 'stopped' })
  renew(cloud, ['c1'])
  t.deepEqual(listOf(cloud).services, [{ instance: id, host: cloud.host('h1').decided.uuid }])
  cloud.done({ verb: 'delete', kind: 'instance', id })
  renew(cloud, ['c1'])
  t.deepEqual(listOf(cloud).services, [])
})

for (const [what, fields, says] of [
  ['may run on any host', { host: undefined }, /it names no host/],
  ['has its root in a shared pool', { pool: 'wide' }, /its pool wide is shared/],
  ['has a volume in a shared pool', { volumes: ['far'] }, /its pool wide is shared/]
] as const) {
  test(`an instance that ${what} cannot start alone`, t => {
    const cloud = sampleCloud()
    const pool = cloud.view.named('pool', 'local')!.spec
    const wide = { ...pool, shared: true, path: '/wide' }
    cloud.done({ verb: 'create', kind: 'pool', name: 'wide', spec: wide })
    const volume = withDefaults(kinds.volume.spec, { pool: 'wide', sizeMib: 8 }) as object
    cloud.done({ verb: 'create', kind: 'volume', name: 'far', spec: volume })
    const verdict = cloud.judged({
      verb: 'create',
      kind: 'instance',
      name: 'web',
      spec: alone(fields)
    })
    t.like(verdict, { refused: { code: 'invalid', errors: [{ pointer: '/spec/coldStart' }] } })
    t.regex('refused' in verdict ? verdict.refused.message : '', says)
  })
}

const instanceSpec = (fields: object): object => withDefaults(kinds.instance.spec, fields) as object
