/** What `doctor` looks at on this machine, whether or not anything of ours runs. */
import fs from 'node:fs'
import net from 'node:net'
import path from 'node:path'
import { isFault } from '#shared/fault.ts'
import { codeOf } from '#shared/files.ts'
import { formatMib, formatMs } from '#shared/units.ts'
import { readTls } from '#shared/zookeeper/tls-files.ts'
import { readConfig, serversOf } from '../../../controller/io/config.ts'
import { mayBreakMoves, qemuMovesMin } from '../../qemu/version.ts'
import type { Check } from './doctor.ts'
import { endOf } from './doctor-end.ts'
import type { Ensemble } from './doctor-ensemble.ts'

/** Time for a socket to take a connection. */
const connectMsMax = 2_000
/** Free room below which new instances fail soon, and below which the journal stops. */
const freeMib = { warn: 2_048, fail: 256 }
/** Clocks that are further apart than this make histories hard to read. */
const skewMsMax = 2_000
/** No clock that is right shows less. */
const earliest = Date.parse('2025-01-01T00:00:00Z')

const startHere = 'start Remuda on this machine: npm run up'

/** Whether there is a state folder, and a configuration that can be read. */
export async function checkConfiguration(
  state: string,
  environment: Readonly<Record<string, string | undefined>>
): Promise<Check> {
  const name = 'configuration'
  if (!fs.existsSync(state)) {
    const found = `there is no state folder ${state}`
    return { name, state: 'fail', found, fix: `${startHere}; or name another one: --state DIR` }
  }
  try {
    await readConfig(['--state', state], environment)
    const file = path.join(state, 'controller', 'controller.json')
    const source = fs.existsSync(file) ? file : 'defaults'
    return { name, state: 'ok', found: `state in ${state}, configuration from ${source}` }
  } catch (error) {
    if (!isFault(error)) throw error
    if (codeOf(error.cause) === 'EACCES') {
      const found = `${error.message}: it is not for you`
      return { name, state: 'skip', found, fix: 'run it as root to have it looked at' }
    }
    const found = [error.message, ...error.reasons].join('; ')
    return { name, state: 'fail', found, fix: error.next[0] ?? 'mend the file' }
  }
}

/** The ensemble that the configuration names, if it can be read. */
export async function ensembleOf(
  state: string,
  environment: Readonly<Record<string, string | undefined>>
): Promise<Ensemble> {
  try {
    const config = await readConfig(['--state', state], environment)
    const { ensembleAuthority: ca, ensembleCertificate: certificate, ensembleKey: key } = config
    const files = ca && { ca, ...(certificate && { certificate }), ...(key && { key }) }
    return { servers: serversOf(config.ensemble), ...(files && { tls: await readTls(files) }) }
  } catch (error) {
    // What is wrong with the configuration is another check.
    if (isFault(error)) return { servers: [] }
    throw error
  }
}

/** Whether the controller's socket is there, may be opened, and takes connections. */
export async function checkSocket(state: string): Promise<Check> {
  const name = 'socket'
  const file = path.join(state, 'run', 'admin.sock')
  const reader = path.join(state, 'run', 'read.sock')
  const end = endOf(state, 'controller')
  const because = end === undefined ? '' : `; ${end}`
  if (!fs.existsSync(file)) {
    return { name, state: 'fail', found: `there is no ${file}${because}`, fix: startHere }
  }
  const code = await connectTo(file)
  if (code === undefined) return { name, state: 'ok', found: `${file} takes connections` }
  if (code !== 'EACCES') {
    const found = `nobody listens on ${file} (${code})${because}`
    return { name, state: 'fail', found, fix: startHere }
  }
  const canRead = (await connectTo(reader)) === undefined
  const fix = 'run it as root, or use a token: --server URL --token-file FILE'
  return canRead
    ? { name, state: 'warn', found: `you may read (${reader}), not change`, fix }
    : { name, state: 'fail', found: `${file} may not be opened by you`, fix }
}

/** Connects and hangs up again; gives the code of the failure, if it fails. */
function connectTo(file: string): Promise<string | undefined> {
  return new Promise(resolve => {
    const socket = net.connect(file)
    const end = (code: string | undefined) => {
      clearTimeout(timer)
      socket.destroy()
      resolve(code)
    }
    const timer = setTimeout(() => end('ETIMEDOUT'), connectMsMax)
    socket.once('connect', () => end(undefined))
    socket.once('error', (error: NodeJS.ErrnoException) => end(error.code ?? 'unknown'))
  })
}

/** Whether the state folder has room. */
export async function checkDisk(state: string): Promise<Check> {
  const name = 'disk'
  try {
    const { bavail, blocks, bsize } = await fs.promises.statfs(state)
    const free = (bavail * bsize) / 2 ** 20
    const found = `${formatMib(free)} of ${formatMib((blocks * bsize) / 2 ** 20)} free at ${state}`
    const fix = 'make room, or move the state folder to a larger disk'
    if (free < freeMib.fail) return { name, state: 'fail', found, fix }
    return free < freeMib.warn ? { name, state: 'warn', found, fix } : { name, state: 'ok', found }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    return { name, state: 'skip', found: `cannot look at ${state}: ${code}` }
  }
}

/** Programs that agents run, and the Debian packages that hold them. */
const programs: readonly (readonly [program: string, debianPackage: string])[] = [
  ['qemu-system-x86_64', 'qemu-system-x86'],
  ['qemu-img', 'qemu-utils'],
  ['dnsmasq', 'dnsmasq-base'],
  ['nft', 'nftables'],
  ['ip', 'iproute2']
]

/** Whether the programs are there that agents run. */
export function checkPrograms(searchPath: string): Check {
  const name = 'programs'
  const folders = [...searchPath.split(':'), '/usr/sbin', '/sbin', '/usr/bin', '/bin']
  const missing = programs.filter(
    ([program]) => !folders.some(folder => fs.existsSync(path.join(folder, program)))
  )
  if (missing.length === 0) {
    return { name, state: 'ok', found: programs.map(([program]) => program).join(', ') }
  }
  return {
    name,
    state: 'fail',
    found: `missing: ${missing.map(([program]) => program).join(', ')}`,
    fix: `apt-get install ${missing.map(([, debianPackage]) => debianPackage).join(' ')}`
  }
}

/** Whether libvirt takes connections. */
export async function checkLibvirt(root = '/'): Promise<Check> {
  const name = 'libvirt'
  const files = ['libvirt-sock', 'virtqemud-sock'].map(file =>
    path.join(root, 'run', 'libvirt', file)
  )
  const tried: string[] = []
  for (const file of files) {
    const code = await connectTo(file)
    if (code === undefined) return { name, state: 'ok', found: `${file} takes connections` }
    tried.push(`${file} (${code})`)
  }
  return {
    name,
    state: 'fail',
    found: `no libvirt daemon answers at ${tried.join(' or ')}`,
    fix: 'npm run up starts it, and so does, where there is systemd: systemctl start libvirtd'
  }
}

/** Whether VMs run under KVM; known for certain only from an agent that has tried it. */
export function checkKvm(
  tried: { readonly works: boolean; readonly because: string } | undefined,
  qemuVersion?: string
): Check {
  const name = 'kvm'
  const enable =
    'enable virtualisation in the firmware, or nested virtualisation below this machine'
  const own = qemuVersion ?? 'of this machine, which does not say which it is'
  const fix =
    qemuVersion !== undefined && !mayBreakMoves(qemuVersion)
      ? enable
      : `${enable}; until then a VM may break when it moves while it runs: it takes QEMU ` +
        `${qemuMovesMin} not to, and here is QEMU ${own} (docs/hosts.md)`
  if (tried?.works) return { name, state: 'ok', found: tried.because }
  if (tried) {
    const found = `VMs run under TCG, many times slower: ${tried.because}`
    return { name, state: 'warn', found, fix }
  }
  return fs.existsSync('/dev/kvm')
    ? { name, state: 'ok', found: '/dev/kvm is there; an agent has not tried it yet' }
    : { name, state: 'warn', found: 'there is no /dev/kvm: VMs run under TCG, slowly', fix }
}

const timeServices = new Set(['chronyd', 'ntpd', 'systemd-timesyn', 'ptp4l', 'phc2sys'])

/** Whether the clock can be believed. */
export function checkClock(options: {
  /** What the controller's clock said, and what ours said then. */
  readonly theirs: { readonly wall: number; readonly here: number } | undefined
  readonly now: number
  readonly root: string
}): Check {
  const name = 'clock'
  const { theirs, now, root } = options
  const shown = new Date(now).toISOString()
  const fix = 'set it, and install a time service: apt-get install systemd-timesyncd'
  if (now < earliest) return { name, state: 'fail', found: `it is not ${shown}`, fix }
  const skewMs = theirs === undefined ? 0 : Math.abs(theirs.wall - theirs.here)
  if (skewMs > skewMsMax) {
    const found = `it is ${formatMs(skewMs)} away from the controller's`
    return { name, state: 'warn', found, fix }
  }
  const isKept =
    fs.existsSync(path.join(root, 'run/systemd/timesync/synchronized')) || runsTimeService(root)
  return isKept
    ? { name, state: 'ok', found: `${shown}, kept by a time service` }
    : { name, state: 'warn', found: `${shown}, but no time service keeps it`, fix }
}

function runsTimeService(root: string): boolean {
  const folder = path.join(root, 'proc')
  try {
    return fs
      .readdirSync(folder)
      .filter(entry => /^\d+$/.test(entry))
      .some(entry => timeServices.has(nameOfProcess(path.join(folder, entry, 'comm'))))
  } catch {
    return false
  }
}

function nameOfProcess(file: string): string {
  try {
    return fs.readFileSync(file, 'utf8').trim()
  } catch {
    return ''
  }
}
