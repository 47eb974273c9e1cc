/**
 * The demonstration image, built and run for real. It needs what `buildPackages` lists, and
 * Debian's qemu-system-x86 and xorriso.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { run } from '#shared/process.ts'
import { buildImages, type Images } from '../../tools/image/main.ts'
import { eventually } from './cloud/waiting.ts'
import { Machine, makeSeed } from './image-machine.ts'

const deadlineMs = 120_000
const bytesMax = 22 * 2 ** 20

let folder: string
let built: Images

test.before(async t => {
  t.timeout(600_000)
  folder = await mkdtemp(join(tmpdir(), 'remuda-image-'))
  built = await buildImages({ out: join(folder, 'images') })
})

test.after.always(async () => {
  await rm(folder, { recursive: true, force: true })
})

test.serial('both images are smaller than 22 MiB', t => {
  t.deepEqual(
    built.images.map(image => image.kind),
    ['vm', 'container']
  )
  for (const { path, bytes } of built.images) t.true(bytes < bytesMax, `${path}: ${bytes} bytes`)
})

test.serial('a second build with the same inputs does nothing', async t => {
  const said: string[] = []
  const again = await buildImages({
    out: join(folder, 'images'),
    progress: line => said.push(line)
  })
  t.deepEqual(again, built)
  t.deepEqual(said, [])
})

test.serial('equal inputs give equal bytes, wherever and whenever they are built', async t => {
  t.timeout(300_000)
  const elsewhere = await buildImages({ out: join(folder, 'elsewhere') })
  t.deepEqual(
    elsewhere.images.map(image => image.sha256),
    built.images.map(image => image.sha256)
  )
})

test.serial('the root of a container holds init and no devices, all owned by root', async t => {
  const args = ['--list', '--verbose', '--numeric-owner', '--file', built.container]
  const { stdout } = await run('tar', args, { deadlineMs })
  const lines = stdout.trim().split('\n')
  t.deepEqual(
    lines.filter(line => !/^[-dl]\S+ 0\/0 /.test(line)),
    []
  )
  for (const [mode, path] of [
    ['-rwxr-xr-x', 'sbin/init'],
    ['-rwxr-xr-x', 'bin/busybox'],
    ['-rwxr-xr-x', 'srv/www/cgi-bin/index.cgi'],
    ['drwx------', 'root/'],
    ['drwxrwxrwt', 'tmp/'],
    ['drwxr-xr-x', 'proc/'],
    ['drwxr-xr-x', 'var/lib/cloud/seed/nocloud/'],
    ['lrwxrwxrwx', 'bin/sh -> /bin/busybox']
  ]) {
    t.true(
      lines.some(line => line.startsWith(mode!) && line.endsWith(` ${path}`)),
      `${mode} ${path}`
    )
  }
})

const metadata = [
  'instance-id: "inst-1"',
  'local-hostname: "web-1"',
  'remuda-host: "h2"',
  'public-keys:',
  '  - "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKey anna@example"',
  ''
].join('\n')

const script = '#!/bin/sh\nread boots </run/tiny/boots\necho "boot $boots" >>/srv/www/ran\n'

test.serial('a machine lives on through a power cut and ends by its power button', async t => {
  t.timeout(600_000)
  const disk = join(folder, 'disk.qcow2')
  await run('qemu-img', ['convert', '-O', 'qcow2', built.vm, disk], { deadlineMs })
  const seed = await makeSeed(folder, { 'meta-data': metadata, 'user-data': script })
  const noted = await firstLife(t, disk, seed)
  await run('qemu-img', ['resize', '-q', disk, '1G'], { deadlineMs })
  await secondLife(t, { disk, seed, noted })
})

/** Runs until the heartbeat has been written after what is returned, then the power is cut. */
async function firstLife(t: ExecutionContext, disk: string, seed: string): Promise<number> {
  await using machine = await Machine.start({ folder, disk, seed })
  t.like(await machine.page(), { name: 'web-1', host: 'h2', boots: '1', before: 'unknown' })
  await machine.heard('remuda-ready web-1 10.0.2.15')
  await machine.heard('key: ssh-ed25519 anna@example')
  await machine.heard('user data ended with 0')
  t.is(await machine.get('/ran'), 'boot 1\n')
  const { uptime: noted } = await machine.page()
  await eventually('some heartbeats have passed', async () => {
    const { uptime } = await machine.page()
    return Number(uptime) > Number(noted) + 4 || undefined
  })
  await machine.cut()
  return Number(noted)
}

async function secondLife(
  t: ExecutionContext,
  { disk, seed, noted }: { readonly disk: string; readonly seed: string; readonly noted: number }
): Promise<void> {
  await using machine = await Machine.start({ folder, disk, seed })
  const page = await machine.page()
  t.is(page['boots'], '2')
  const [, before] =
    /^uptime=(\S+) wall=\d+ boot=1 host=h2 name=web-1\b/.exec(page['before']!) ?? []
  t.true(Number(before) > noted, `the last heartbeat is "${page['before']}"`)
  await machine.heard('~# ')
  t.is(await machine.get('/ran'), 'boot 1\n', 'user data must run once for each instance')
  const size = await eventually('the root has grown', async () => {
    machine.type('df -m / | awk \'/vda/ { print "root of " $2 " MiB" }\'')
    const said = /root of (\d+) MiB/.exec(await machine.heard('root of '))?.[1]
    machine.console = ''
    return Number(said) > 900 ? Number(said) : undefined
  })
  t.true(size < 1024, `the root has ${size} MiB of a volume of 1024 MiB`)
  machine.pressPowerButton()
  t.is(await machine.off(), 0)
}
