/**
 * How a host sends its log: the scripts of the image in their own shell, against bootd's own
 * receiver; what they ask the system is answered by stand-ins.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import test, { type ExecutionContext } from 'ava'
import { realClock } from '#shared/clock.ts'
import { silentLog } from '#shared/log.ts'
import { isInstalled } from '#shared/process.ts'
import { LogReceiver } from '../../../bootd/io/boot/log-receiver.ts'
import { until } from '../../bootd/boot/boot-server.ts'
import { writeProgram } from '../../world/program.ts'

const inside = join(import.meta.dirname, '../../../tools/host-image/inside')

async function folderOf(t: ExecutionContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'remuda-journal-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  await mkdir(join(folder, 'bin'))
  return folder
}

async function program(folder: string, name: string, script: string): Promise<void> {
  const path = join(folder, 'bin', name)
  await writeProgram(path, `#!/bin/sh\n${script}\n`)
}

test('the journal of a host reaches bootd from its beginning, and later what is new', async t => {
  if (!isInstalled('logger')) {
    t.pass('logger is not installed')
    return
  }
  t.timeout(60_000)
  const folder = await folderOf(t)
  const texts: string[] = []
  await using receiver = await LogReceiver.open({
    ...{ address: '127.0.0.1', port: 0, clock: realClock, log: silentLog },
    whose: () => ({ host: 'h1', boot: 'b1', hasJoined: true }),
    neighbours: async () => new Map(),
    logs: { add: (_, lines) => void texts.push(...lines.map(line => line.text)) }
  })
  await program(
    folder,
    'journalctl',
    `echo "2026-11-21T23:14:48.123456+0000 h1 journalctl[1]: asked $*"
     echo '2026-11-21T23:14:49.123456+0000 h1 kernel: "quotes" and \\\\ $HOME'
     echo '2026-11-21T23:14:50.123456+0000 h1 kernel: a=b remuda.boot=aB-_9 quiet'`
  )
  const script = (await readFile(join(inside, 'root/usr/lib/remuda/journal'), 'utf8'))
    .replaceAll('/usr/lib/remuda/common', join(folder, 'common'))
    .replaceAll('/run/remuda/', `${folder}/`)
  await writeFile(join(folder, 'journal'), script)
  await writeFile(join(folder, 'common'), `known_url=http://127.0.0.1:${receiver.port}\n`)
  const send = async (): Promise<void> => {
    const path = `${folder}/bin:${process.env['PATH']}`
    const sending = spawn('sh', [join(folder, 'journal')], { env: { PATH: path }, stdio: 'ignore' })
    const [code] = await once(sending, 'close')
    t.is(code, 0)
  }
  await send()
  await until(() => texts.length === 3)
  t.deepEqual(texts, [
    'journalctl[1]: asked -b -f -q -n all -o short-iso-precise',
    'kernel: "quotes" and \\ $HOME',
    'kernel: a=b remuda.boot=- quiet'
  ])
  await send()
  await until(() => texts.length === 6)
  t.is(texts[3], 'journalctl[1]: asked -b -f -q -n 100 -o short-iso-precise')
})

const hops: readonly {
  readonly title: string
  readonly url: string
  readonly route: string
  readonly asked: string
}[] = [
  {
    title: 'straight to bootd',
    url: 'http://10.0.0.2:7480',
    route: '10.0.0.2 dev eth0 src 10.0.0.50',
    asked: '-q netconsole netconsole=+6665@10.0.0.50/eth0,7480@10.0.0.2/52:54:00:00:00:02\n'
  },
  {
    title: 'through a router, where bootd is behind one',
    url: 'http://10.9.0.2:7480/',
    route: '10.9.0.2 via 10.0.0.1 dev eth0 src 10.0.0.50',
    asked: '-q netconsole netconsole=+6665@10.0.0.50/eth0,7480@10.9.0.2/52:54:00:00:00:01\n'
  },
  {
    title: 'not at all, where nobody knows the Ethernet address, and the boot goes on',
    url: 'http://10.0.0.3:7480',
    route: '10.0.0.3 dev eth0 src 10.0.0.50',
    asked: ''
  }
]
for (const { title, url, route, asked } of hops) {
  test(`the kernel is told to send what it says ${title}`, async t => {
    t.timeout(60_000)
    const folder = await folderOf(t)
    const neighbours = [
      'IP address       HW type     Flags       HW address            Mask     Device',
      '10.0.0.1         0x1         0x2         52:54:00:00:00:01     *        eth0',
      '10.0.0.2         0x1         0x2         52:54:00:00:00:02     *        eth0',
      '10.0.0.3         0x1         0x0         00:00:00:00:00:00     *        eth0'
    ]
    await writeFile(join(folder, 'arp'), `${neighbours.join('\n')}\n`)
    await program(folder, 'ip', `[ "$1 $2" = 'route get' ] && echo '${route}'`)
    await program(folder, 'modprobe', 'echo "$*"')
    await symlink('/bin/busybox', join(folder, 'bin/sed'))
    const variables = `url=${url} address=10.0.0.50/24 interface=eth0`
    const own = join(inside, 'stage1/netconsole')
    const script = `${variables}; . ${own}; start_netconsole ${folder}/arp`
    const shell = spawn('/bin/sh', ['-c', `${script}; echo "went on" >&2`], {
      env: { PATH: `${folder}/bin` }
    })
    const [output, errors] = await Promise.all([text(shell.stdout), text(shell.stderr)])
    t.is(output, asked)
    t.is(errors, 'went on\n')
  })
}
