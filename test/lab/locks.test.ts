/**
 * Two real hosts that would write to one disk: their emulators keep each other out where the file
 * system tells of locks, and their virtlockd where it does not. There the second host sees another
 * file at the same path: to its kernel nobody has locked it.
 */
import { copyFile, mkdir, mkdtemp, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import anyTest, { type TestFn } from 'ava'
import { run } from '#shared/process.ts'
import { makeLibvirt } from '../../agent/io/libvirt/hypervisor.ts'
import { LockWatch } from '../../agent/io/lock-service.ts'
import { eventually } from './cloud/waiting.ts'
import { type PrivateLibvirtd, startLibvirtd } from './libvirtd.ts'

const test = anyTest.serial as TestFn
let folder: string
const hosts: PrivateLibvirtd[] = []
const uuid = '0198c2a4-5b6e-7c10-8f00-00000000a001'
const key = { driver: 'qemu', uuid } as const

test.before('two libvirts go by a virtlockd each, and one folder for locks', async t => {
  t.timeout(300_000)
  folder = await mkdtemp(join(tmpdir(), 'remuda-locks-'))
  await mkdir(at('locks'))
  await writeFile(at('disk.raw'), '')
  await truncate(at('disk.raw'), 2 ** 20)
  await copyFile(at('disk.raw'), at('other.raw'))
  for (const _ of ['one', 'other']) hosts.push(await startLibvirtd())
  for (const host of hosts) {
    const etc = join(host.directory, 'etc')
    await writeFile(join(etc, 'qemu.conf'), `${settings}lock_manager = "lockd"\n`)
    await writeFile(join(etc, 'qemu-lockd.conf'), `file_lockspace_dir = "${at('locks')}"\n`)
    await within(host, ['virtlockd', '--daemon'])
    await eventually('virtlockd answers', async () => {
      const { fault = '' } = { ...(await (await watchOf(host)).look()) } as { fault?: string }
      return fault.startsWith('virtlockd does not answer') ? undefined : true
    })
    await host.restart()
  }
})

test.after.always('all is taken away', async () => {
  for (const host of hosts) await host[Symbol.asyncDispose]()
  if (folder !== undefined) await rm(folder, { recursive: true, force: true })
})

test('where libvirt has its lock manager, and where locks are held, is seen', async t => {
  for (const host of hosts) {
    // libvirt takes calls before it has loaded all that it runs domains with.
    const ready = await eventually('libvirt has loaded it', async () => {
      const seen = await (await watchOf(host)).look()
      return 'fault' in seen ? undefined : seen
    })
    t.deepEqual(ready, { folder: at('locks') })
  }
})

test('the emulators keep each other out where the file system tells of locks', async t => {
  t.timeout(300_000)
  await refusedOnOther(/: another emulator writes to .*\/disk\.raw$/, t)
})

test('virtlockd keeps the second one out where it does not', async t => {
  t.timeout(300_000)
  await within(hosts[1]!, ['mount', '--bind', at('other.raw'), at('disk.raw')])
  await refusedOnOther(/: resource busy: Lockspace resource '[0-9a-f]{64}' is locked$/, t)
})

/** Starts it on one host, in vain on the other, and there once it has ended on the first. */
async function refusedOnOther(
  message: RegExp,
  t: { throwsAsync: (promise: Promise<void>, how: object) => Promise<unknown> }
): Promise<void> {
  const [one, other] = hosts.map(({ socketPath }) => {
    return makeLibvirt({ socketPaths: { qemu: [socketPath], lxc: [socketPath] } })
  }) as [ReturnType<typeof makeLibvirt>, ReturnType<typeof makeLibvirt>]
  await using resources = new AsyncDisposableStack()
  for (const hypervisor of [one, other]) resources.use(hypervisor)
  await one.create('qemu', xml())
  await t.throwsAsync(other.create('qemu', xml()), { code: 'locked', message })
  await one.destroy(key)
  await other.create('qemu', xml())
  await other.destroy(key)
}

const at = (name: string): string => join(folder, name)

const settings = `
user = "root"
group = "root"
dynamic_ownership = 0
security_driver = "none"
cgroup_controllers = []
stdio_handler = "file"
`

const xml = (): string => `
<domain type='qemu'>
  <name>locked</name>
  <uuid>${uuid}</uuid>
  <memory unit='MiB'>16</memory>
  <os><type machine='q35'>hvm</type></os>
  <devices>
    <disk type='file' device='disk'>
      <driver name='qemu' type='raw'/>
      <source file='${at('disk.raw')}'/>
      <target dev='vda' bus='virtio'/>
    </disk>
    <controller type='usb' model='none'/>
    <memballoon model='none'/>
  </devices>
</domain>`

/** The first process of a host's namespaces. */
const placeOf = async (host: PrivateLibvirtd): Promise<number> =>
  (await host.pidsOf('bash')).at(-1)!

async function within(host: PrivateLibvirtd, line: readonly string[]): Promise<void> {
  const spaces = ['mount', 'uts', 'ipc', 'net', 'pid'].map(name => `--${name}`)
  const enter = [`--target=${await placeOf(host)}`, ...spaces, '--']
  await run('nsenter', [...enter, ...line], { deadlineMs: 60_000 })
}

/** What the agent of a host would see, from outside. */
async function watchOf(host: PrivateLibvirtd): Promise<LockWatch> {
  const inRun = (name: string): string => join(host.directory, 'run', name)
  return new LockWatch({
    pidFiles: [inRun('libvirtd.pid')],
    proc: `/proc/${await placeOf(host)}/root/proc`,
    socket: inRun('libvirt/virtlockd-sock'),
    settings: join(host.directory, 'etc/qemu-lockd.conf')
  })
}
