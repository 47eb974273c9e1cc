/**
 * A lab with one host and two bare machines that boot over the network, one with a BIOS and one by
 * UEFI: from their power, by IPMI, until both are hosts; and a container that writes in one.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { DiskVerdict } from '../../tools/chaos/disk-log.ts'
import { createResource } from '../../tools/cli/api/resources.ts'
import type { Lab } from '../../tools/lab/lab.ts'
import { openLab } from '../../tools/lab/open.ts'
import { makeSay } from '../../tools/up/say.ts'
import { Scene, tell, until } from './scene.ts'
import { readSharedLog, writerScript } from './shared-log.ts'

/** Records that show that somebody writes, and goes on to. */
const recordsMin = 10
/** Of the kernel's clock that counts processor time (`_SC_CLK_TCK`). Unit: Hz. */
const ticksPerS = 100
/**
 * A machine that is emulated beside other work is starved by it, until its agent is not heard for
 * so long that it is fenced, as it must be: that is no finding. So it gets the time of so many.
 */
export const share = 5

/** Machines of the lab; the first has a BIOS, the second UEFI. */
export type MachineName = 'n1' | 'n2'

/** The lab, when both machines have joined. */
export class TwoMachines implements AsyncDisposable {
  readonly scene: Scene
  /** Folder of the test, which goes with the lab; the lab's own is in it. */
  readonly folder: string
  /** What the cloud calls them. */
  readonly hosts: Readonly<Record<MachineName, string>>
  /** All that was said while the lab came up. */
  readonly said: string

  private constructor(given: Pick<TwoMachines, 'scene' | 'folder' | 'hosts' | 'said'>) {
    this.scene = given.scene
    this.folder = given.folder
    this.hosts = given.hosts
    this.said = given.said
  }

  /** Has both boot, in ranges of addresses 10.N.0.0 that begin with this N. */
  static async open(first: number): Promise<TwoMachines> {
    const folder = await mkdtemp(join(tmpdir(), 'remuda-netboot-'))
    const printed: string[] = []
    const write = (text: string): void => {
      printed.push(text)
      if (text.trim() !== '') tell(text.trimEnd())
    }
    let lab: Lab | undefined
    try {
      lab = await openLab({
        ...{ folder: join(folder, 'lab'), hosts: 1, solo: true, machines: 2 },
        ...{ isBound: true, outside: false, share, subnet: `10.${first}.0.0/24` },
        ...{ instances: `10.${first + 1}.0.0/16`, management: `10.${first + 2}.0.0/24` },
        say: makeSay({ write })
      })
      const scene = new Scene(lab)
      const hosts = { n1: await scene.hostOf('n1'), n2: await scene.hostOf('n2') }
      return new TwoMachines({ scene, folder, hosts, said: printed.join('') })
    } catch (thrown) {
      await lab?.[Symbol.asyncDispose]()
      await rm(folder, { recursive: true, force: true })
      throw thrown
    }
  }

  /** What is wrong with how a machine became a host; nothing: it went step by step. */
  async wrongWith(machine: MachineName): Promise<readonly string[]> {
    const firmware = machine === 'n1' ? 'bios' : 'uefi'
    const line = new RegExp(
      String.raw`${machine} \(${firmware}\): (dhcp \S+ s, )?script \S+ s, kernel .*initramfs .*` +
        'image .*verified .*system .*agent .*joined '
    )
    const says = new RegExp(
      String.raw`${machine} is \S+: .*threads.* of memory, .*interfaces \S+ \S+`
    )
    const verbs = (await this.scene.history('hosts', this.hosts[machine])).map(({ verb }) => verb)
    const order = ['knocked', 'approved', 'booted'].map(verb => verbs.indexOf(verb))
    const isInOrder = order.every((at, index) => at >= 0 && at > (order[index - 1] ?? -1))
    return [
      ...(line.test(this.said) ? [] : [`no time line of a ${firmware} boot of ${machine}`]),
      ...(says.test(this.said) ? [] : [`nothing is said of the hardware of ${machine}`]),
      ...(isInOrder ? [] : [`history: ${verbs.join(', ')}`])
    ]
  }

  /** Has a container run on a host that writes to the pool that all hosts see. */
  async runWriter(host: string): Promise<void> {
    const { scene } = this
    await this.onlyOn(host)
    await scene.untilRuns(host, 'lxc')
    const spec = { type: 'container', image: 'tiny-container', memoryMib: 64, pool: 'shared' }
    const reference = { kind: 'instance' as const, name: 'c1' }
    await createResource(scene.lab.api, reference, { spec: { ...spec, userData: writerScript } })
    await this.untilWrites(host)
    await this.onlyOn()
  }

  /** Waits until both are in service, which a starved one may not be, and gives their boot ids. */
  async untilOnline(): Promise<Readonly<Record<string, unknown>>> {
    await until('both machines are in service', async () => {
      const found = Object.values(this.hosts).map(name => this.scene.read('host', name))
      return (await Promise.all(found)).every(({ status }) => status['phase'] === 'online')
    })
    return await this.scene.bootIds()
  }

  /** Lets new instances go to one host alone; without any, to all. */
  async onlyOn(host?: string): Promise<void> {
    for (const name of ['h1', ...Object.values(this.hosts)]) {
      await this.scene.set(name, { schedulable: host === undefined || name === host })
    }
  }

  /** Waits until its container writes on and on, on a host if one is named. */
  async untilWrites(host?: string): Promise<DiskVerdict> {
    const { lab } = this.scene
    const from = (await readSharedLog(lab)).records
    const where = host === undefined ? '' : ` on ${host}`
    return await until(`the container writes${where}`, async () => {
      const verdict = await readSharedLog(lab)
      const isThere = host === undefined || verdict.lives.at(-1)?.host === host
      return isThere && verdict.records >= from + recordsMin ? verdict : undefined
    })
  }

  /** Processor time that the emulator of a machine has used since it got its power. Unit: s. */
  async processorTime(machine: MachineName): Promise<number | undefined> {
    const { machines = [] } = await this.scene.lab.status()
    const pid = machines.find(({ name }) => name === machine)?.pid
    if (pid === undefined) return undefined
    const text = await readFile(`/proc/${pid}/stat`, 'utf8')
    // Its name, in brackets, may hold anything; user and system time are the 14th and 15th field.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
    return (Number(fields[11]) + Number(fields[12])) / ticksPerS
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.scene.lab[Symbol.asyncDispose]()
    await rm(this.folder, { recursive: true, force: true })
  }
}
