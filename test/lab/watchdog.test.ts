/**
 * The watchdog of hardware as qemu has it (i6300esb), with Debian's kernel and our own code: it
 * cannot be stopped once it is open, and resets the machine in time after it was pet last, also
 * when whoever pet it has died.
 */
import { spawn } from 'node:child_process'
import { chmod, cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { homedir, tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { text } from 'node:stream/consumers'
import test, { type ExecutionContext } from 'ava'
import { run } from '#shared/process.ts'
import { packagesNamed, unpack } from '../../tools/image/packages.ts'

const root = join(import.meta.dirname, '../..')
const timeoutS = 5
/** For a machine that has much else to do. */
const deadlineMs = 240_000

const init = (who: 'agent' | 'both'): string => `#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs dev /dev
insmod /modules/watchdog.ko
insmod /modules/softdog.ko
insmod /modules/i6300esb.ko heartbeat=${timeoutS}
node /app/test/lab/watchdog-guest.ts ${who}
printf V > /dev/watchdog1
echo $(cut -d ' ' -f 1 /proc/uptime) DIED '""'
while true; do echo $(cut -d ' ' -f 1 /proc/uptime) LIVES '""'; sleep 0.2; done
`

/** Debian's kernel, and its modules of watchdogs, put where the guest's tree is made. */
async function kernel(folder: string, tree: string): Promise<string> {
  const [meta] = await packagesNamed(['linux-image-amd64'])
  const name = /\blinux-image-\S+/.exec(meta!.depends)![0]
  const [wanted] = await packagesNamed([name])
  const unpacked = join(folder, 'kernel')
  await unpack(wanted!, { cache: join(homedir(), '.cache/remuda/packages'), into: unpacked })
  const release = name.replace('linux-image-', '')
  const drivers = join(unpacked, 'lib/modules', release, 'kernel/drivers/watchdog')
  for (const module of ['watchdog.ko', 'softdog.ko', 'i6300esb.ko']) {
    await cp(join(drivers, module), join(tree, 'modules', module))
  }
  return join(unpacked, 'boot', `vmlinuz-${release}`)
}

/** Node with the libraries that it is linked with, busybox, and our sources. */
async function userland(tree: string, who: 'agent' | 'both'): Promise<void> {
  await cp('/bin/busybox', join(tree, 'bin/busybox'))
  await cp(process.execPath, join(tree, 'bin/node'))
  const { stdout } = await run('ldd', [process.execPath], { deadlineMs: 30_000 })
  for (const [path] of stdout.matchAll(/\/\S+/g)) {
    await mkdir(join(tree, dirname(path)), { recursive: true })
    await cp(path, join(tree, path), { dereference: true })
  }
  for (const path of [
    'package.json',
    'shared/fault.ts',
    'agent/io/watchdog.ts',
    'agent/io/watchdog-keeper.ts'
  ]) {
    await cp(join(root, path), join(tree, 'app', path))
  }
  const own = join(import.meta.dirname, 'watchdog-guest.ts')
  await cp(own, join(tree, 'app/test/lab', basename(own)))
  await writeFile(join(tree, 'init'), init(who))
  await chmod(join(tree, 'init'), 0o755)
}

/** Boots the guest, and gives what its console said until it was reset. */
async function consoleOf(folder: string, image: string, initrd: string): Promise<string> {
  const machine = ['-accel', 'tcg', '-machine', 'q35', '-cpu', 'max', '-m', '1024']
  const watchdog = ['-device', 'i6300esb', '-action', 'watchdog=reset', '-no-reboot']
  const quiet = ['-nodefaults', '-display', 'none', '-serial', 'stdio', '-net', 'none']
  const boot = ['-kernel', image, '-initrd', initrd, '-append', 'console=ttyS0 quiet panic=-1']
  const emulator = spawn('qemu-system-x86_64', [...machine, ...watchdog, ...quiet, ...boot], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'inherit'],
    signal: AbortSignal.timeout(deadlineMs)
  })
  emulator.on('error', () => {})
  return await text(emulator.stdout)
}

type Line = { readonly at: number; readonly what: string; readonly value: unknown }

const linesOf = (said: string): readonly Line[] =>
  [...said.matchAll(/^(\d+\.\d+) ([A-Z]+) (.*?)\r?$/gm)].map(([, at, what, value]) => ({
    at: Number(at),
    what: what!,
    value: JSON.parse(value!)
  }))

type Lines = { readonly said: string; readonly of: (what: string) => readonly Line[] }

/** What a guest says in which these processes die. */
async function guestIn(t: ExecutionContext, who: 'agent' | 'both'): Promise<Lines> {
  t.timeout(deadlineMs + 60_000)
  const folder = await mkdtemp(join(tmpdir(), 'remuda-watchdog-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const tree = join(folder, 'tree')
  for (const name of ['bin', 'modules', 'proc', 'sys', 'dev', 'app']) {
    await mkdir(join(tree, name), { recursive: true })
  }
  const image = await kernel(folder, tree)
  await userland(tree, who)
  const initrd = join(folder, 'initrd')
  const pack = `cd "$1" && find . | cpio -o -H newc --quiet > "$2"`
  await run('sh', ['-c', pack, 'sh', tree, initrd], { deadlineMs: 60_000 })

  const said = await consoleOf(folder, image, initrd)
  const lines = linesOf(said)
  return { said, of: what => lines.filter(line => line.what === what) }
}

test('whoever pets it dies, and it is reset as if that had only fallen silent', async t => {
  const { said, of } = await guestIn(t, 'agent')
  const facts = { kind: 'hardware', identity: 'i6300ESB timer', timeoutMs: timeoutS * 1_000 }
  t.like(of('FOUND')[0]?.value, { ...facts, nowayout: false, counts: false, because: '' }, said)
  t.like(of('OPENED')[0]?.value, { ...facts, nowayout: true, counts: true })
  t.is(of('PET').length, 8, 'longer than it would have waited')
  t.is(of('KEPT')[0]?.value, -1_000, 'no lack of memory ends who holds it')
  const [pet, last] = [of('PET').at(-1)!.at, of('LIVES').at(-1)!.at]
  t.log(`reset ${(last - pet).toFixed(1)} s after it was pet last`)
  t.true(last - pet <= timeoutS + 1, 'by the clock of the guest: its death has pet nobody')
})

test('who holds it open dies, too: nobody can stop it all the same', async t => {
  const { of } = await guestIn(t, 'both')
  const [died, last] = [of('DIED')[0]!.at, of('LIVES').at(-1)!.at]
  t.log(`reset ${(last - died).toFixed(1)} s after the last that anybody could do to stop it`)
  t.true(last - died <= timeoutS + 1, 'by the clock of the guest')
})
