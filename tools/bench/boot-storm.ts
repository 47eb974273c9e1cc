/**
 * A rack that boots at once: 200 machines ask for an address (DHCP), fetch their first file (TFTP)
 * and a root of 64 MiB (HTTP) in the same moment, from bootd, and from a plain dnsmasq with nginx.
 * Both serve in a namespace of their own, in turns, and the machines are one process in another:
 * everything shares this machine's cores. Needs root, and nginx (nginx-light).
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { Fault } from '../../shared/fault.ts'
import { exists } from '../../shared/files.ts'
import { isInstalled, run } from '../../shared/process.ts'
import { type Machine, ownAddress, Segment } from '../../test/lab/netboot/segment.ts'
import type { StormOutcome, StormWish } from './boot-storm-clients.ts'
import { formatTime, median, memoryOf, quantile } from './measure.ts'

const clients = join(import.meta.dirname, 'boot-storm-clients.ts')
const [firstHost, lastHost] = [20, 249]
const range = `10.77.0.${firstHost}-10.77.0.${lastHost}`
const stormMsMax = 600_000

/** Runs it; `--machines`, `--mib`, `--rounds`. */
export async function bootStormBench(print: (line: string) => void): Promise<void> {
  if (!isInstalled('nginx')) {
    throw new Fault('command', 'cannot measure against nginx: it is not installed', {
      next: ['apt-get install nginx-light']
    })
  }
  const { values } = parseArgs({
    args: process.argv.slice(3),
    options: {
      machines: { type: 'string', default: '200' },
      mib: { type: 'string', default: '64' },
      rounds: { type: 'string', default: '3' }
    }
  })
  const [machines, mib, rounds] = [values.machines, values.mib, values.rounds].map(Number)
  if (!(machines! > 0 && machines! <= lastHost - firstHost + 1)) {
    throw new Fault('invalid', `cannot boot ${machines} machines: there is room for 230`)
  }
  print(`${machines} machines at once: DHCP, TFTP, ${mib} MiB by HTTP`)
  await using segment = await Segment.make({ rootBytes: mib! * 1024 * 1024 })
  await using rack = await plugRack(segment)
  const medians: Record<'bootd' | 'nginx', number[]> = { bootd: [], nginx: [] }
  for (let round = 0; round < rounds!; round += 1) {
    for (const side of ['bootd', 'nginx'] as const) {
      const { outcome, memory } = await (side === 'bootd' ? ofBootd : ofNginx)(
        ...([segment, rack, machines!] as const)
      )
      medians[side].push(median(outcome.doneMs))
      print(lineOf(side, outcome, memory))
    }
  }
  const ratio = median(medians.bootd) / median(medians.nginx)
  print(`time to the last byte, median of medians: bootd ${ratio.toFixed(2)} times dnsmasq+nginx`)
}

function lineOf(
  side: string,
  { doneMs, dhcpMs, tftpMs, errors, bytes }: StormOutcome,
  memory: string
) {
  const worst = Math.max(...doneMs)
  const rate = (bytes / 1024 / 1024 / (worst / 1_000)).toFixed(0)
  const parts = [
    `address ${formatTime(median(dhcpMs))}`,
    `first file ${formatTime(median(tftpMs))}`,
    `last byte ${formatTime(median(doneMs))} (p95 ${formatTime(quantile(doneMs, 0.95))}`,
    `worst ${formatTime(worst)})`,
    `${rate} MiB/s`,
    `errors ${errors.length}${errors.length > 0 ? `: ${errors[0]}` : ''}`
  ]
  return `${side}: ${parts.join(', ')}, ${memory}`
}

/** A namespace that has the addresses of all machines. */
async function plugRack(segment: Segment): Promise<Machine> {
  const rack = await segment.machine()
  const hosts = Array.from({ length: lastHost - firstHost + 1 }, (_, index) => firstHost + index)
  const lines = [...hosts, 253].map(host => `address add 10.77.0.${host}/24 dev eth0`)
  await rack.client.netns.run('ip', ['-batch', '-'], lines.join('\n'))
  return rack
}

async function ofBootd(segment: Segment, rack: Machine, machines: number) {
  segment.log = ''
  const pid = segment.start('--boot-mode', 'full', '--boot-range', range)
  try {
    await segment.logged(/dnsmasq of network boot runs/)
    await segment.logged(/image version is whole/)
    const outcome = await stormFrom(rack, { machines, port: 7480 })
    const both = [await memoryOf(pid), await memoryOf(await segment.dnsmasq())]
    return { outcome, memory: `bootd ${both[0]!.peak} MiB, dnsmasq ${both[1]!.peak} MiB` }
  } finally {
    await segment.stop()
  }
}

async function ofNginx(segment: Segment, rack: Machine, machines: number) {
  const folder = join(segment.folder, 'plain')
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, 'dnsmasq.conf'), dnsmasqConf(folder))
  await writeFile(join(folder, 'nginx.conf'), nginxConf(folder, segment))
  const dnsmasq = inside(segment, ['dnsmasq', '-k', '-C', join(folder, 'dnsmasq.conf')])
  const nginx = inside(segment, ['nginx', '-c', join(folder, 'nginx.conf')])
  try {
    for (const name of ['dnsmasq.pid', 'nginx.pid']) {
      while (!(await exists(join(folder, name)))) await sleep(50)
    }
    const outcome = await stormFrom(rack, { machines, port: 7481, path: '/root.squashfs' })
    const [plain, workers] = [await memoryOf(dnsmasq.pid!), await childrenOf(nginx.pid!)]
    const peaks = await Promise.all([nginx.pid!, ...workers].map(memoryOf))
    const sum = peaks.reduce((all, { peak }) => all + peak, 0)
    return { outcome, memory: `nginx ${sum} MiB, dnsmasq ${plain.peak} MiB` }
  } finally {
    for (const child of [dnsmasq, nginx]) {
      const ended = child.exitCode === null ? once(child, 'exit') : undefined
      child.kill('SIGTERM')
      await ended
    }
    await run('rm', ['-rf', folder], { deadlineMs: 10_000 })
  }
}

function inside(segment: Segment, line: readonly string[]): ChildProcess {
  const namespace = `--net=/run/netns/${segment.host.name}`
  return spawn('nsenter', [namespace, '--', ...line], { stdio: 'ignore' })
}

async function stormFrom(
  rack: Machine,
  wish: Pick<StormWish, 'machines' | 'port' | 'path'>
): Promise<StormOutcome> {
  const all: StormWish = {
    ...{ server: ownAddress, own: '10.77.0.253', tftpFile: 'undionly.kpxe' },
    ...wish
  }
  const namespace = `--net=/run/netns/${rack.client.netns.name}`
  const line = [namespace, '--', process.execPath, clients, JSON.stringify(all)]
  const { stdout } = await run('nsenter', line, { deadlineMs: stormMsMax })
  return JSON.parse(stdout) as StormOutcome
}

async function childrenOf(pid: number): Promise<readonly number[]> {
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')
  return text.trim().split(' ').filter(Boolean).map(Number)
}

const dnsmasqConf = (folder: string): string =>
  [
    ...['port=0', 'interface=br0', 'except-interface=lo', 'bind-dynamic', 'user=root', 'no-ping'],
    ...[`pid-file=${folder}/dnsmasq.pid`, `dhcp-leasefile=${folder}/leases`, 'dhcp-authoritative'],
    `dhcp-range=${range.replace('-', ',')},255.255.255.0,1h`,
    ...['enable-tftp', 'tftp-root=/usr/lib/ipxe', 'tftp-max=400', 'dhcp-boot=undionly.kpxe']
  ]
    .map(line => `${line}\n`)
    .join('')

const nginxConf = (folder: string, { state, version }: Segment): string => `
daemon off; user root; worker_processes auto; pid ${folder}/nginx.pid; error_log ${folder}/error;
events { worker_connections 4096; }
http {
  access_log off; sendfile on; tcp_nopush on; client_body_temp_path ${folder}/body;
  proxy_temp_path ${folder}/proxy; fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi; scgi_temp_path ${folder}/scgi;
  server { listen ${ownAddress}:7481; root ${state}/bootd/images/${version}; }
}
`
