/** A host shows itself before its agent listens, since that may take long; a real door answers. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { realClock } from '#shared/clock.ts'
import { isFault } from '#shared/fault.ts'
import { silentLog } from '#shared/log.ts'
import type { AnsweringEnd } from '#shared/wire/answering-end.ts'
import { makeKeys } from '#shared/wire/keys.ts'
import type { Join, Joined } from '#shared/wire/messages.ts'
import type { AgentConfig } from '../../agent/io/config.ts'
import { beginToJoin } from '../../agent/io/joining.ts'
import { Door, doorLimits } from '../../controller/io/door.ts'
import { until } from '../world/reading.ts'
import { anyPort } from '../world/real-mesh.ts'
import { sampleFacts } from '../world/sample-cloud.ts'

const uuid = '6ba7b810-9dad-41d1-80b4-00c04fd430c8'
const controllerKeys = [makeKeys().publicKey]

/** A door that lets all in, and a host that begins to join at it. */
async function begin(t: ExecutionContext, port: number, verdict: Joined['verdict'] = 'approved') {
  const folder = await mkdtemp(join(tmpdir(), 'remuda-joining-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const keys = makeKeys()
  const joins: Join[] = []
  const sender = { bootId: 'boot', run: crypto.randomUUID() }
  const because = 'an operator approved it'
  const door = await Door.open({
    ...{ endpoint: anyPort, keys, sender, limits: doorLimits, memory: () => 0 },
    doorkeeper: async asked => {
      joins.push(asked)
      return { type: 'joined', verdict, because, cloud: 'c-1', controllerKeys }
    },
    ...{ clock: realClock, log: silentLog }
  })
  t.teardown(() => door[Symbol.asyncDispose]())
  const stop = new AbortController()
  const introduced = { door: door.endpoint, doorKey: keys.publicKey }
  const config = { state: folder, address: '127.0.0.1', port, ...introduced } as AgentConfig
  const files = {
    admissionFile: join(folder, 'admission.json'),
    bootstrapFile: join(folder, 'bootstrap.json')
  }
  const hardware = { names: async () => ({ uuid, hostname: 'h9' }) }
  const given = { ...files, sender, keys: makeKeys(), hardware, clock: realClock, log: silentLog }
  const begun = await beginToJoin(config, given, stop.signal)
  t.teardown(async () => {
    stop.abort()
    await begun.joining.catch(ignoreAborted)
  })
  return { begun, joins }
}

function ignoreAborted(thrown: unknown): void {
  if (!isFault(thrown, 'aborted')) throw thrown
}

/** What the agent listens with, as far as its joining knows it. */
function listener(endpoint: string) {
  const admitted: (readonly string[])[] = []
  const admit = async (keys: readonly string[]): Promise<void> => void admitted.push(keys)
  return { admitted, end: { endpoint, heardAt: undefined, admit } as unknown as AnsweringEnd }
}

test('it knocks, and may be let in, before its agent listens', async t => {
  const { begun, joins } = await begin(t, 7_411)
  await until(() => begun.trust.keys.length > 0)
  t.like(joins[0], { uuid, hostname: 'h9', endpoint: 'tcp://127.0.0.1:7411' })
  const { admitted, end } = listener('tcp://127.0.0.1:7411')
  await begun.listens(end)
  t.deepEqual(admitted.at(-1), controllerKeys, 'those who were named meanwhile may dial')
})

test('where the kernel chooses the port, it waits for that', async t => {
  const { begun, joins } = await begin(t, 0)
  const { admitted, end } = listener('tcp://127.0.0.1:4711')
  await begun.listens(end)
  t.deepEqual(joins, [])
  await until(() => admitted.at(-1)?.length === 1)
  t.like(joins[0], { endpoint: 'tcp://127.0.0.1:4711' })
})

test('once it has looked at its machine it says what that is', async t => {
  const { begun, joins } = await begin(t, 7_411, 'pending')
  await until(() => joins.length > 0)
  t.is(joins[0]?.claims, undefined)
  const maker = 'A\u001bvery long name of a maker '.repeat(9)
  const nic = { name: 'eno1', mac: '52:54:00:12:34:56', up: true, virtualFunctionsMax: 0 }
  begun.looked({
    ...sampleFacts('h9', 2_048),
    ...{ vendor: maker, nics: Array(20).fill({ ...nic, speedMbit: -1 }) }
  })
  await until(() => joins.at(-1)?.claims !== undefined)
  const claims = joins.at(-1)!.claims!
  t.like(claims, { memoryMib: 2_048, vendor: maker.replaceAll('\u001b', ' ').slice(0, 64) })
  t.is(claims.nics.length, 16)
  t.deepEqual(claims.nics[0], { name: 'eno1', mac: '52:54:00:12:34:56' })
})
