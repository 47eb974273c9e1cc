/**
 * A rack that boots within some seconds, with bootd alone and with hosts that serve their image:
 * how long until the last machine has its root. Each machine is a namespace with a line of its own,
 * as fast as bootd's, and fetches as the first stage of a host does, by its own script; once it has
 * its root it takes a while to join, and then runs the program that serves. Needs root.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { run } from '../../shared/process.ts'
import type { BootPlan } from '../../shared/wire/boot.ts'
import { imageKey, tokenOf } from '../../test/bootd/boot/boot-server.ts'
import { type Machine, ownAddress, range, Segment } from '../../test/lab/netboot/segment.ts'
import { formatTime, median, quantile } from './measure.ts'

const [stage1, peer] = [
  join(import.meta.dirname, '../host-image/inside/stage1/fetch'),
  join(import.meta.dirname, '../../bootd/peer.ts')
]
const url = `http://${ownAddress}:7480`
const fetchMsMax = 900_000
const applets = 'wget sed tr sha256sum cut stat rm tail head od timeout sleep'.split(' ')

/** Units: MiB, Mbit/s, s. */
type Rack = {
  readonly machines: number
  readonly mib: number
  readonly mbit: number
  /** Over how long they begin, and how long each takes from its root until it has joined. */
  readonly spread: number
  readonly join: number
  /** Files that bootd sends at once. */
  readonly transfers: number
}

/** Runs it; `--machines`, `--mib`, `--mbit`, `--spread`, `--join`, `--transfers`. */
export async function bootPeersBench(print: (line: string) => void): Promise<void> {
  const rack = readRack()
  const all = Object.entries(rack).map(([name, value]) => `${name} ${value}`)
  print(`a rack boots: ${all.join(', ')}`)
  const worst: number[] = []
  for (const isServed of [false, true]) {
    const outcome = await bootRack(rack, isServed)
    const doneMs = outcome.map(({ ms }) => ms)
    const byPeers = outcome.filter(one => one.from !== '').length
    worst.push(Math.max(...doneMs))
    const parts = [
      `median ${formatTime(median(doneMs))}`,
      `p95 ${formatTime(quantile(doneMs, 0.95))}`
    ]
    print(
      `${isServed ? 'hosts serve, too' : 'bootd alone'}: root there, of all from the first on: ` +
        `${parts.join(', ')}, last ${formatTime(worst.at(-1)!)}; ${byPeers} from hosts`
    )
  }
  print(
    `the last machine: ${(worst[1]! / worst[0]!).toFixed(2)} times as long with hosts that serve`
  )
}

function readRack(): Rack {
  const options = Object.fromEntries(
    Object.entries({ machines: 24, mib: 64, mbit: 200, spread: 10, join: 10, transfers: 256 }).map(
      ([name, value]) => [name, { type: 'string' as const, default: String(value) }]
    )
  )
  const { values } = parseArgs({ args: process.argv.slice(3), options })
  const entries = Object.entries(values).map(([name, value]) => [name, Number(value)])
  return Object.fromEntries(entries) as Rack
}

const macOf = (index: number): string => `52:54:00:78:00:${index.toString(16).padStart(2, '0')}`
const uuidOf = (index: number): string =>
  `10000000-0000-4000-8000-${index.toString(16).padStart(12, '0')}`

async function bootRack(rack: Rack, isServed: boolean) {
  await using segment = await Segment.make({ rootBytes: rack.mib * 1024 * 1024 })
  const { version } = segment
  const machines = Array.from({ length: rack.machines }, (_, index) => ({
    ...{ name: `h${index}`, uuid: uuidOf(index), macs: [macOf(index)], profile: 'host' as const },
    ...{ version, wish: 'image', secret: `a-secret-of-host-${index}-alone` }
  }))
  const plan: BootPlan = {
    ...{ ...segment.plan, machines },
    ...(isServed && { peers: { key: 'key-of-the-peers-of-this-bench' } })
  }
  await writeFile(join(segment.state, 'bootd/boot-plan.json'), JSON.stringify(plan))
  await prepare(segment)
  const flags = ['--boot-mode', 'full', '--boot-range', range]
  segment.start(...flags, '--boot-transfers-max', String(rack.transfers))
  await segment.logged(/dnsmasq of network boot runs/)
  await segment.logged(/image version is whole/)
  await shape(segment.host, 'br0', rack.mbit)
  await using stack = new AsyncDisposableStack()
  const plugged: Machine[] = []
  for (let index = 0; index < rack.machines; index += 1) {
    const machine = stack.use(await segment.machine(macOf(index)))
    await shape(machine.client.netns, 'eth0', rack.mbit)
    await shape(segment.host, `p${index + 1}`, rack.mbit)
    plugged.push(machine)
  }
  const serving: ChildProcess[] = []
  stack.defer(() => void serving.map(child => child.kill('SIGKILL')))
  const startedAt = performance.now()
  return await Promise.all(
    plugged.map(async (machine, index) => {
      await sleep((index * rack.spread * 1_000) / rack.machines)
      const { from, boot, address } = await fetchRoot(segment, machine, index)
      const ms = performance.now() - startedAt
      await sleep(rack.join * 1_000)
      const given = await machine.fetch(`/v1/boots/${boot}/join`)
      await machine.fetch(`/v1/boots/${boot}/progress`, 'stage=joined')
      const { peer: words } = JSON.parse(given) as { readonly peer?: object }
      const { version } = segment
      const known = { ...words, url, boot, version, address }
      if (words) serving.push(serve(machine, known, workOf(segment, index)))
      return { ms, from }
    })
  )
}

/** Whatever leaves there goes at this rate. */
async function shape(where: Segment['host'], device: string, mbit: number): Promise<void> {
  const limit = ['root', 'tbf', 'rate', `${mbit}mbit`, 'burst', '256kb', 'latency', '400ms']
  await where.run('tc', ['qdisc', 'add', 'dev', device, ...limit])
}

/** What the script of the first stage needs: its programs, and the key. */
async function prepare({ folder }: Segment): Promise<void> {
  await mkdir(join(folder, 'bin'))
  for (const name of applets) await symlink('/bin/busybox', join(folder, 'bin', name))
  await symlink('/usr/bin/signify-openbsd', join(folder, 'bin/signify'))
  await writeFile(join(folder, 'image.pub'), `untrusted comment: of a bench\n${imageKey}\n`)
  const lines = [
    'say() { :; }',
    'progress() { wget -q -O /dev/null --post-data "stage=$1&$2" "$url/v1/boots/$boot/progress"; }',
    'fail() { echo "failed: $*"; exit 1; }',
    `. ${stage1}`,
    'fetch_manifest; fetch_root 2>/dev/null; echo "whole $peer"'
  ]
  await writeFile(join(folder, 'boot.sh'), lines.join('\n'))
}

const workOf = ({ folder }: Segment, index: number): string => join(folder, `work-${index}`)

async function fetchRoot(segment: Segment, machine: Machine, index: number) {
  const { folder, version } = segment
  const address = (await machine.boot('system'))?.address ?? ''
  const names = `uuid=${uuidOf(index)}&mac=${macOf(index)}&arch=x86_64&platform=efi`
  const boot = tokenOf(await machine.fetch(`/boot.ipxe?${names}`))
  const [work, notes] = [workOf(segment, index), join(folder, `notes-${index}`)]
  for (const each of [work, notes]) await mkdir(each)
  const namespace = `--net=/run/netns/${machine.client.netns.name}`
  const { stdout } = await run('nsenter', [namespace, '--', '/bin/sh', join(folder, 'boot.sh')], {
    deadlineMs: fetchMsMax,
    environment: {
      ...{ url, boot, version, manifest: '', work, notes, PATH: join(folder, 'bin') },
      key: join(folder, 'image.pub')
    }
  })
  const [, from] = /^whole (.*)$/m.exec(stdout) ?? []
  if (from === undefined) throw new Error(`machine ${index} has no root: ${stdout}`)
  return { from, boot, address }
}

/** Has a machine serve its root, as it does once it has joined. */
function serve(machine: Machine, words: object, work: string): ChildProcess {
  const namespace = `--net=/run/netns/${machine.client.netns.name}`
  const line = [namespace, '--', process.execPath, peer, work]
  const child = spawn('nsenter', line, { stdio: ['pipe', 'ignore', 'ignore'] })
  child.stdin!.end(JSON.stringify(words))
  return child
}
