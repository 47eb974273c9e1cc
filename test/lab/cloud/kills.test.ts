/**
 * The controller is killed in the midst of many creations, again and again on the same state: what
 * it has acknowledged is there afterwards, and nothing is there by half. No agent runs meanwhile:
 * this is about what is recorded.
 */
import { access } from 'node:fs/promises'
import http from 'node:http'
import { join } from 'node:path'
import test from 'ava'
import type { ResourceDocument } from '#shared/model/index.ts'
import { Cloud } from './cloud.ts'

const rounds = 5
const creations = 500

let cloud: Cloud
/** Ids of what was acknowledged, by name, in all rounds. */
const acknowledged = new Map<string, string>()

test.before(async () => {
  cloud = await Cloud.start({ cidr: '10.66.0.0/16' })
  await cloud.agent.kill()
  // To a new controller the host is one that it has not heard yet, and instances wait for it.
  await cloud.controller.kill()
  await cloud.controller.start()
})

test.afterEach.always(async t => {
  if (!t.passed) for (const line of (await cloud?.lastWords()) ?? []) t.log(line)
})

test.after.always(async () => {
  await cloud?.[Symbol.asyncDispose]()
})

/** Creates one instance; undefined: the connection was lost, and nobody knows. */
function create(name: string, agent: http.Agent): Promise<ResourceDocument | undefined> {
  const spec = {
    image: 'tiny-container',
    type: 'container',
    memoryMib: 16,
    desiredPower: 'stopped'
  }
  const body = JSON.stringify({ name, spec })
  const { promise, resolve, reject } = Promise.withResolvers<ResourceDocument | undefined>()
  const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }
  const socketPath = join(cloud.folder, 'run/admin.sock')
  const options = { method: 'POST', path: '/v1/instances', agent, socketPath, headers }
  const request = http.request(options, response => {
    const chunks: Buffer[] = []
    response.on('data', chunk => chunks.push(chunk))
    response.once('error', () => resolve(undefined))
    response.once('end', () => {
      const text = Buffer.concat(chunks).toString()
      if (response.statusCode === 201) resolve(JSON.parse(text) as ResourceDocument)
      else reject(new Error(`${response.statusCode}: ${text}`))
    })
  })
  request.once('error', () => resolve(undefined))
  request.end(body)
  return promise
}

/** Creates many at once, and kills the controller when so many of them are acknowledged. */
async function createUntilKilled(round: number, enough: number): Promise<void> {
  const agent = new http.Agent({ keepAlive: false })
  let done = 0
  let killed: Promise<void> | undefined
  const names = Array.from({ length: creations }, (_, index) => `r${round}-${index}`)
  await Promise.all(
    names.map(async name => {
      const document = await create(name, agent)
      if (document === undefined) return
      acknowledged.set(document.name, document.id)
      done += 1
      if (done === enough) killed = cloud.controller.kill()
    })
  )
  await killed
  agent.destroy()
}

/** Looks for instances, volumes and ports that are there without each other, or twice. */
async function inconsistencies(): Promise<readonly string[]> {
  const [instances, volumes, ports] = [
    await cloud.list('instances'),
    await cloud.list('volumes'),
    await cloud.list('ports')
  ]
  const found: string[] = []
  const unique = (what: string, values: readonly unknown[]) => {
    if (new Set(values).size !== values.length) found.push(`${what} is given twice`)
  }
  unique(
    'a name',
    instances.map(({ name }) => name)
  )
  unique(
    'an address',
    ports.map(({ status }) => status['address'])
  )
  unique(
    'a hardware address',
    ports.map(({ status }) => status['mac'])
  )
  unique(
    'an id',
    [...instances, ...volumes, ...ports].map(({ id }) => id)
  )
  const owned = new Map(volumes.map(volume => [volume.status['instance'], volume.name]))
  const plugs = new Map(ports.map(port => [port.spec['instance'], port.status['address']]))
  for (const { name, status } of instances) {
    const [volume] = status['volumes'] as readonly string[]
    const [address] = status['addresses'] as readonly string[]
    if (volume !== `${name}-root` || owned.get(name) !== volume) found.push(`${name} has no volume`)
    if (address === undefined || plugs.get(name) !== address) found.push(`${name} has no port`)
  }
  if (volumes.length !== instances.length) found.push(`${volumes.length} volumes`)
  if (ports.length !== instances.length) found.push(`${ports.length} ports`)
  return found
}

for (let round = 1; round <= rounds; round += 1) {
  const enough = round * 70
  test.serial(
    `nothing is lost or halved, killed after ${enough} acknowledged (${round})`,
    async t => {
      const before = acknowledged.size
      await createUntilKilled(round, enough)
      t.true(acknowledged.size >= before + enough, `${acknowledged.size - before} acknowledged`)
      t.is(await cloud.controller.ended(), 'SIGKILL')
      await cloud.controller.start()
      const instances = await cloud.list('instances')
      const ids = new Map(instances.map(({ name, id }) => [name, id]))
      const lost = [...acknowledged].filter(([name, id]) => ids.get(name) !== id)
      t.deepEqual(lost, [], 'acknowledged, and not there')
      t.deepEqual(await inconsistencies(), [])
      t.log(`${acknowledged.size} acknowledged, ${instances.length} there`)
      const damage = (await cloud.controller.log()).filter(({ level }) => level === 'error')
      t.deepEqual(damage, [], 'the journal opens without cut')
      const quarantine = join(cloud.folder, 'controller/journal/quarantine')
      await t.throwsAsync(access(quarantine), { code: 'ENOENT' })
    }
  )
}
