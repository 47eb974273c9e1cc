/** Network namespaces for tests: a host, and clients plugged into its bridges. */
import { randomBytes } from 'node:crypto'
import fs from 'node:fs/promises'
import os from 'node:os'
import { join } from 'node:path'
import { type Output, run } from '#shared/process.ts'

const deadlineMs = 120_000

/** A namespace that goes away with all that is in it. */
export class Netns implements AsyncDisposable {
  readonly name = `rmt${randomBytes(4).toString('hex')}`

  static async make(): Promise<Netns> {
    const netns = new Netns()
    await run('ip', ['netns', 'add', netns.name], { deadlineMs })
    await netns.run('ip', ['link', 'set', 'lo', 'up'])
    return netns
  }

  run(command: string, args: readonly string[], input?: string): Promise<Output> {
    const line = [`--net=/run/netns/${this.name}`, '--', command, ...args]
    return run('nsenter', line, { deadlineMs, ...(input !== undefined && { input }) })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await run('ip', ['netns', 'delete', this.name], { deadlineMs })
  }
}

/** What a DHCP client was given. */
export type Lease = Readonly<Record<string, string>>

/** A namespace with one interface, eth0, whose other end is in a host's namespace. */
export class Client implements AsyncDisposable {
  readonly netns: Netns
  readonly #folder: string

  private constructor(netns: Netns, folder: string) {
    this.netns = netns
    this.#folder = folder
  }

  /** Plugs a client in: the host's end gets a name, and joins a bridge if one is given. */
  static async plug(
    host: Netns,
    options: { readonly name: string; readonly mac?: string; readonly bridge?: string }
  ): Promise<Client> {
    const netns = await Netns.make()
    const { name, mac, bridge } = options
    const lines = [
      `link add name ${name} type veth peer name eth0 netns ${netns.name}`,
      ...(bridge === undefined ? [] : [`link set dev ${name} master ${bridge}`]),
      `link set dev ${name} up`
    ]
    await host.run('ip', ['-batch', '-'], lines.join('\n'))
    if (mac !== undefined) await netns.run('ip', ['link', 'set', 'dev', 'eth0', 'address', mac])
    await netns.run('ip', ['link', 'set', 'dev', 'eth0', 'up'])
    const folder = await fs.mkdtemp(join(os.tmpdir(), 'remuda-client-'))
    const script = `#!/bin/sh\n[ "$1" = bound ] && env\nexit 0\n`
    await fs.writeFile(join(folder, 'lease.sh'), script, { mode: 0o755 })
    return new Client(netns, folder)
  }

  /** Asks for an address; undefined: nobody answered. */
  async lease(attempts = 3): Promise<Lease | undefined> {
    const script = join(this.#folder, 'lease.sh')
    const options = ['-i', 'eth0', '-q', '-n', '-f', '-t', `${attempts}`, '-T', '1', '-s', script]
    const wanted = ['-O', 'mtu', '-O', 'router', '-O', 'dns', '-O', 'domain', '-O', 'hostname']
    try {
      const args = ['udhcpc', ...options, ...wanted]
      const { stdout } = await this.netns.run('busybox', args)
      const pairs = stdout.split('\n').map(line => line.split('='))
      return Object.fromEntries(pairs.map(([key = '', value = '']) => [key, value]))
    } catch {
      return undefined
    }
  }

  /** Gives eth0 an address and a default route. */
  async configure(address: string, gateway?: string): Promise<void> {
    await this.netns.run('ip', ['address', 'flush', 'dev', 'eth0'])
    await this.netns.run('ip', ['address', 'add', address, 'dev', 'eth0'])
    if (gateway !== undefined) {
      await this.netns.run('ip', ['route', 'replace', 'default', 'via', gateway])
    }
  }

  /** Says whether an address answers a ping, at the latest after some seconds. */
  async reaches(address: string): Promise<boolean> {
    for (let attempt = 0; attempt < 5; attempt += 1) {
      if (await this.#answers(address)) return true
    }
    return false
  }

  /** Says whether a ping to an address gets lost; to be asked where it would be fast otherwise. */
  async isCutOffFrom(address: string): Promise<boolean> {
    return !(await this.#answers(address))
  }

  async #answers(address: string): Promise<boolean> {
    try {
      await this.netns.run('busybox', ['ping', '-c', '1', '-W', '1', address])
      return true
    } catch {
      return false
    }
  }

  /** Looks a name up; undefined: no such name, or no answer. */
  async resolve(name: string, server: string): Promise<readonly string[] | undefined> {
    const args = ['5', 'busybox', 'nslookup', '-type=a', name, server]
    try {
      const { stdout } = await this.netns.run('timeout', args)
      const answer = stdout.slice(stdout.indexOf('Name:'))
      return [...answer.matchAll(/Address(?: \d+)?:\s+([0-9.]+)/g)].map(match => match[1]!)
    } catch {
      return undefined
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.netns[Symbol.asyncDispose]()
    await fs.rm(this.#folder, { recursive: true, force: true })
  }
}
