/** Instances that move between hosts, in virtual time, with the real code of all parts. */
import test from 'ava'
import { subjectOf } from '../../controller/core/subject.ts'
import { WholeCloud } from '../world/whole-cloud.ts'

/** A cloud of two hosts with a shared pool and a VM on the first one. */
async function cloudWithInstance(spec: object = {}): Promise<WholeCloud> {
  const cloud = new WholeCloud()
  await cloud.startController()
  for (const name of ['h1', 'h2']) await cloud.addHost({ name, memoryMib: 8_192 })
  await cloud.addImage('tiny', { type: 'vm', format: 'qcow2' })
  const pool = cloud.specOf('pool', { path: '/shared', shared: true })
  await cloud.wish({ verb: 'create', kind: 'pool', name: 'shared', spec: pool })
  await cloud.clock.pass(2_000)
  const wish = { image: 'tiny', memoryMib: 128, pool: 'shared', ...spec }
  const instance = cloud.specOf('instance', wish)
  await cloud.wish({ verb: 'create', kind: 'instance', name: 'web', spec: instance })
  await cloud.clock.pass(10_000)
  return cloud
}

const webOf = (cloud: WholeCloud) => cloud.reign.view.named('instance', 'web', 'default')!

const domainsOn = async (cloud: WholeCloud, host: string) =>
  (await cloud.host(host).hypervisor.domains()).map(({ name, state }) => `${name} ${state}`)

const verbsOf = (cloud: WholeCloud) =>
  cloud.reign.view.history(subjectOf(webOf(cloud))).map(({ verb }) => verb)

test('a running instance moves to another host and is started nowhere', async t => {
  await using cloud = await cloudWithInstance()
  const { id, decided } = webOf(cloud)
  const from = decided.host!
  const to = from === 'h1' ? 'h2' : 'h1'
  t.deepEqual(await domainsOn(cloud, from), ['default.web running'])
  await cloud.wish({ verb: 'move', id, to })
  await cloud.clock.pass(5_000)
  t.is(webOf(cloud).decided.host, to, JSON.stringify(webOf(cloud).decided))
  t.is(webOf(cloud).decided.moving, undefined)
  t.deepEqual(await domainsOn(cloud, from), [])
  t.deepEqual(await domainsOn(cloud, to), ['default.web running'])
  t.deepEqual(
    cloud.host(to).hypervisor.calls.filter(call => call.startsWith('create')),
    []
  )
  const verbs = verbsOf(cloud).filter(verb => /^mov/.test(verb) && verb !== 'move-asking')
  t.deepEqual(verbs, ['moving', 'move-sending', 'moved'])
})
