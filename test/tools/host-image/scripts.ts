/**
 * The scripts of a booted host in a folder: what they read and write of the system lies below it,
 * what they have done to the system is noted, and time is what they have slept.
 */
import { spawn } from 'node:child_process'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import type { ExecutionContext } from 'ava'
import { isInstalled } from '#shared/process.ts'
import { bootToken, ImageServer } from '../../netboot/host-image/image-server.ts'
import { writeProgram } from '../../world/program.ts'

const scripts = join(import.meta.dirname, '../../../tools/host-image/inside/root/usr/lib/remuda')

/** Whether there is what the scripts need beside a shell. */
export const canRunScripts = ['jq', 'busybox', 'bash'].every(isInstalled)

/** A host whose scripts run in a folder. */
export type ScriptHost = {
  readonly server: ImageServer
  /** Runs a script until all that it has begun has ended; gives what it prints. */
  readonly run: (script: string) => Promise<string>
  /** What is in a file below the folder; undefined: there is none. */
  readonly read: (file: string) => Promise<string | undefined>
  readonly write: (file: string, content: string) => Promise<void>
  readonly path: (file: string) => string
}

/** Programs that would do something to this machine; and one that would take time. */
const programs: Readonly<Record<string, string>> = {
  sleep:
    '[ "$1" != infinity ] || exit 0; read -r now _ <FOLDER/uptime\n' +
    'echo "$((now + $1)) 0" >FOLDER/uptime; exec /bin/sleep 0.01',
  journalctl: 'cat FOLDER/journal 2>/dev/null',
  'remuda-agent': 'echo "$* as $REMUDA_AGENT_ADDRESS: $(cat)" >>FOLDER/called',
  ...Object.fromEntries(
    ['systemctl', 'reboot', 'modprobe', 'mount', 'mountpoint', 'blkid', 'udevadm'].map(
      name => [name, `echo "${name} $*" >>FOLDER/called`] as const
    )
  )
}

/** Opens one; `known` is what its first stage has said beside where bootd is. */
export async function openScripts(
  t: ExecutionContext,
  known: Readonly<Record<string, string>> = {}
): Promise<ScriptHost> {
  const folder = await mkdtemp(join(tmpdir(), 'remuda-scripts-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const path = (file: string): string => join(folder, file)
  for (const each of ['lib', 'bin', 'run', 'etc/iscsi', 'ssh', 'state/agent', 'state/run']) {
    await mkdir(path(each), { recursive: true })
  }
  for (const name of await readdir(scripts)) {
    const script = await readFile(join(scripts, name), 'utf8')
    await writeProgram(path(`lib/${name}`), moved(script, folder))
  }
  for (const [name, lines] of Object.entries(programs)) {
    const script = `#!/bin/sh\n${lines.replaceAll('FOLDER', folder)}\n`
    await writeProgram(path(`bin/${name}`), script)
  }
  const server = await ImageServer.open(folder)
  t.teardown(() => server[Symbol.asyncDispose]())
  const write = (file: string, content: string): Promise<void> => writeFile(path(file), content)
  const words = {
    ...{ url: `http://127.0.0.1:${server.port}`, boot: bootToken, version: '0123456789abcdef' },
    ...{ uuid: '6ba7b810-9dad-41d1-80b4-00c04fd430c8', uuid_made: '', profile: 'host' },
    ...{ address: '10.0.0.7', ...known }
  }
  const lines = Object.entries(words).map(([name, value]) => `known_${name}='${value}'\n`)
  await write('run/boot.sh', lines.join(''))
  await write('run/boot.json', JSON.stringify(words))
  await write('consoles', 'tty0 -WU\n')
  await write('uptime', '600 0\n')
  for (const file of ['hostname', 'etc/hostname']) await write(file, 'remuda-6ba7b810\n')
  return {
    ...{ server, path, write },
    read: file => readFile(path(file), 'utf8').catch(() => undefined),
    run: async script => {
      const shell = spawn(path(`lib/${script}`), [], {
        env: { PATH: `${path('bin')}:/usr/sbin:/usr/bin:/sbin:/bin` }
      })
      const [said, wrong] = await Promise.all([text(shell.stdout), text(shell.stderr)])
      t.is(wrong, '')
      return said
    }
  }
}

/** The script with its places below a folder, and what it counts itself shorter. */
function moved(script: string, folder: string): string {
  const places = [
    ['>"/dev/$console"', `>>"${folder}/said"`],
    ['/usr/lib/remuda/', `${folder}/lib/`],
    ['/run/remuda', `${folder}/run`],
    ['/var/lib/remuda', `${folder}/state`],
    ['/proc/sys/kernel/hostname', `${folder}/hostname`],
    ['/proc/consoles', `${folder}/consoles`],
    ['/proc/uptime', `${folder}/uptime`],
    ['/dev/tpmrm0', `${folder}/tpm`],
    ['/opt/remuda/bin', `${folder}/bin`],
    ['/root/.ssh', `${folder}/ssh`],
    [' /etc/', ` ${folder}/etc/`],
    ['>/etc/', `>${folder}/etc/`],
    ['-t 0.5', '-t 0.01'],
    ['-t 0.1', '-t 0.01'],
    ['rounds % 60', 'rounds % 4']
  ] as const
  return places.reduce((all, [from, to]) => all.replaceAll(from, to), script)
}
