/** A boot network in namespaces, with the real bootd on it, and machines that ask for addresses. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { BootPlan } from '../../../shared/wire/boot.ts'
import { imageKey, putVersion } from '../../bootd/boot/boot-server.ts'
import { plan as planElse } from '../../bootd/boot/plans.ts'
import { Client, Netns } from '../netns.ts'

const main = join(import.meta.dirname, '../../../bootd/main.ts')

/** Where bootd is on the segment, and what it gives out. */
export const [ownAddress, range] = ['10.77.0.1', '10.77.0.50-10.77.0.150']

/** Kinds of firmware: what each says of itself by DHCP. */
export const firmwares = {
  bios: ['-V', 'PXEClient:Arch:00000:UNDI:002001', '-x', '0x5d:0000', '-x', '0x5e:010201'],
  uefi7: ['-V', 'PXEClient:Arch:00007:UNDI:003016', '-x', '0x5d:0007', '-x', '0x5e:010310'],
  uefi9: ['-V', 'PXEClient:Arch:00009:UNDI:003016', '-x', '0x5d:0009', '-x', '0x5e:010310'],
  http: ['-V', 'HTTPClient:Arch:00016:UNDI:003001', '-x', '0x5d:0010', '-x', '0x5e:010310'],
  arm64: ['-V', 'PXEClient:Arch:00011:UNDI:003016', '-x', '0x5d:000b', '-x', '0x5e:010310'],
  httpArm64: ['-V', 'HTTPClient:Arch:00019:UNDI:003001', '-x', '0x5d:0013', '-x', '0x5e:010310'],
  ipxe: [
    ...['-V', 'PXEClient:Arch:00007:UNDI:003016', '-x', '0x5d:0007'],
    ...['-x', '0x4d:69505845', '-x', '0xaf:b10101']
  ],
  system: ['-V', 'udhcp']
} as const

/** What a machine was given: its address, and its first file if it was given one. */
export type Given = { readonly address: string; readonly file: string }

/** A machine on the segment. */
export class Machine implements AsyncDisposable {
  readonly client: Client
  readonly #script: string

  constructor(client: Client, folder: string) {
    this.client = client
    this.#script = join(folder, 'lease.sh')
  }

  /** Asks for an address as this firmware does, and takes it; undefined: nobody answers. */
  async boot(firmware: keyof typeof firmwares, attempts = 6): Promise<Given | undefined> {
    const options = ['-i', 'eth0', '-f', '-q', '-n', '-t', String(attempts), '-T', '1']
    const args = [
      'udhcpc',
      ...options,
      '-s',
      this.#script,
      '-O',
      'bootfile',
      ...firmwares[firmware]
    ]
    try {
      const { stdout } = await this.client.netns.run('busybox', args)
      const [address = '', file = ''] = stdout.trim().split(' ')
      await this.client.configure(`${address}/24`)
      return { address, file }
    } catch {
      return undefined
    }
  }

  /** Fetches over HTTP; gives what came, or the sentence of wget that says why not. */
  async fetch(path: string, post?: string): Promise<string> {
    const more = post === undefined ? [] : ['--post-data', post]
    const line = ['wget', '-q', '-O', '-', ...more, `http://${ownAddress}:7480${path}`]
    try {
      return (await this.client.netns.run('busybox', line)).stdout
    } catch (thrown) {
      return (thrown as Error).message
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.client[Symbol.asyncDispose]()
  }
}

/** The segment; the bootd on it is started by itself. */
export class Segment implements AsyncDisposable {
  readonly host: Netns
  readonly folder: string
  readonly state: string
  readonly version: string
  readonly plan: BootPlan
  log = ''
  #bootd: ChildProcess | undefined
  #machines = 0

  private constructor(host: Netns, folder: string, version: string) {
    this.host = host
    this.folder = folder
    this.state = join(folder, 'state')
    this.version = version
    const [known] = planElse.machines
    this.plan = {
      ...planElse,
      ...{ machines: [{ ...known!, version }], unknown: { profile: 'host', version }, imageKey }
    }
  }

  /** A bridge, and a state folder with one version and a plan that was kept. */
  static async make(
    options: Parameters<typeof putVersion>[1] = {},
    address = ownAddress
  ): Promise<Segment> {
    const folder = await mkdtemp(join(tmpdir(), 'remuda-segment-'))
    // dnsmasq gives its rights up, and must find its files.
    await chmod(folder, 0o755)
    const store = join(folder, 'state', 'bootd', 'images')
    const { version } = await putVersion(store, options)
    const script = '#!/bin/sh\n[ "$1" = bound ] && echo "$ip $bootfile$boot_file"\nexit 0\n'
    await writeFile(join(folder, 'lease.sh'), script, { mode: 0o755 })
    const host = await Netns.make()
    const segment = new Segment(host, folder, version)
    const lines = [
      'link add name br0 type bridge stp_state 0 forward_delay 0',
      `address add ${address}/24 dev br0`,
      'link set dev br0 up'
    ]
    await host.run('ip', ['-batch', '-'], lines.join('\n'))
    await mkdir(join(segment.state, 'bootd'), { recursive: true })
    const planFile = join(segment.state, 'bootd', 'boot-plan.json')
    await writeFile(planFile, JSON.stringify(segment.plan), { mode: 0o600 })
    return segment
  }

  /** Lays a line to another segment, which is one with this from then on. */
  async join({ host }: Segment): Promise<void> {
    const lines = [
      `link add name line type veth peer name line netns ${host.name}`,
      'link set dev line master br0 up'
    ]
    await this.host.run('ip', ['-batch', '-'], lines.join('\n'))
    await host.run('ip', ['link', 'set', 'dev', 'line', 'master', 'br0', 'up'])
  }

  /** Plugs a machine in. */
  async machine(mac?: string): Promise<Machine> {
    this.#machines += 1
    const options = { name: `p${this.#machines}`, bridge: 'br0', ...(mac !== undefined && { mac }) }
    return new Machine(await Client.plug(this.host, options), this.folder)
  }

  /** Starts bootd, and gives its process id. */
  start(...flags: readonly string[]): number {
    const own = ['--state', this.state, '--port', '0', '--boot-interface', 'br0']
    const line = [
      `--net=/run/netns/${this.host.name}`,
      '--',
      process.execPath,
      main,
      ...own,
      ...flags
    ]
    const bootd = spawn('nsenter', line, { stdio: ['ignore', 'ignore', 'pipe'] })
    bootd.stderr!.on('data', (chunk: Buffer) => {
      this.log += chunk.toString()
    })
    this.#bootd = bootd
    return bootd.pid!
  }

  /** Waits until bootd has logged this; its end is a failure. */
  async logged(pattern: RegExp): Promise<void> {
    while (!pattern.test(this.log)) {
      if (this.#bootd?.exitCode !== null) throw new Error(`bootd has ended: ${this.log}`)
      await sleep(50)
    }
  }

  /** Process id of the dnsmasq that bootd keeps running. */
  async dnsmasq(): Promise<number> {
    return Number(await readFile(join(this.state, 'run', 'boot', 'dnsmasq.pid'), 'utf8'))
  }

  /** What bootd has written down of boots. */
  async boots(): Promise<readonly Readonly<Record<string, unknown>>[]> {
    const text = await readFile(join(this.state, 'bootd', 'boots.json'), 'utf8').catch(() => '[]')
    return (JSON.parse(text) as { readonly state: Record<string, unknown> }[]).map(one => one.state)
  }

  /** Ends bootd, and waits for that. */
  async stop(): Promise<void> {
    const bootd = this.#bootd
    this.#bootd = undefined
    if (bootd === undefined || bootd.exitCode !== null) return
    const ended = once(bootd, 'exit')
    bootd.kill('SIGTERM')
    await ended
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
    await this.host[Symbol.asyncDispose]()
    await rm(this.folder, { recursive: true, force: true })
  }
}
