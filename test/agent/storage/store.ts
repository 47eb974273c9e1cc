/** A real storage in a temporary folder, and a server that offers images to it. */
import { createHash, randomUUID } from 'node:crypto'
import fs from 'node:fs/promises'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import os from 'node:os'
import { join } from 'node:path'
import { silentLog } from '#shared/log.ts'
import { run } from '#shared/process.ts'
import type { OrderImage } from '#shared/wire/order.ts'
import { DirectoryStorage } from '../../../agent/io/storage/directory.ts'
import { makeArchive } from './archive.ts'

/** Answers a request for an image's content. */
export type Answer = (response: http.ServerResponse, content: Uint8Array) => void

export class Store implements AsyncDisposable {
  readonly state: string
  readonly server: http.Server
  storage: DirectoryStorage
  /** How often each path was asked for. */
  readonly requests: string[] = []
  readonly #contents = new Map<string, { content: Uint8Array; answer: Answer }>()

  private constructor(state: string, storage: DirectoryStorage) {
    this.state = state
    this.storage = storage
    this.server = http.createServer((request, response) => {
      this.requests.push(request.url!)
      const offered = this.#contents.get(request.url!)
      if (offered) offered.answer(response, offered.content)
      else response.writeHead(404).end()
    })
  }

  /** Opens a storage whose fetches may stand still for so long. */
  static async make(stallMsMax = 60_000): Promise<Store> {
    const state = await fs.mkdtemp(join(os.tmpdir(), 'remuda-storage-'))
    await fs.chmod(state, 0o711)
    const store = new Store(state, await Store.#open(state, stallMsMax))
    await new Promise<void>(resolve => store.server.listen(0, '127.0.0.1', resolve))
    return store
  }

  static #open(state: string, stallMsMax?: number): Promise<DirectoryStorage> {
    return DirectoryStorage.open({
      state,
      log: silentLog,
      ...(stallMsMax !== undefined && { stallMsMax })
    })
  }

  async reopen(): Promise<DirectoryStorage> {
    this.storage = await Store.#open(this.state)
    return this.storage
  }

  /** Offers content as an image; the answer may be a bad one. */
  offer(
    content: Uint8Array,
    format: OrderImage['format'],
    answer: Answer = (response, bytes) => response.end(bytes)
  ): OrderImage {
    const path = `/${randomUUID()}`
    this.#contents.set(path, { content, answer })
    const { port } = this.server.address() as AddressInfo
    return {
      id: `im-${randomUUID()}`,
      name: `an-image`,
      format,
      sha256: createHash('sha256').update(content).digest('hex'),
      sizeBytes: content.byteLength,
      url: `http://127.0.0.1:${port}${path}`
    }
  }

  /** A path below the agent's folder. */
  path(...names: readonly string[]): string {
    return join(this.state, 'agent', ...names)
  }

  /** Names of everything in a folder, unfinished things too. */
  list(...names: readonly string[]): Promise<readonly string[]> {
    return fs.readdir(this.path(...names)).then(entries => entries.sort())
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.server.closeAllConnections()
    await new Promise(resolve => this.server.close(resolve))
    await fs.rm(this.state, { recursive: true, force: true })
  }
}

/** Content of an image of 1 MiB, or of an archive with etc/hay. */
export async function sampleContent(format: OrderImage['format']): Promise<Uint8Array> {
  const disk = Buffer.alloc(1024 * 1024, 'hay')
  switch (format) {
    case 'raw':
      return disk
    case 'qcow2':
      return makeQcow2(disk)
    case 'tar':
      return makeArchive([
        { name: './', type: '5', mode: 0o755 },
        { name: './etc/', type: '5', mode: 0o755 },
        { name: './etc/hay', content: 'hay\n', mode: 0o640, owner: 1234 }
      ])
    default:
      return format satisfies never
  }
}

/** Makes the bytes of a qcow2 file that holds a disk. */
export async function makeQcow2(
  disk: Uint8Array,
  options: readonly string[] = []
): Promise<Uint8Array> {
  const folder = await fs.mkdtemp(join(os.tmpdir(), 'remuda-qcow2-'))
  try {
    await fs.writeFile(`${folder}/raw`, disk)
    const args = ['convert', '-f', 'raw', '-O', 'qcow2', ...options]
    await run('qemu-img', [...args, `${folder}/raw`, `${folder}/qcow2`], { deadlineMs: 60_000 })
    return await fs.readFile(`${folder}/qcow2`)
  } finally {
    await fs.rm(folder, { recursive: true })
  }
}
