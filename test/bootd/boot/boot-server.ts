/** bootd's HTTP server on loopback, with an image of a few bytes, for tests. */
import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { indexPlan } from '../../../bootd/core/boot-plan.ts'
import { Boots } from '../../../bootd/io/boot/boots.ts'
import { BootHttp, type HttpBounds } from '../../../bootd/io/boot/http.ts'
import { ImageStore } from '../../../bootd/io/boot/images.ts'
import { realClock } from '../../../shared/clock.ts'
import { hostImageManifestText, versionOfHostImage } from '../../../shared/host-image-version.ts'
import { silentLog } from '../../../shared/log.ts'
import { makeSigningKeys, publicKeyText, signatureText } from '../../../shared/signify.ts'
import type { BootPlan } from '../../../shared/wire/boot.ts'
import { plan as planElse } from './plans.ts'

export const keys = makeSigningKeys()
/** The key as a plan has it. */
export const imageKey = publicKeyText(keys).trim().split('\n')[1]!

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

/** Puts a version into a store; gives its name and what is in its files. */
export async function putVersion(
  store: string,
  options: { readonly rootBytes?: number; readonly kernel?: string } = {}
) {
  const { rootBytes = 300_000, kernel = '6.1.0' } = options
  const root = Buffer.alloc(rootBytes)
  for (let at = 0; at < rootBytes; at += 1) root[at] = (at * 31 + (at >> 9)) & 255
  const files = {
    vmlinuz: Buffer.from(`kernel ${kernel}`.repeat(50)),
    initrd: Buffer.from('initrd'.repeat(100)),
    'root.squashfs': root
  }
  const about = (bytes: Buffer) => ({ bytes: bytes.length, sha256: sha256(bytes) })
  const content = {
    format: 1,
    architecture: 'x86_64',
    profile: 'minimal',
    ...{ kernel, remuda: '0.1.0' },
    files: {
      vmlinuz: about(files.vmlinuz),
      initrd: about(files.initrd),
      'root.squashfs': about(files['root.squashfs'])
    }
  } as const
  const version = versionOfHostImage(content)
  const text = hostImageManifestText({ ...content, version })
  const folder = join(store, version)
  await mkdir(folder, { recursive: true })
  for (const [name, bytes] of Object.entries(files)) await writeFile(join(folder, name), bytes)
  await writeFile(join(folder, 'manifest.json'), text)
  await writeFile(join(folder, 'manifest.json.sig'), signatureText(keys, Buffer.from(text)))
  return { version, files, folder, text }
}

/** Looks so often, 10 ms apart, then gives up: who waits for ever keeps its test from ending. */
const looksMax = 4_000

/** Waits until something is so; `why` says what is known where it never is. */
export async function until(isSo: () => boolean, why: () => string = () => ''): Promise<void> {
  for (let look = 0; look < looksMax; look += 1) {
    if (isSo()) return
    await sleep(10)
  }
  throw new Error(`it never came about: ${why()}`)
}

/** What a test changes. */
export type ServerOptions = {
  readonly bounds?: Partial<HttpBounds>
  readonly transfersMax?: number
  readonly rootBytes?: number
  readonly macs?: Readonly<Record<string, string>>
  /** What HTTP knows of versions, where it is not what is there. */
  readonly images?: Pick<ImageStore, 'file' | 'isUnchecked'>
}

/** A server with one version of an image, and a plan that has machines boot it. */
export class BootServer implements AsyncDisposable {
  readonly http: BootHttp
  readonly boots: Boots
  readonly images: ImageStore
  readonly image: Awaited<ReturnType<typeof putVersion>>
  plan: BootPlan
  readonly #folder: string

  private constructor(
    made: Omit<BootServer, 'ask' | 'plan' | symbol>,
    plan: BootPlan,
    folder: string
  ) {
    this.http = made.http
    this.boots = made.boots
    this.images = made.images
    this.image = made.image
    this.plan = plan
    this.#folder = folder
  }

  static async start(options: ServerOptions = {}): Promise<BootServer> {
    const folder = await mkdtemp(join(tmpdir(), 'remuda-boot-'))
    const given = { clock: realClock, log: silentLog, onChanged: () => {} }
    const { rootBytes } = options
    const image = await putVersion(
      join(folder, 'images'),
      rootBytes === undefined ? {} : { rootBytes }
    )
    const images = await ImageStore.open({ ...given, folder: join(folder, 'images') })
    images.follow({ imageKey, images: [] })
    const { version } = image
    const [known] = planElse.machines
    const plan: BootPlan = {
      ...planElse,
      machines: [{ ...known!, version }],
      unknown: { profile: 'host', version },
      imageKey
    }
    let server: BootServer | undefined
    let indexed = indexPlan(plan)
    const index = () => {
      const now = server?.plan ?? plan
      if (indexed.plan !== now) indexed = indexPlan(now)
      return indexed
    }
    const boots = new Boots({
      ...given,
      ...{ index, versions: (one: string) => images.state(one) },
      macOf: async address => options.macs?.[address]
    })
    const http = await BootHttp.open({
      ...{ address: '127.0.0.1', port: 0, boots, index, firmware: join(folder, 'tftp') },
      images: options.images ?? images,
      ...{ transfersMax: options.transfersMax ?? 16, clientBytesPerS: 0 },
      ...(options.bounds && { bounds: options.bounds }),
      ...{ clock: realClock, log: silentLog }
    })
    server = new BootServer({ http, boots, images, image }, plan, folder)
    await until(() => images.state(version).state === 'whole')
    return server
  }

  /** Asks for something as who has this address. */
  ask(
    path: string,
    options: {
      readonly from?: string
      readonly method?: string
      readonly headers?: Readonly<Record<string, string>>
      readonly body?: string
    } = {}
  ): Promise<Answer> {
    const { from = '127.0.0.1', method = 'GET', headers = {}, body } = options
    const { promise, resolve, reject } = Promise.withResolvers<Answer>()
    const asking = request(`${this.http.url}${path}`, {
      ...{ method, headers, localAddress: from, agent: false }
    })
    asking.on('error', reject)
    asking.on('response', response => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('error', reject)
      response.on('end', () => {
        const bytes = Buffer.concat(chunks)
        const { statusCode: status = 0, headers } = response
        resolve({ status, headers, bytes, text: bytes.toString() })
      })
    })
    asking.end(method === 'POST' ? body : undefined)
    return promise
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.http[Symbol.asyncDispose]()
    await this.images[Symbol.asyncDispose]()
    await rm(this.#folder, { recursive: true, force: true })
  }
}

/** What came back. */
export type Answer = {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly bytes: Buffer
  readonly text: string
}

/** The boot token that is in a script. */
export const tokenOf = (script: string): string => /remuda\.boot=(\S+)/.exec(script)?.[1] ?? ''
