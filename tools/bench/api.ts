/**
 * Measures the API against the least that it could cost: a bare fastify that answers with the same
 * documents, in a process of its own like the controller, asked by the same client over the same
 * kind of socket. The two are measured in turns, so that whatever else the machine does slows down
 * both. A creation is durable before it is answered, which the bare one knows nothing of.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Fault } from '#shared/fault.ts'
import { KeptConnection, requestOf } from './keep-alive.ts'
import { median } from './measure.ts'

const connections = 32
const roundMs = 400
const rounds = 9
/** So many instances there are when reading is measured. */
const instances = 200
const startMsMax = 60_000

/** Prints requests per second of both, and their ratio: medians of several rounds. */
export async function apiBench(print: (line: string) => void): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'remuda-api-bench-'))
  try {
    await using controller = await Server.start('controller', folder)
    const sample = await prepare(controller)
    for (const name of ['one', 'list', 'created'] as const) {
      await writeFile(join(folder, `${name}.json`), sample[name])
    }
    await using bare = await Server.start('bare', folder)
    let number = instances
    const create = () => {
      number += 1
      return requestOf('POST', '/v1/instances', wishOf(number))
    }
    const kinds = [
      ['GET one', () => requestOf('GET', '/v1/instances/web-7'), sample.one],
      ['GET list of 50', () => requestOf('GET', '/v1/instances?limit=50'), sample.list],
      ['POST create', create, sample.created]
    ] as const
    print(`api: ${connections} connections over Unix sockets, medians of ${rounds} rounds`)
    for (const [name, request, body] of kinds) {
      const rates = await compare({ controller, bare, request })
      print(`api: ${name}, ${body.length} bytes: ${sentenceOf(rates)}`)
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

type Rates = { readonly ours: readonly number[]; readonly bare: readonly number[] }

const sentenceOf = ({ ours, bare }: Rates): string => {
  const ratio = median(ours.map((rate, round) => rate / bare[round]!))
  return (
    `${Math.round(median(ours))} per second, bare fastify ${Math.round(median(bare))}, ` +
    `ratio ${ratio.toFixed(2)}`
  )
}

const wishOf = (number: number): string =>
  JSON.stringify({
    name: `web-${number}`,
    labels: { app: 'shop' },
    spec: { image: 'tiny', memoryMib: 16, desiredPower: 'stopped' }
  })

/** Creates what is read later, and gives a body of each kind. */
async function prepare(controller: Server) {
  using connection = new KeptConnection(controller.socket)
  let created = ''
  for (let number = 1; number <= instances; number += 1) {
    const { status, body } = await connection.ask(
      requestOf('POST', '/v1/instances', wishOf(number))
    )
    if (status !== 201) throw new Fault('protocol', `cannot create an instance: ${body}`)
    created = String(body)
  }
  const read = async (path: string) => String((await connection.ask(requestOf('GET', path))).body)
  return {
    one: await read('/v1/instances/web-7'),
    list: await read('/v1/instances?limit=50'),
    created
  }
}

/** Measures both in turns, after a round that warms them up. */
async function compare(given: {
  readonly controller: Server
  readonly bare: Server
  readonly request: () => Buffer
}): Promise<Rates> {
  const { controller, bare, request } = given
  const [ours, theirs]: [number[], number[]] = [[], []]
  for (let round = 0; round <= rounds; round += 1) {
    const pair = [await rateOf(controller, request), await rateOf(bare, request)] as const
    if (round === 0) continue
    ours.push(pair[0])
    theirs.push(pair[1])
  }
  return { ours, bare: theirs }
}

/** Answers per second of one round. */
async function rateOf({ socket }: Server, request: () => Buffer): Promise<number> {
  const startedAt = performance.now()
  let answers = 0
  const ask = async () => {
    using connection = new KeptConnection(socket)
    while (performance.now() - startedAt < roundMs) {
      const { status, body } = await connection.ask(request())
      if (status >= 300) throw new Fault('protocol', `the answer is ${status}: ${body}`)
      answers += 1
    }
  }
  await Promise.all(Array.from({ length: connections }, ask))
  return (answers / (performance.now() - startedAt)) * 1_000
}

/** One of the two, in its own process. */
class Server implements AsyncDisposable {
  readonly socket: string
  readonly #child: ChildProcess

  static async start(role: 'controller' | 'bare', folder: string): Promise<Server> {
    const program = join(import.meta.dirname, 'api-server.ts')
    const child = spawn(process.execPath, [program, role, folder], {
      stdio: ['ignore', 'pipe', 'inherit']
    })
    const server = new Server(child, join(folder, role === 'bare' ? 'bare.sock' : 'run/admin.sock'))
    try {
      const ended = once(child, 'exit').then(() => {
        throw new Fault('command', `cannot measure the API: the ${role} ended`)
      })
      const ready = once(child.stdout!, 'data', { signal: AbortSignal.timeout(startMsMax) })
      await Promise.race([ready, ended])
      ended.catch(() => {})
      return server
    } catch (thrown) {
      await server[Symbol.asyncDispose]()
      throw thrown
    }
  }

  private constructor(child: ChildProcess, socket: string) {
    this.#child = child
    this.socket = socket
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    this.#child.kill('SIGKILL')
    await once(this.#child, 'exit')
  }
}
