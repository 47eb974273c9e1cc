/**
 * What hosts of metal stand on is tried inside a machine: interfaces in a bond, VLANs, thin volumes
 * and their snapshots, a disk over iSCSI, a disk that two hold by DRBD.
 */
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import test from 'ava'
import { readyHostImage } from '../../../tools/host-image/ready.ts'
import { tell } from '../scene.ts'
import { BootedMachine } from './booted-machine.ts'
import { ImageServer } from './image-server.ts'
import { bootMsMax, freePort, inside, makeKey, until, untilIn } from './inside.ts'

const execute = promisify(execFile)
const uuid = '6ba7b811-9dad-41d1-80b4-00c04fd430c8'
const target = 'iqn.2026-01.test.remuda:disk'

/** Three interfaces on one segment, which leads nowhere else. */
const segment = [1, 2, 3].flatMap(index => [
  ...['-netdev', `hubport,id=hub${index},hubid=1`],
  ...['-device', `virtio-net-pci,netdev=hub${index},mac=52:54:00:0b:01:0${index},romfile=`]
])

test('bonds, VLANs, thin volumes, iSCSI and DRBD work in a machine', async t => {
  t.timeout(3 * bootMsMax)
  const { folder, manifest } = await readyHostImage({ progress: tell })
  const { version } = manifest
  const own = await mkdtemp(join(tmpdir(), 'remuda-devices-'))
  t.teardown(() => rm(own, { recursive: true, force: true }))
  const { key, sshKey } = await makeKey(own)
  await using disk = await Disk.open(own)
  await using server = await ImageServer.open(folder)
  server.given = { name: 'h8', uuid, profile: 'rescue', version, sshKeys: [sshKey] }
  const port = await freePort()
  await using machine = BootedMachine.start({
    ...{ image: folder, version, port: server.port, uuid, sshPort: port },
    options: ['net.ifnames=0', 'remuda.profile=rescue'],
    devices: segment
  })
  const entry = { key, port }
  await untilIn(machine, entry)
  const script = await readFile(join(import.meta.dirname, 'inside-devices.sh'), 'utf8')
  const quoted = script.replaceAll("'", `'\\''`)
  const said = await inside(`sh -c '${quoted}' devices ${disk.port} ${target} 2>&1`, entry)
  for (const line of said) tell(`  ${line}`)
  t.deepEqual(said, [
    'VLAN over a bond',
    'the bond without one of its two',
    'nothing from another VLAN',
    'thin volumes and their snapshots',
    'written over iSCSI',
    'written over DRBD'
  ])
  t.is((await readFile(disk.path)).subarray(0, 18).toString(), 'written over iSCSI')
})

/** A disk that a program of this machine gives away over iSCSI, on loopback. */
class Disk implements AsyncDisposable {
  readonly port: number
  readonly path: string
  readonly #target: ReturnType<typeof spawn>

  private constructor(given: {
    readonly port: number
    readonly path: string
    readonly target: ReturnType<typeof spawn>
  }) {
    this.port = given.port
    this.path = given.path
    this.#target = given.target
  }

  static async open(folder: string): Promise<Disk> {
    const path = join(folder, 'disk.img')
    await writeFile(path, '')
    await truncate(path, 32 << 20)
    const port = await freePort()
    // Its number keeps it apart from another on this machine.
    const control = String(20_000 + (port % 10_000))
    const words = ['-f', '-C', control, '--iscsi', `portal=127.0.0.1:${port}`]
    const program = spawn('tgtd', words, { stdio: 'ignore' })
    await once(program, 'spawn')
    const disk = new Disk({ port, path, target: program })
    const asked = async (line: string): Promise<unknown> =>
      await execute('tgtadm', ['-C', control, '--lld', 'iscsi', ...line.split(' ')])
    try {
      await until('the target of iSCSI listens', () =>
        asked('--op show --mode target').then(
          () => true,
          () => false
        )
      )
      await asked(`--op new --mode target --tid 1 -T ${target}`)
      await asked(`--op new --mode logicalunit --tid 1 --lun 1 -b ${path}`)
      await asked('--op bind --mode target --tid 1 -I ALL')
    } catch (thrown) {
      await disk[Symbol.asyncDispose]()
      throw thrown
    }
    return disk
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#target.exitCode !== null || this.#target.signalCode !== null) return
    const ended = once(this.#target, 'exit')
    this.#target.kill('SIGKILL')
    await ended
  }
}
