/** How each daemon of a host is started: pure text, from the plan. */
import { join } from 'node:path'
import { stateDefault } from '#shared/state-folder.ts'
import { type ServerPlan, serverPorts, zooKeeperServer } from '../../zookeeper/server.ts'
import { folderOf, hostFolderOf } from '../folder.ts'
import { type HostPlan, type LabPlan, machineRange, membersOf } from '../plan.ts'
import type { DaemonName } from '../protocol.ts'
import { certificateFolder } from './host-files.ts'
import { hostLinks } from './links.ts'

/** Ports of a host's daemons, as their own defaults are. */
export const ports = { api: 7410, agent: 7411, door: 7412 } as const

/** How a daemon is started, and what has to be there before. */
export type DaemonLine = {
  readonly name: DaemonName
  readonly command: readonly string[]
  /** Path on the host, below /run, that must be there first. */
  readonly after?: string
}

const logSocket = 'libvirt/virtlogd-sock'

/** The daemons of a host, in the order in which they start. */
export function daemonsOf(plan: LabPlan, host: HostPlan): readonly DaemonLine[] {
  return [
    { name: 'virtlogd', command: ['/usr/sbin/virtlogd'] },
    ...(plan.locks
      ? [{ name: 'virtlockd' as const, command: ['/usr/sbin/virtlockd'], after: logSocket }]
      : []),
    {
      name: 'libvirtd',
      command: ['/usr/sbin/libvirtd', '--listen'],
      // It tells virtlockd at its own start where locks are held, and ends if it cannot.
      after: plan.locks ? 'libvirt/virtlockd-sock' : logSocket
    },
    ...(host.server === undefined ? [] : [zookeeper(plan, host)]),
    ...(host.isCandidate
      ? [
          { name: 'bootd' as const, command: bootd(plan, host) },
          { name: 'controller' as const, command: controller(plan, host) }
        ]
      : []),
    { name: 'agent', command: agent(plan, host), after: 'libvirt/libvirt-sock' }
  ]
}

/** Heap of a server: as much as some ten thousand instances need at a restart. Unit: MiB. */
const heapMib = 256

/** A host's server of the ensemble, with the files that it reads; undefined: it runs none. */
export function serverOf(plan: LabPlan, host: HostPlan): ServerPlan | undefined {
  const { server, name } = host
  if (server === undefined) return undefined
  const folder = hostFolderOf(plan.folder, name).zookeeper
  const home = { version: '', classPath: plan.classPath ?? [] }
  return zooKeeperServer(home, { id: server, members: membersOf(plan), folder, heapMib })
}

function zookeeper(plan: LabPlan, host: HostPlan): DaemonLine {
  const { command, args } = serverOf(plan, host)!
  return { name: 'zookeeper', command: [command, ...args] }
}

function controller(plan: LabPlan, host: HostPlan): readonly string[] {
  const { address } = host
  return [
    ...node(plan, host),
    join(folderOf(plan.folder).programs, 'remuda-controller.js'),
    `--state=${stateDefault}`,
    `--api-address=${address}`,
    `--door-address=${address}`,
    `--content-url=http://${address}:${ports.api}`,
    `--cidr=${plan.instances.cidr}`,
    ...ensemble(plan, host)
  ]
}

function bootd(plan: LabPlan, host: HostPlan): readonly string[] {
  return [
    ...node(plan, host),
    join(folderOf(plan.folder).programs, 'remuda-bootd.js'),
    `--state=${stateDefault}`,
    `--address=${host.address}`,
    '--look-every-ms=5000',
    ...(plan.machines && host === plan.hosts[0] ? bootService(plan) : [])
  ]
}

/** One of them gives addresses: two on one segment would give the same ones. */
function bootService(plan: LabPlan): readonly string[] {
  return [
    '--boot-mode=full',
    `--boot-interface=${hostLinks.hosts}`,
    `--boot-range=${machineRange(plan).join('-')}`,
    `--boot-router=${plan.subnet.router}`
  ]
}

/** How a candidate finds its ensemble; nothing where there is none. */
function ensemble(plan: LabPlan, host: HostPlan): readonly string[] {
  const members = membersOf(plan)
  if (members.length === 0) return []
  const servers = members.map(({ address }) => `${address}:${serverPorts.client}`)
  return [
    `--name=${host.name}`,
    '--journal=zookeeper',
    `--ensemble=${servers.join(',')}`,
    `--ensemble-secret-file=${folderOf(plan.folder).ensembleSecret}`,
    `--session-ms=${plan.sessionMs}`,
    `--api-url=http://${host.address}:${ports.api}`
  ]
}

function agent(plan: LabPlan, host: HostPlan): readonly string[] {
  return [
    ...node(plan, host),
    join(folderOf(plan.folder).programs, 'remuda-agent.js'),
    `--state=${stateDefault}`,
    `--address=${host.address}`,
    `--host-uuid=${host.uuid}`,
    `--migration-uri=qemu+tls://{address}/system?pkipath=${certificateFolder}`,
    `--reboot-program=${hostFolderOf(plan.folder, host.name).reboot}`,
    ...(plan.watchdogMs === undefined
      ? []
      : [`--watchdog-folder=${hostFolderOf(plan.folder, host.name).watchdog}`])
  ]
}

/** Node as our daemons are run by it, with a wall clock that can be moved where that is wanted. */
function node(plan: LabPlan, host: HostPlan): readonly string[] {
  const { programs } = folderOf(plan.folder)
  const clock = hostFolderOf(plan.folder, host.name).clock
  return [
    '/usr/bin/env',
    `NODE_COMPILE_CACHE=${join(programs, '.cache')}`,
    ...(plan.clocks ? fakeClock(clock) : []),
    process.execPath,
    '--enable-source-maps'
  ]
}

/** Where Debian's libfaketime puts its library for programs with several threads. */
export const fakeTimeLibrary = '/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1'

/** The file is read again each second; the monotonic clock, by which we measure, stays true. */
const fakeClock = (file: string): readonly string[] => [
  `LD_PRELOAD=${fakeTimeLibrary}`,
  `FAKETIME_TIMESTAMP_FILE=${file}`,
  'FAKETIME_CACHE_DURATION=1',
  'FAKETIME_DONT_FAKE_MONOTONIC=1',
  'DONT_FAKE_MONOTONIC=1'
]
