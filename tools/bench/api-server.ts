/**
 * The two servers that the bench of the API compares, each in a process of its own: a controller
 * with its real journal and hosts that obey, or a bare fastify that answers with the same things.
 * Started as: api-server.ts controller|bare FOLDER; it says `ready` once it listens.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { realClock } from '#shared/clock.ts'
import { silentLog } from '#shared/log.ts'
import { readPrivateFile } from '#shared/private-file.ts'
import { readConfig } from '../../controller/io/config.ts'
import { startController } from '../../controller/io/controller.ts'
import { makeJoinToken } from '../../controller/io/doorkeeper.ts'
import { soloElection } from '../../controller/io/election/solo.ts'
import { openLevelJournal } from '../../controller/io/journal/level.ts'
import { serveBareApi } from '../../test/world/bare-api.ts'
import { ObedientMesh } from '../../test/world/obedient-mesh.ts'

const hosts = 20
/** So much memory that no creation is ever refused. */
const memoryMib = 4 * 1024 * 1024
/** Agents report at least so often, or their hosts would fall silent. Unit: ms. */
const reportMs = 1_000

async function serveController(state: string): Promise<void> {
  const words = ['--state', state, '--api-port', '0', '--cidr', '10.0.0.0/8']
  const config = await readConfig(words, {})
  const tokenFile = join(state, 'join.token')
  await makeJoinToken(tokenFile)
  const journal = await openLevelJournal(join(state, 'journal'))
  const mesh = new ObedientMesh({ memoryMib })
  const { service, doorkeeper } = await startController(
    config,
    {
      journal,
      election: soloElection(),
      mesh,
      clock: realClock,
      log: silentLog,
      controllerKeys: ['k'.repeat(40)]
    },
    new AbortController().signal
  )
  const token = (await readPrivateFile(tokenFile))?.trim() ?? ''
  const names = Array.from({ length: hosts }, (_, number) => `h${number}`)
  for (const name of names) {
    await doorkeeper({
      type: 'join',
      uuid: name,
      hostname: name,
      publicKey: 'p'.repeat(40),
      endpoint: 'tcp://127.0.0.1:1',
      token
    })
  }
  setInterval(() => {
    mesh.sent.length = 0
    for (const name of names) mesh.report(name)
  }, reportMs)
  await fillImage(service.reign)
}

/** Gives the cloud an image that instances can be made of. */
async function fillImage(reign: Awaited<ReturnType<typeof startController>>['service']['reign']) {
  const spec = { type: 'vm', format: 'raw', shared: true }
  await reign.submit({ verb: 'create', kind: 'image', name: 'tiny', spec }, 'bench')
  const { id } = reign.view.named('image', 'tiny', 'default')!
  const content = { sha256: 'a'.repeat(64), sizeBytes: 4, virtualMib: 16 }
  await reign.submit({ verb: 'fill-image', id, content }, 'bench')
}

async function serveBare(folder: string): Promise<void> {
  const documentIn = async (name: string): Promise<object> =>
    JSON.parse(await readFile(join(folder, `${name}.json`), 'utf8'))
  await serveBareApi(join(folder, 'bare.sock'), {
    one: await documentIn('one'),
    list: await documentIn('list'),
    created: await documentIn('created')
  })
}

const [role, folder] = process.argv.slice(2) as [string, string]
if (role === 'bare') await serveBare(folder)
else await serveController(folder)
process.stdout.write('ready\n')
