import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { LockWatch } from '../../agent/io/lock-service.ts'

/** A host with a libvirt that has these libraries loaded. */
async function host(
  t: ExecutionContext,
  { maps, settings = '', daemon = true }: { maps?: string; settings?: string; daemon?: boolean }
): Promise<LockWatch> {
  const folder = await mkdtemp(join(tmpdir(), 'remuda-lockd-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const at = (name: string): string => join(folder, name)
  await mkdir(at('proc/12'), { recursive: true })
  if (maps !== undefined) {
    await writeFile(at('libvirtd.pid'), '12\n')
    await writeFile(at('proc/12/maps'), maps)
  }
  await writeFile(at('qemu-lockd.conf'), settings)
  const server = createServer(socket => socket.end())
  if (daemon) {
    await new Promise<void>(resolve => {
      server.listen(at('sock'), resolve)
    })
    t.teardown(() => void server.close())
  }
  return new LockWatch({
    pidFiles: [at('libvirtd.pid')],
    proc: at('proc'),
    socket: at('sock'),
    settings: at('qemu-lockd.conf')
  })
}

const loaded =
  '7f00-7f01 r-xp 00000000 fe:00 1 /usr/lib/x86_64-linux-gnu/libvirt/lock-driver/lockd.so\n'

test('a libvirt with its lock manager, and a virtlockd that answers, lock volumes', async t => {
  const watch = await host(t, { maps: loaded })
  t.regex(watch.said.fault ?? '', /not been looked at/)
  t.deepEqual(await watch.look(), {})
  t.deepEqual(watch.said, {})
})

test('where locks are held is read from the settings of the lock manager', async t => {
  const settings = '#file_lockspace_dir = "/no"\nfile_lockspace_dir = "/srv/locks/"\n'
  const watch = await host(t, { maps: loaded, settings })
  t.deepEqual(await watch.look(), { folder: '/srv/locks' })
})

for (const [title, given, because] of [
  ['no libvirt runs', {}, /^no libvirt runs here that could/],
  ['libvirt has none', { maps: '7f00 /usr/lib/libvirt.so\n' }, /set lock_manager = "lockd"/],
  ['virtlockd is not there', { maps: loaded, daemon: false }, /^virtlockd does not answer: /],
  [
    'disks are not locked unasked',
    { maps: loaded, settings: 'auto_disk_leases = 0\n' },
    /auto_disk_leases is 0/
  ]
] as const) {
  test(`volumes cannot be locked where ${title}`, async t => {
    const watch = await host(t, given)
    await watch.look()
    t.regex(watch.said.fault ?? '', because)
  })
}
