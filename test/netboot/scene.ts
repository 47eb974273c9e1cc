/**
 * A lab with machines that boot over the network, for tests that look at whole machines: how they
 * stand, what runs in them, and how long the parts of a boot took. All is told as it happens.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { isFault } from '#shared/fault.ts'
import type { Kind, ResourceDocument } from '#shared/model/index.ts'
import type { BootState } from '#shared/wire/boot.ts'
import {
  listResources,
  patchResource,
  readJson,
  readResource
} from '../../tools/cli/api/resources.ts'
import { hostFolderOf } from '../../tools/lab/folder.ts'
import type { Lab } from '../../tools/lab/lab.ts'
import { bootsOf, runInside, timeLine } from '../../tools/lab/netboot.ts'

/** Nothing that these tests wait for takes nearly as long, also where all is emulated slowly. */
export const patienceMs = 20 * 60_000
const lookMs = 500

const program = join(import.meta.dirname, '../../tools/remuda.ts')

/** One decision, as it was recorded. */
export type Recorded = { readonly at: string; readonly verb: string; readonly because: string }

/** What a command has written, and how it ended. */
export type Said = {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Writes a line at once, whatever collects the output of tests. */
export function tell(line: string): void {
  const time = new Date().toTimeString().slice(0, 8)
  process.stdout.write(`netboot ${time} ${line}\n`)
}

/** Looks again and again until there is something to see; a refusal is no answer yet. */
export async function until<Value>(
  what: string,
  look: () => Promise<Value | undefined | false>,
  msMax = patienceMs
): Promise<Value> {
  const began = performance.now()
  let last = ''
  while (performance.now() - began < msMax) {
    try {
      const value = await look()
      if (value !== undefined && value !== false) {
        tell(`${what}, after ${((performance.now() - began) / 1_000).toFixed(1)} s`)
        return value
      }
      last = ''
    } catch (thrown) {
      if (!isFault(thrown)) throw thrown
      last = `: ${thrown.message}`
    }
    await sleep(lookMs)
  }
  throw new Error(`not within ${msMax} ms: ${what}${last}`)
}

/** The machines of a lab as hosts of its cloud. */
export class Scene {
  readonly lab: Lab

  constructor(lab: Lab) {
    this.lab = lab
  }

  /** What the cloud calls a machine. */
  async hostOf(machine: string): Promise<string> {
    const { uuid } = this.#plan(machine)
    const { items } = await listResources(this.lab.api, 'host', {})
    return items.find(({ status }) => status['uuid'] === uuid)!.name
  }

  /** The last boot of a machine; undefined: none was seen. */
  async bootOf(machine: string): Promise<BootState | undefined> {
    const { uuid, macs } = this.#plan(machine)
    const all = await bootsOf(this.lab)
    return all.find(boot => boot.uuid === uuid || boot.macs.includes(macs[0]))
  }

  read(kind: Kind, name: string): Promise<ResourceDocument> {
    return readResource(this.lab.api, { kind, name })
  }

  async set(host: string, spec: Readonly<Record<string, unknown>>): Promise<void> {
    await patchResource(this.lab.api, { kind: 'host', name: host }, { spec })
  }

  /** Boot ids by machines: whoever has not booted since has the same one. */
  async bootIds(): Promise<Readonly<Record<string, unknown>>> {
    const all = (this.lab.plan.machines ?? []).map(async ({ name }) => {
      const { status } = await this.read('host', await this.hostOf(name))
      return [name, status['bootId']] as const
    })
    return Object.fromEntries(await Promise.all(all))
  }

  /** Waits until a host has said that libvirt runs such instances there: it is in before that. */
  async untilRuns(host: string, driver: string): Promise<void> {
    await until(`${host} runs instances by ${driver}`, async () => {
      const { facts } = (await this.read('host', host)).status
      const { drivers } = (facts ?? {}) as { readonly drivers?: readonly string[] }
      return drivers?.includes(driver)
    })
  }

  /** Waits until a machine is heard in another boot than one, in service or not. */
  async untilBack(machine: string, bootId: unknown): Promise<BootState> {
    const host = await this.hostOf(machine)
    await until(`${machine} is back in another boot`, async () => {
      const { status, conditions } = await this.read('host', host)
      const isHeard = conditions.some(one => one.type === 'libvirt' && one.status === 'true')
      return isHeard && status['bootId'] !== bootId
    })
    return await this.joined(machine)
  }

  /** Waits until all that is told of the last boot of a machine is told. */
  async joined(machine: string): Promise<BootState> {
    const boot = await until(`${machine} has joined`, async () => {
      const found = await this.bootOf(machine)
      return found?.stage === 'joined' ? found : undefined
    })
    tell(`${machine} (${boot.firmware ?? '?'}): ${timeLine(boot)}`)
    return boot
  }

  /** Runs a line in a machine as root, by ssh, which may begin to listen after it has joined. */
  async inside(machine: string, line: string): Promise<string> {
    const { code, stdout, stderr } = await until(`${machine} lets us in`, async () => {
      const ended = await runInside(this.lab, machine, line)
      return !/port 22: Connection refused/.test(ended.stderr) && ended
    })
    if (code === 0) return stdout.trim()
    throw new Error(`"${line}" in ${machine} ends with ${code}: ${stderr.trim()}`)
  }

  /** All that a machine has written to its serial port. */
  async console(machine: string): Promise<string> {
    const { own } = hostFolderOf(this.lab.folder, machine)
    return await readFile(join(own, 'console.log'), 'latin1')
  }

  /** Runs a line in a machine that may not live to see its end. */
  async strike(machine: string, line: string): Promise<void> {
    const detached = `nohup sh -c 'sleep 1; ${line}' >/dev/null 2>&1 & echo begun`
    await this.inside(machine, detached)
  }

  async history(kind: 'hosts' | 'instances', name: string): Promise<readonly Recorded[]> {
    const path = `/v1/${kind}/${name}/history`
    const doing = `read ${path}`
    const answer = await this.lab.api.ask({ method: 'GET', path, doing })
    return (readJson(answer, doing) as { readonly items: readonly Recorded[] }).items
  }

  /** Runs a command as an operator types it; its lines are told as they come. */
  async remuda(line: string): Promise<Said> {
    tell(`$ remuda ${line}`)
    const child = spawn(process.execPath, [program, ...line.split(' ')], {
      env: { ...process.env, REMUDA_LAB: this.lab.folder, NO_COLOR: '1' },
      stdio: ['ignore', 'pipe', 'pipe']
    })
    const said = { stdout: '', stderr: '' }
    for (const stream of ['stdout', 'stderr'] as const) {
      createInterface({ input: child[stream] }).on('line', text => {
        said[stream] += `${text}\n`
        tell(`  ${text}`)
      })
    }
    const [code] = (await once(child, 'close')) as [number | null]
    return { code, ...said }
  }

  #plan(machine: string) {
    return this.lab.plan.machines!.find(({ name }) => name === machine)!
  }
}
