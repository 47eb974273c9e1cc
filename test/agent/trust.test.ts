/** Whom a host believes: lists that are signed, forged, old and taken back. */
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import type { HostId } from '#shared/ids.ts'
import { silentLog } from '#shared/log.ts'
import {
  type Bootstrap,
  makeSigningKeys,
  type SignedBootstrap,
  signBootstrap
} from '#shared/wire/bootstrap.ts'
import { makeKeys } from '#shared/wire/keys.ts'
import { readAdmission, writeAdmission } from '../../agent/io/admission.ts'
import { Trust } from '../../agent/io/trust.ts'
import type { MeshMessage } from '../../controller/core/ports.ts'
import { anOrder } from '../world/messages.ts'
import { counted, Reading, until } from '../world/reading.ts'
import { RealMeshRig } from '../world/real-mesh.ts'

const cloud = makeSigningKeys()
const [first, second] = [makeKeys().publicKey, makeKeys().publicKey]

function signed(version: number, fields: Partial<Bootstrap> = {}, keys = cloud): SignedBootstrap {
  const candidates = [first, second].map((meshKey, index) => ({
    name: `c${index + 1}`,
    apiUrl: '',
    meshKey,
    doorEndpoint: index === 0 ? 'tcp://10.0.0.1:7412' : '',
    doorKey: first
  }))
  const base = { cloud: 'c-1', version, candidates, ensemble: [], services: [] }
  return signBootstrap({ ...base, ...fields }, keys)
}

async function open(t: ExecutionContext, cloudKey: string | undefined = cloud.publicKey) {
  const folder = await mkdtemp(join(tmpdir(), 'remuda-trust-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const files = {
    admissionFile: join(folder, 'admission.json'),
    bootstrapFile: join(folder, 'bootstrap.json')
  }
  const known = { cloud: 'c-1', controllerKeys: [first] }
  await writeAdmission(files.admissionFile, { ...known, ...(cloudKey && { cloudKey }) })
  const again = (): Promise<Trust> => Trust.open({ ...files, host: 'uuid-1', log: silentLog })
  return { ...files, again, trust: await again() }
}

test('until there is a list the word of the door holds, then the list alone', async t => {
  const { trust, again, bootstrapFile } = await open(t)
  t.deepEqual(trust.keys, [first])
  t.is(await trust.take(signed(3)), 'taken')
  t.deepEqual(trust.keys, [first, second])
  t.deepEqual(trust.doors, [{ endpoint: 'tcp://10.0.0.1:7412', publicKey: first }])
  t.is((await stat(bootstrapFile)).mode & 0o777, 0o600)
  const later = await again()
  t.deepEqual([later.keys, later.version], [[first, second], 3])
  await later.admitted({ cloud: 'c-1', controllerKeys: ['x'.repeat(40)] })
  t.deepEqual(later.keys, [first, second], 'a door cannot add to the list')
})

for (const [what, list] of [
  ['is signed with another key', signed(9, {}, makeSigningKeys())],
  ['is not signed', { ...signed(9), signature: '' }],
  ['was changed after it was signed', { ...signed(9), bootstrap: signed(8).bootstrap }],
  ['is of another cloud', signed(9, { cloud: 'c-2' })],
  ['is older than the one that is known', signed(4)]
] as const) {
  test(`a list that ${what} changes nothing`, async t => {
    const { trust, again } = await open(t)
    await trust.take(signed(5))
    t.is(await trust.take(list), 'refused')
    t.is(trust.refused, 1)
    t.deepEqual([trust.version, (await again()).version], [5, 5])
  })
}

test('the same list again is known, and nobody is told of it', async t => {
  const { trust } = await open(t)
  const told: (readonly string[])[] = []
  trust.onChanged(async keys => void told.push(keys))
  t.deepEqual([await trust.take(signed(5)), await trust.take(signed(5))], ['taken', 'known'])
  t.deepEqual(told, [[first, second]])
})

test('a host without a pinned key pins that of its first list, and no other after it', async t => {
  const { trust, admissionFile } = await open(t, '')
  t.is(await trust.take(signed(1)), 'refused')
  t.is(await trust.take(signed(1), cloud.publicKey), 'taken')
  t.is((await readAdmission(admissionFile))?.cloudKey, cloud.publicKey)
  const other = makeSigningKeys()
  t.is(await trust.take(signed(2, {}, other), other.publicKey), 'refused')
})

for (const [what, text] of [
  ['cut short', '{"bootstrap":{'],
  ['signed by somebody else', JSON.stringify(signed(7, {}, makeSigningKeys()))]
] as const) {
  test(`a kept list that is ${what} is not used, and the door's word holds`, async t => {
    const { trust, again, bootstrapFile } = await open(t)
    await trust.take(signed(5))
    t.regex(await readFile(bootstrapFile, 'utf8'), /"version":5/)
    await writeFile(bootstrapFile, text, { mode: 0o600 })
    const later = await again()
    t.deepEqual([later.version, later.keys], [0, [first]])
  })
}

test('a host knows which instances it may start by itself', async t => {
  const { trust } = await open(t)
  const services = [
    { instance: 'i-1', host: 'uuid-1' },
    { instance: 'i-2', host: 'uuid-2' }
  ]
  await trust.take(signed(1, { services }))
  t.deepEqual([...trust.services], ['i-1'])
})

const alpha = 'host-alpha' as HostId

test.serial(
  'a controller taken out of the list loses its line, and no key brings it back',
  async t => {
    t.timeout(60_000)
    await using rig = new RealMeshRig()
    const { trust } = await open(t)
    const [old, next] = [makeKeys(), makeKeys()]
    const listed = (version: number, all: readonly { readonly publicKey: string }[]) => {
      const candidates = all.map(({ publicKey: meshKey }, index) => ({
        name: `c${index}`,
        apiUrl: '',
        meshKey,
        doorEndpoint: '',
        doorKey: meshKey
      }))
      return signed(version, { candidates })
    }
    const { mesh: agent, peer } = await rig.agent(alpha, { admitted: [] })
    trust.onChanged(keys => agent.admit(keys))
    const both = listed(1, [old, next])
    await trust.take(both)
    const [oldMesh, nextMesh] = [rig.controller(() => 1, old), rig.controller(() => 2, next)]
    await using heard = new Reading<MeshMessage>(signal => oldMesh.messages(signal))
    for (const mesh of [oldMesh, nextMesh]) mesh.setPeers([peer])
    await until(() => counted(oldMesh, 'connects') > 0 && counted(nextMesh, 'connects') > 0)
    await trust.take(listed(2, [next]))
    await heard.next(
      said => said.type === 'disconnected' && said.because === 'the key is not admitted'
    )
    t.is(await trust.take(both), 'refused', 'the list that it was in does not bring it back')
    const order = anOrder({ host: alpha, generation: 1, epoch: 9 })
    t.throws(() => oldMesh.send(alpha, order), { code: 'unavailable' })
    await until(() => counted(nextMesh, 'connects') > 1)
    nextMesh.send(alpha, anOrder({ host: alpha, generation: 1, epoch: 2 }))
    await until(() => counted(agent, 'received') === 1)
    t.is(agent.epochSeen, 2)
    t.is(counted(oldMesh, 'sent'), 0)
  }
)
