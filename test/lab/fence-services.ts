/**
 * Power devices of Debian on loopback: OpenIPMI's baseboard controller, and net-snmp's agent as a
 * power strip of APC. The machine behind each is a file, which a script reads and writes.
 *
 *  - What ipmi_sim needs is in tools/lab/bmc/ipmi.ts.
 *  - snmpd passes a subtree of objects to a script, which is asked with -g, -n and -s. It has to
 *    say whose it is (sysObjectID), or the fence agent takes it for an unknown model.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { writeIpmiFiles } from '../../tools/lab/bmc/ipmi.ts'

/** A service with its machines, until it is disposed of. */
export type PowerService = AsyncDisposable & {
  readonly port: number
  /** Whether a machine has power; machines are numbered from 1. */
  readonly isRunning: (machine?: number) => Promise<boolean>
}

/** User and password of the baseboard controller. */
export const bmcUser = 'admin'
export const bmcPassword = 'sesame-7f'
/** Community of the power strip. */
export const stripCommunity = 'stable-3c'

const chassis = `#!/bin/sh
file=$(dirname "$0")/power1
verb=$1
shift
case $verb in
get)
  for name in "$@"; do
    if [ "$name" = power ]; then echo "power:$(cat "$file")"; else echo "$name:0"; fi
  done ;;
set)
  while [ $# -gt 1 ]; do
    if [ "$1" = power ]; then echo "$2" >"$file"; fi
    shift 2
  done ;;
esac
`

/** A baseboard controller that speaks IPMI; `serial`: where its machine's serial line is. */
export async function startBmc(options: { readonly serial?: string } = {}): Promise<PowerService> {
  const { folder, port } = await makePlace(1)
  await writeFile(join(folder, 'chassis'), chassis, { mode: 0o755 })
  const [command = '', ...args] = await writeIpmiFiles({
    ...{ folder, address: '127.0.0.1', port, user: bmcUser, password: bmcPassword },
    chassis: join(folder, 'chassis'),
    ...options
  })
  const child = await start(command, args)
  return serviceOf({ folder, port, child })
}

const stripRoot = '.1.3.6.1.4.1.318.1.1.12.3'
/** Objects of outlet n: its name, its state, and what it is told (1: on, 2: off). */
const strip = `#!/bin/bash
folder=$(dirname "$0")
name=${stripRoot}.5.1.1.2 state=${stripRoot}.5.1.1.4 told=${stripRoot}.3.1.1.4
list=("$told.1" "$told.2" "$name.1" "$name.2" "$state.1" "$state.2")
value() {
  outlet=\${1##*.}
  case $1 in
  $name.*) echo string; echo "outlet$outlet" ;;
  $state.*|$told.*)
    echo integer
    if [ "$(cat "$folder/power$outlet")" = 1 ]; then echo 1; else echo 2; fi ;;
  *) return 1 ;;
  esac
}
case $1 in
-g) said=$(value "$2") && { echo "$2"; echo "$said"; } ;;
-n)
  for each in "\${list[@]}"; do
    first=$(printf '%s\\n%s\\n' "$2" "$each" | sort -V | head -1)
    if [ "$first" = "$2" ] && [ "$2" != "$each" ]; then echo "$each"; value "$each"; break; fi
  done ;;
-s)
  case $2 in
  $told.*) if [ "$4" = 1 ]; then echo 1; else echo 0; fi >"$folder/power\${2##*.}" ;;
  *) echo not-writable ;;
  esac ;;
esac
exit 0
`

/** A power strip with two outlets that speaks SNMP. */
export async function startStrip(): Promise<PowerService> {
  const { folder, port } = await makePlace(2)
  await writeFile(join(folder, 'strip'), strip, { mode: 0o755 })
  const lines = [
    `agentAddress udp:127.0.0.1:${port}`,
    `rwcommunity ${stripCommunity}`,
    'sysobjectid .1.3.6.1.4.1.318.1.3.4.5',
    `pass ${stripRoot} /bin/bash ${join(folder, 'strip')}`
  ]
  await writeFile(join(folder, 'snmpd.conf'), `${lines.join('\n')}\n`, { mode: 0o600 })
  const child = await start(
    'snmpd',
    ['-f', '-C', '-c', join(folder, 'snmpd.conf'), '-LF', '3', join(folder, 'log'), '-I', '-smux'],
    { SNMP_PERSISTENT_DIR: join(folder, 'state') }
  )
  return serviceOf({ folder, port, child })
}

/** Something that hears everything and never answers. */
export async function startSilence(): Promise<PowerService> {
  const socket = await openSocket()
  return {
    port: socket.address().port,
    isRunning: async () => true,
    [Symbol.asyncDispose]: async () => void socket.close()
  }
}

/** Lines of the list of processes in which a text stands. */
export async function processesWith(text: string): Promise<readonly string[]> {
  const pids = (await readdir('/proc')).filter(name => /^\d+$/.test(name))
  const lines = await Promise.all(
    pids.map(pid => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => ''))
  )
  return lines.map(line => line.replaceAll('\0', ' ')).filter(line => line.includes(text))
}

async function makePlace(machines: number): Promise<{ folder: string; port: number }> {
  const folder = await mkdtemp(join(tmpdir(), 'remuda-fence-'))
  for (let machine = 1; machine <= machines; machine++) {
    await writeFile(join(folder, `power${machine}`), '1\n')
  }
  const socket = await openSocket()
  const { port } = socket.address()
  socket.close()
  return { folder, port }
}

async function openSocket(): Promise<Socket> {
  const socket = createSocket('udp4')
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  return socket
}

async function start(
  command: string,
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {}
): Promise<ChildProcess> {
  const bound = ['--pdeathsig', 'KILL', command, ...args]
  const env = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', ...environment }
  const child = spawn('setpriv', bound, { cwd: '/', env, stdio: 'ignore' })
  await once(child, 'spawn')
  return child
}

function serviceOf(given: {
  readonly folder: string
  readonly port: number
  readonly child: ChildProcess
}): PowerService {
  const { folder, port, child } = given
  return {
    port,
    isRunning: async (machine = 1) => {
      return (await readFile(join(folder, `power${machine}`), 'utf8')).trim() === '1'
    },
    [Symbol.asyncDispose]: async () => {
      const gone = child.exitCode === null ? once(child, 'exit') : undefined
      child.kill('SIGKILL')
      await gone
      await rm(folder, { recursive: true, force: true })
    }
  }
}
