/** A whole controller in memory but for its sockets, with hosts that obey. */
import { mkdtemp, rm } from 'node:fs/promises'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { realClock } from '#shared/clock.ts'
import { type Log, silentLog } from '#shared/log.ts'
import type { ResourceDocument } from '#shared/model/index.ts'
import { readPrivateFile } from '#shared/private-file.ts'
import type { Problem } from '../../controller/io/api/problem.ts'
import type { CandidateSource } from '../../controller/io/bootstrap.ts'
import { readConfig } from '../../controller/io/config.ts'
import { type Running, startController } from '../../controller/io/controller.ts'
import { makeJoinToken } from '../../controller/io/doorkeeper.ts'
import { soloElection } from '../../controller/io/election/solo.ts'
import { FakeJournalDisk } from './fake-journal.ts'
import { ObedientMesh } from './obedient-mesh.ts'

export type Asked = {
  readonly method?: string
  readonly path: string
  readonly body?: unknown
  /** Sent as it is, instead of a body as JSON. */
  readonly raw?: string | Uint8Array
  readonly headers?: Readonly<Record<string, string>>
}
export type Answered = {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly text: string
  /** The body as whatever the test knows it to be. */
  readonly json: SeenDocument
  readonly list: SeenList
  readonly problem: Problem
}

/** A resource, a token, a dry run or a summary, as far as tests look into it. */
export type SeenDocument = Readonly<Omit<ResourceDocument, 'status'>> & {
  readonly status: {
    readonly phase: string
    readonly addresses?: readonly string[]
    readonly memoryMib?: number
    readonly sha256?: string
    readonly sizeBytes?: number
  }
  readonly hosts: Readonly<Record<string, number>>
  readonly token: string
  readonly dryRun: boolean
  readonly changed: boolean
  readonly decision: {
    readonly changes: readonly { readonly name: string }[]
    readonly placement: { readonly chosen: string }
  }
}
export type SeenList = {
  readonly items: readonly (SeenDocument & { readonly verb: string })[]
  readonly next?: string
  readonly revision: string
}

export type WorldController = AsyncDisposable & {
  readonly running: Running
  readonly mesh: ObedientMesh
  readonly disk: FakeJournalDisk
  readonly state: string
  /** Asks as admin through the control socket. */
  readonly ask: (asked: Asked) => Promise<Answered>
  /** Asks over TCP, without any token of its own. */
  readonly askTcp: (asked: Asked) => Promise<Answered>
  readonly socket: (name: 'admin' | 'read') => string
}

/** What a world begins with instead of something new. */
type WorldOptions = {
  readonly disk?: FakeJournalDisk
  readonly mesh?: ObedientMesh
  readonly candidates?: CandidateSource
  /** Nothing is logged when it is left out. */
  readonly log?: Log
}

/** Starts one; a disk of an earlier one brings its journal back. */
export async function worldController(options: WorldOptions = {}): Promise<WorldController> {
  const state = await mkdtemp(join(tmpdir(), 'remuda-world-'))
  try {
    return await startIn(state, options)
  } catch (thrown) {
    await rm(state, { recursive: true, force: true })
    throw thrown
  }
}

async function startIn(state: string, options: WorldOptions): Promise<WorldController> {
  const disk = options.disk ?? new FakeJournalDisk()
  const mesh = options.mesh ?? new ObedientMesh()
  const config = await readConfig(['--state', state, '--api-port', '0'], {})
  await makeJoinToken(join(state, 'join.token'))
  const journal = disk.open()
  const stop = new AbortController()
  const parts = {
    journal,
    election: soloElection(),
    mesh,
    clock: realClock,
    log: options.log ?? silentLog,
    controllerKeys: ['k'.repeat(40)],
    ...(options.candidates && { candidates: options.candidates })
  }
  const running = await startController(config, parts, stop.signal)
  const socket = (name: 'admin' | 'read'): string => join(state, 'run', `${name}.sock`)
  return {
    running,
    mesh,
    disk,
    state,
    socket,
    ask: asked => ask({ socketPath: socket('admin') }, asked),
    askTcp: asked => ask({ host: '127.0.0.1', port: running.port }, asked),
    [Symbol.asyncDispose]: async () => {
      stop.abort()
      await running[Symbol.asyncDispose]()
      await mesh[Symbol.asyncDispose]()
      await journal[Symbol.asyncDispose]()
      await rm(state, { recursive: true, force: true })
    }
  }
}

/** Lets a host in, as its agent would ask at the door. */
export async function joinHost(world: WorldController, hostname = 'h1'): Promise<void> {
  const token = (await readPrivateFile(join(world.state, 'join.token')))?.trim() ?? ''
  const said = await world.running.doorkeeper({
    type: 'join',
    uuid: hostname,
    hostname,
    publicKey: 'p'.repeat(40),
    endpoint: 'tcp://127.0.0.1:1',
    token
  })
  if (said.verdict !== 'approved') throw new Error(said.because)
  for (;;) {
    const { json } = await world.ask({ path: `/v1/hosts/${hostname}` })
    if (json.status.phase === 'online') return
    await new Promise(resolve => setTimeout(resolve, 10))
  }
}

/** Gives the cloud an image with some bytes of content. */
export async function giveImage(world: WorldController, name = 'tiny'): Promise<void> {
  const { view } = world.running.service.reign
  await world.ask({ method: 'POST', path: '/v1/images', body: { name, spec: { format: 'raw' } } })
  const image = view.named('image', name, 'default')!
  const content = { sha256: 'a'.repeat(64), sizeBytes: 4, virtualMib: 16 }
  await world.running.service.reign.submit({ verb: 'fill-image', id: image.id, content }, 'test')
}

/** Asks a server over HTTP. */
export async function ask(to: object, asked: Asked): Promise<Answered> {
  const json = asked.raw === undefined && asked.body !== undefined
  const bytes = asked.raw ?? (json ? JSON.stringify(asked.body) : undefined)
  const headers = {
    ...(json && { 'content-type': 'application/json' }),
    ...(bytes !== undefined && { 'content-length': String(Buffer.byteLength(bytes)) }),
    ...asked.headers
  }
  return await new Promise((resolve, reject) => {
    const { method = 'GET', path } = asked
    const sent = request(
      { ...to, method, path, headers, agent: false, timeout: 30_000 },
      answer => {
        const chunks: Buffer[] = []
        answer.on('data', chunk => chunks.push(chunk))
        answer.on('error', reject)
        answer.on('end', () => {
          const text = Buffer.concat(chunks).toString()
          const isJson = /json/.test(answer.headers['content-type'] ?? '') && text !== ''
          const { statusCode = 0, headers: got } = answer
          const ndjson = /ndjson/.test(answer.headers['content-type'] ?? '')
          const parsed = isJson && !ndjson ? JSON.parse(text) : undefined
          const body = { json: parsed, list: parsed, problem: parsed }
          resolve({ status: statusCode, headers: got, text, ...body })
        })
      }
    )
    sent.on('error', reject)
    sent.on('timeout', () => sent.destroy(new Error('no answer')))
    sent.end(bytes)
  })
}
