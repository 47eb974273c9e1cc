/** A backup of a cloud whose candidates share a journal goes into an empty ensemble. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { run } from '#shared/process.ts'
import { until } from '../world/world-candidates.ts'
import { CandidateProcess } from './candidate-process.ts'
import { startEnsemble } from './zookeeper-ensemble.ts'

const sessionMs = 2_000
const secret = 'remuda:only for this test'
const program = join(import.meta.dirname, '../../tools/remuda.ts')

const remuda = async (...words: readonly string[]): Promise<string> =>
  (await run(process.execPath, [program, ...words], { deadlineMs: 60_000 })).stdout

test('what is restored into an empty ensemble is led by the next candidate', async t => {
  t.timeout(300_000)
  await using opened = new AsyncDisposableStack()
  const folder = await mkdtemp(join(tmpdir(), 'remuda-restore-'))
  opened.defer(() => rm(folder, { recursive: true, force: true }))
  const [first, second] = [
    opened.use(await startEnsemble({ count: 1 })),
    opened.use(await startEnsemble({ count: 1 }))
  ]
  const start = async (name: string, { servers }: { readonly servers: readonly string[] }) =>
    opened.use(await CandidateProcess.start({ name, ensemble: { servers, secret, sessionMs } }))
  const leads = (one: CandidateProcess) =>
    until(async () => {
      const said = await one.cluster()
      return said?.state === 'leads' && said
    })
  const old = await start('old', first)
  await leads(old)
  for (const name of ['red', 'blue']) {
    const body = { name, spec: {} }
    t.is((await old.ask({ method: 'POST', path: '/v1/tenants', body }))?.status, 201)
  }
  const file = join(folder, 'cloud.backup')
  t.regex(await remuda('--state', old.state, 'cluster', 'backup', 'create', file), /tenant 3/)

  const secretFile = join(folder, 'ensemble.secret')
  await writeFile(secretFile, `${secret}\n`, { mode: 0o600 })
  const restore = async (servers: readonly string[], ...flags: readonly string[]) => {
    const config = join(folder, 'controller.json')
    const place = { journal: 'zookeeper', ensemble: servers.join(','), sessionMs }
    await writeFile(config, JSON.stringify({ ...place, ensembleSecretFile: secretFile }))
    const words = ['cluster', 'backup', 'restore', file, '--config', config]
    return await remuda('--state', join(folder, 'state'), ...words, ...flags)
  }
  const refused = await t.throwsAsync(restore(first.servers, '--yes'))
  t.regex(String(refused?.cause ?? refused), /the journal on ZooKeeper at .* is not empty/)
  t.regex(await restore(second.servers, '--dry-run'), /is empty: it could be restored/)
  t.regex(await restore(second.servers, '--yes'), /^restored cloud .* tenant 3/)

  const next = await start('next', second)
  const { epoch } = await leads(next)
  t.true(epoch > 1_000, `epoch ${epoch}`)
  const read = await next.ask({ path: '/v1/tenants' })
  for (const name of ['default', 'red', 'blue']) t.true(read?.text.includes(`"name":"${name}"`))
  const body = { name: 'green', spec: {} }
  t.is((await next.ask({ method: 'POST', path: '/v1/tenants', body }))?.status, 201)
})
