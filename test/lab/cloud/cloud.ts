/**
 * A whole cloud of a test's own: real controller, real agent and real libvirtd, in namespaces of
 * their own, so that it meets neither another cloud of this machine nor another test, and its parts
 * may be killed and started again. When the test ends, however it ends, the kernel ends all that
 * runs in there, and the folder with all state is removed.
 */
import { spawn } from 'node:child_process'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { ResourceDocument } from '#shared/model/index.ts'
import { Api } from '../../../tools/cli/api/client.ts'
import { canRun } from '../../../tools/cli/api/host-abilities.ts'
import { ensureImages } from '../../../tools/up/demo.ts'
import { layoutOf } from '../../../tools/up/layout.ts'
import { type PrivateLibvirtd, startLibvirtd } from '../libvirtd.ts'
import { ConsoleSession } from './console-session.ts'
import { Daemon } from './daemon.ts'
import { eventually } from './waiting.ts'

/** Folder of this checkout. */
const home = fileURLToPath(new URL('../../..', import.meta.url))
/** Images are built once for all tests. */
const imageFolder = join(home, 'node_modules/.cache/remuda-images')
/** So many lines of each daemon are shown where a test failed. */
const lastWordsMax = 15
/** No program that a test runs takes nearly as long. Unit: ms. */
const runMsMax = 120_000

/** What an instance says of itself over HTTP: name, host, address, uptime, boots and so on. */
export type Page = Readonly<Record<string, string>>

/** What a program wrote and how it ended. */
export type Ended = {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export type CloudOptions = {
  /** Whether an agent is started and its host waited for; true when left out. */
  readonly agent?: boolean
  /** Whether the images `tiny` and `tiny-container` are imported; true when left out. */
  readonly images?: boolean
  /** Address range of the network that the cloud begins with; its own default when left out. */
  readonly cidr?: string
  /** Size of a file system of its own for all state, such as 64m; the machine's when left out. */
  readonly room?: string
}

export class Cloud implements AsyncDisposable {
  readonly libvirtd: PrivateLibvirtd
  /** Folder of all state, by its name inside the namespaces, and as it is seen from outside. */
  readonly state: string
  readonly folder: string
  readonly controller: Daemon
  readonly agent: Daemon
  readonly api: Api
  readonly #enter: readonly string[]

  /** Starts one, and waits until it can take instances. */
  static async start(options: CloudOptions = {}): Promise<Cloud> {
    const libvirtd = await startLibvirtd()
    try {
      // The first process of the namespaces is the shell below the two that made them.
      const pid = (await libvirtd.pidsOf('bash')).at(-1)!
      const cloud = new Cloud(libvirtd, pid, options)
      await mkdir(cloud.state)
      if (options.room !== undefined) {
        const tmpfs = ['-t', 'tmpfs', '-o', `size=${options.room}`, 'tmpfs', cloud.state]
        await cloud.inside(['mount', ...tmpfs])
      }
      await cloud.controller.start()
      if (options.images ?? true) await cloud.#importImages()
      if (options.agent ?? true) {
        await cloud.agent.start()
        await cloud.untilHost()
      }
      return cloud
    } catch (thrown) {
      await libvirtd[Symbol.asyncDispose]()
      throw thrown
    }
  }

  private constructor(libvirtd: PrivateLibvirtd, pid: number, { cidr }: CloudOptions) {
    this.libvirtd = libvirtd
    this.state = join(libvirtd.directory, 'state')
    this.folder = join(`/proc/${pid}/root`, this.state)
    this.#enter = [
      'nsenter',
      `--target=${pid}`,
      '--mount',
      '--uts',
      '--ipc',
      '--net',
      '--pid',
      '--'
    ]
    this.controller = this.#daemon('controller', cidr === undefined ? [] : ['--cidr', cidr])
    this.agent = this.#daemon('agent', [])
    this.api = new Api({ via: 'socket', path: join(this.folder, 'run/admin.sock') })
  }

  #daemon(part: 'controller' | 'agent', more: readonly string[]): Daemon {
    const main = join(home, part, 'main.ts')
    const program = [process.execPath, main, '--state', this.state, ...more]
    return new Daemon({
      name: `the ${part}`,
      line: [...this.#enter, ...program],
      isEntered: true,
      logFile: join(this.libvirtd.directory, `${part}.log`),
      readyFile: join(this.folder, 'run', `${part}.ready`)
    })
  }

  /** Waits until the host can run instances, and gives it. */
  async untilHost(): Promise<ResourceDocument> {
    return await eventually('the host can run instances', async () => {
      const { items } = (await this.get('/v1/hosts')) as { items: ResourceDocument[] }
      return items.find(canRun)
    })
  }

  /** Reads a path of the API; throws the Fault of a refusal. */
  async get(path: string): Promise<unknown> {
    const answer = await this.api.ask({ method: 'GET', path, doing: `read ${path}` })
    return JSON.parse(answer.bytes.toString())
  }

  /** Asks for a new instance, and gives its document as it stands at once. */
  async create(name: string, spec: Readonly<Record<string, unknown>>): Promise<ResourceDocument> {
    const answer = await this.api.ask({
      method: 'POST',
      path: '/v1/instances',
      body: { name, spec },
      doing: `create instance ${name}`
    })
    return JSON.parse(answer.bytes.toString()) as ResourceDocument
  }

  /** Reads an instance. */
  async instance(name: string): Promise<ResourceDocument> {
    return (await this.get(`/v1/instances/${name}`)) as ResourceDocument
  }

  /** Lists everything of a kind, by its plural. */
  async list(plural: string): Promise<readonly ResourceDocument[]> {
    const items: ResourceDocument[] = []
    let next: string | undefined
    do {
      const more = next === undefined ? '' : `&next=${encodeURIComponent(next)}`
      const page = (await this.get(`/v1/${plural}?limit=500&tenant=*${more}`)) as {
        items: ResourceDocument[]
        next?: string
      }
      items.push(...page.items)
      next = page.next
    } while (next !== undefined)
    return items
  }

  /** What was decided about something, oldest first. */
  async history(path: string): Promise<readonly Decided[]> {
    return ((await this.get(`/v1/${path}/history`)) as { items: Decided[] }).items
  }

  /** Runs the command line as a user would. */
  async cli(words: string | readonly string[], input?: string): Promise<Ended> {
    const args = typeof words === 'string' ? words.split(' ') : words
    const line = [process.execPath, join(home, 'tools/remuda.ts'), '--state', this.folder, ...args]
    return await runToEnd(line, input)
  }

  /** Attaches to a console, as a user would who types on. */
  console(name: string): ConsoleSession {
    const line = [process.execPath, join(home, 'tools/remuda.ts'), '--state', this.folder]
    return new ConsoleSession([...line, 'console', name, '--linger', '30s'])
  }

  /** Runs a program inside the namespaces. */
  async inside(line: readonly string[], input?: string): Promise<Ended> {
    return await runToEnd([...this.#enter, ...line], input)
  }

  /** Runs virsh against the cloud's libvirtd, and gives what it wrote. */
  async virsh(driver: 'qemu' | 'lxc', ...args: readonly string[]): Promise<string> {
    const uri = driver === 'qemu' ? 'qemu:///system' : 'lxc:///system'
    const { code, stdout, stderr } = await this.inside(['virsh', '-q', '-c', uri, ...args])
    if (code !== 0) throw new Error(`virsh ${args.join(' ')} failed: ${stderr}`)
    return stdout.trim()
  }

  /** What an instance says over HTTP, by field; undefined when it does not answer within 3 s. */
  async http(address: string): Promise<Page | undefined> {
    const line = ['busybox', 'timeout', '3', 'busybox', 'wget', '-q', '-O', '-']
    const { code, stdout } = await this.inside([...line, `http://${address}/`])
    if (code !== 0) return undefined
    return Object.fromEntries(stdout.split('\n').map(text => text.split(': ') as [string, string]))
  }

  /** Waits until an instance answers over HTTP, and gives what it says. */
  async untilAnswers(address: string): Promise<Page> {
    return await eventually(`${address} answers`, () => this.http(address))
  }

  /** Waits until an instance has the phase and its condition ready is true. */
  async untilReady(name: string, phase: string): Promise<ResourceDocument> {
    return await eventually(`${name} is ${phase}`, async () => {
      const document = await this.instance(name)
      const ready = document.conditions.find(({ type }) => type === 'ready')
      const isSo = document.status['phase'] === phase && ready?.status === 'true'
      return isSo ? document : undefined
    })
  }

  /** What the daemons logged last, for whoever has to find out why a test failed. */
  async lastWords(): Promise<readonly string[]> {
    const words: string[] = []
    for (const [part, daemon] of [
      ['controller', this.controller],
      ['agent', this.agent]
    ] as const) {
      const lines = (await daemon.log()).slice(-lastWordsMax)
      words.push(...lines.map(line => `${part}: ${JSON.stringify(line).slice(0, 300)}`))
    }
    return words
  }

  async #importImages(): Promise<void> {
    await ensureImages(this.api, { ...layoutOf(this.state), images: imageFolder }, () => {})
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.api[Symbol.asyncDispose]()
    for (const daemon of [this.agent, this.controller]) await daemon.kill().catch(() => {})
    await this.libvirtd[Symbol.asyncDispose]()
  }
}

/** One decision of a history. */
export type Decided = {
  readonly position: number
  readonly verb: string
  readonly by: string
  readonly because: string
  readonly subjects: readonly string[]
}

async function runToEnd(line: readonly string[], input?: string): Promise<Ended> {
  const child = spawn(line[0]!, line.slice(1), {
    cwd: home,
    stdio: ['pipe', 'pipe', 'pipe'],
    timeout: runMsMax,
    killSignal: 'SIGKILL'
  })
  child.stdin.on('error', () => {})
  child.stdin.end(input)
  const texts = Promise.all([child.stdout, child.stderr].map(textOf))
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
  const [stdout = '', stderr = ''] = await texts
  return { code, stdout, stderr }
}

async function textOf(stream: NodeJS.ReadableStream): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString()
}
