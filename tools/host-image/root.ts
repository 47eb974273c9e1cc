/**
 * The root of a host as a folder: Debian's packages without what no host needs, drivers, our own
 * programs and files; with nothing in it that would be the same on every host but must not be.
 */
import { chmod, copyFile, mkdir, readdir, rm, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { run } from '../image/run.ts'
import { agentFolder, placeAgent } from './agent-layer.ts'
import { type Kernel, placeModules } from './modules.ts'
import { trimmed } from './packages.ts'

/** What a root is made of. */
export type RootOptions = {
  /** Tar of Debian's packages. */
  readonly base: string
  readonly kernel: Kernel
  /** Names of the modules that it has. */
  readonly modules: readonly string[]
  readonly progress: (line: string) => void
  readonly signal?: AbortSignal | undefined
}

const unpackMsMax = 900_000
const inside = join(import.meta.dirname, 'inside/root')

/** Units that must not start by themselves: what they do is ours to do, or for disks and people. */
const masked = [
  ...['apt-daily.timer', 'apt-daily-upgrade.timer', 'dpkg-db-backup.timer', 'logrotate.timer'],
  ...['e2scrub_all.timer', 'e2scrub_reap.service', 'fstrim.timer', 'systemd-firstboot.service'],
  ...['systemd-machine-id-commit.service', 'systemd-random-seed.service', 'ipmievd.service'],
  ...['rpcbind.service', 'rpcbind.socket', 'libvirt-guests.service', 'lvm2-monitor.service'],
  ...['blk-availability.service', 'systemd-networkd-wait-online.service', 'systemd-pstore.service'],
  ...['keyboard-setup.service', 'console-setup.service', 'systemd-update-utmp.service'],
  ...['systemd-update-utmp-runlevel.service', 'iscsi.service', 'open-iscsi.service'],
  ...['systemd-hwdb-update.service', 'ldconfig.service', 'tmp.mount', 'drbd.service'],
  // Nothing of these is used, and each takes a part of a second.
  ...['systemd-sysusers.service', 'systemd-binfmt.service', 'proc-sys-fs-binfmt_misc.automount'],
  ...['sys-kernel-debug.mount', 'sys-kernel-tracing.mount', 'systemd-journal-flush.service'],
  ...[
    'modprobe@drm.service',
    'modprobe@efi_pstore.service',
    'nfs-client.target',
    'machines.target'
  ],
  ...['systemd-ask-password-wall.path', 'systemd-ask-password-console.path', 'run-rpc_pipefs.mount']
]

/** Programs that make up units at each start, of which none is for a host without disks. */
const withoutGenerators = [
  ...['cryptsetup', 'gpt-auto', 'hibernate-resume', 'integritysetup', 'rc-local', 'system-update'],
  ...['sysv', 'veritysetup']
].map(name => `systemd-${name}-generator`)

/** Units of ours and of others that start by themselves, with who wants them. */
const enabled: readonly (readonly [string, string])[] = [
  ['/etc/systemd/system/remuda-identity.service', 'sysinit.target'],
  ['/etc/systemd/system/remuda-journal.service', 'sysinit.target'],
  ['/etc/systemd/system/remuda-agent.service', 'sysinit.target'],
  ['/etc/systemd/system/remuda-time.timer', 'multi-user.target'],
  ['/lib/systemd/system/systemd-networkd.service', 'multi-user.target'],
  ['/lib/systemd/system/ssh.service', 'multi-user.target']
]

/** What Debian's packages made for one machine when they were installed. */
const identities = [
  ...['etc/hostname', 'etc/resolv.conf', 'etc/iscsi/initiatorname.iscsi', 'etc/machine-id'],
  ...['var/lib/dbus/machine-id', 'var/lib/systemd/random-seed', 'var/cache/ldconfig/aux-cache'],
  ...[
    'etc/lvm/devices',
    'etc/libvirt/qemu/networks/autostart',
    'var/lib/systemd/credential.secret'
  ],
  ...['etc/.pwd.lock', 'var/log/lastlog', 'var/log/faillog', 'var/log/btmp', 'var/log/wtmp']
]

/** Makes the root below a folder that is there and empty. */
export async function makeRoot(into: string, options: RootOptions): Promise<void> {
  const { base, kernel, modules, progress, signal } = options
  progress('unpacking the root')
  await run(
    'tar',
    [
      ...[
        '--extract',
        '--file',
        base,
        '--directory',
        into,
        '--numeric-owner',
        '--same-permissions'
      ],
      ...['--xattrs', '--xattrs-include=*', ...trimmed.map(pattern => `--exclude=${pattern}`)]
    ],
    { deadlineMs: unpackMsMax, signal }
  )
  const placed = await placeModules(kernel, modules, into)
  progress(`${placed.modules} drivers and ${placed.firmware} files of firmware in the root`)
  await placeAgent(into, signal)
  await removeIdentities(into)
  await placeOwnFiles(into)
  await placeUnits(into)
  await run('chmod', ['-R', 'u=rwX,go=rX', ...ours.map(path => join(into, path))], { signal })
}

/** Folders that are ours alone, whose modes shall not depend on who builds. */
const ours = [agentFolder, 'usr/lib/modules', 'usr/lib/remuda', 'usr/local/bin']

async function removeIdentities(root: string): Promise<void> {
  for (const path of identities) await rm(join(root, path), { recursive: true, force: true })
  for (const name of await readdir(join(root, 'etc/ssh'))) {
    if (name.startsWith('ssh_host_')) await rm(join(root, 'etc/ssh', name))
  }
  // The first process makes up an identity unless there is a file; the first stage writes it.
  await writeFile(join(root, 'etc/machine-id'), 'uninitialized\n', { mode: 0o444 })
  await symlink('/etc/machine-id', join(root, 'var/lib/dbus/machine-id'))
  await writeFile(join(root, 'etc/hostname'), 'remuda\n', { mode: 0o644 })
  await writeFile(join(root, 'etc/fstab'), '', { mode: 0o644 })
}

async function placeOwnFiles(root: string): Promise<void> {
  for (const each of await readdir(inside, { recursive: true, withFileTypes: true })) {
    if (!each.isFile()) continue
    const from = join(each.parentPath, each.name)
    const name = from.slice(inside.length + 1)
    const to = join(root, name)
    await mkdir(dirname(to), { recursive: true, mode: 0o755 })
    await copyFile(from, to)
    await chmod(to, name.startsWith('usr/lib/remuda/') ? 0o755 : 0o644)
  }
}

async function placeUnits(root: string): Promise<void> {
  const folder = join(root, 'etc/systemd/system')
  // The clock is set by a timer of ours.
  await rm(join(folder, 'sysinit.target.wants/systemd-timesyncd.service'), { force: true })
  for (const unit of masked) await link('/dev/null', join(folder, unit))
  for (const name of [...withoutGenerators, 'rpc-pipefs-generator']) {
    await link('/dev/null', join(root, 'etc/systemd/system-generators', name))
  }
  for (const [unit, by] of enabled) {
    await link(unit, join(folder, `${by}.wants`, unit.slice(unit.lastIndexOf('/') + 1)))
  }
  await link('/lib/systemd/system/multi-user.target', join(folder, 'default.target'))
}

async function link(target: string, path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o755 })
  await rm(path, { force: true })
  await symlink(target, path)
}
