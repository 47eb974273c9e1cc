/** What happens to machines in stories of a cloud that heals itself, and what is seen of it. */
import { Fault } from '#shared/fault.ts'
import { newId } from '#shared/ids.ts'
import { arm, disarm, setHealing } from '../../controller/core/admission/healing.ts'
import type { Commit } from '../../controller/core/commit.ts'
import { documentOf } from '../../controller/core/documents.ts'
import { healingStatus } from '../../controller/core/healing.ts'
import { isRefusal, type Refusal } from '../../controller/core/refusal.ts'
import { faultOf } from '../../controller/io/refusal-fault.ts'
import type { MigrationMoment } from '../world/fake-hypervisor.ts'
import { type MachineRoom, outletsOf } from '../world/machine-room.ts'
import type { SwitchMode } from '../world/power-switch.ts'
import type { HostWish, WholeCloud } from '../world/whole-cloud.ts'

/** A machine of a story, with how its power switch is; `none`: it has none. */
export type MachineWish = HostWish & {
  readonly bmc?: SwitchMode | 'none'
  /** A second level, behind the switch; left out: there is none. */
  readonly outlets?: boolean
  readonly rack?: string
}

export type MachineDeed =
  | {
      readonly do: 'power-off' | 'power-on' | 'hang' | 'wake' | 'freeze-agent' | 'thaw-agent'
      readonly host: string
    }
  | { readonly do: 'bmc' | 'outlets'; readonly host: string; readonly mode: SwitchMode }
  | { readonly do: 'bmc-fails'; readonly host: string; readonly times: number }
  | { readonly do: 'partition'; readonly hosts: readonly string[] }
  | {
      readonly do: 'flap'
      readonly host: string
      readonly times: number
      readonly downMs: number
      readonly upMs: number
    }
  | { readonly do: 'late'; readonly host: string; readonly byMs: number; readonly forMs: number }
  | { readonly do: 'clock-jump'; readonly byMs: number }
  | { readonly do: 'disarm'; readonly because: string }
  | { readonly do: 'reserve'; readonly hosts: number }
  | { readonly do: 'mend-partition' }
  | { readonly do: 'arm' | 'ha' | 'beat-on-storage' }
  | { readonly do: 'stop-bootd' | 'start-bootd'; readonly bootd: string }
  | { readonly do: 'show-host'; readonly host: string }
  | { readonly do: 'change-host'; readonly host: string; readonly spec: object }
  | { readonly do: 'move'; readonly name: string; readonly to: string }
  | {
      readonly do: 'at-moment'
      readonly moment: MigrationMoment
      readonly hosts: readonly string[]
    }
  | { readonly do: 'create-volume'; readonly name: string; readonly pool: string }
  | { readonly do: 'create-many'; readonly names: readonly string[]; readonly spec: object }
  | { readonly do: 'crash'; readonly name: string; readonly host: string; readonly times: number }
  | { readonly do: 'copies'; readonly name: string }
  | { readonly do: 'peers-miss'; readonly hosts: readonly string[] }
  | { readonly do: 'libvirt-silent'; readonly host: string; readonly looks: number }
  | { readonly do: 'hold-storage' | 'release-storage'; readonly host: string }
  | { readonly do: 'fence-test' | 'remove-host'; readonly host: string; readonly force: boolean }

const words: readonly string[] = [
  ...['power-off', 'power-on', 'hang', 'wake', 'freeze-agent', 'thaw-agent', 'bmc', 'outlets'],
  ...['partition', 'mend-partition', 'flap', 'late', 'clock-jump', 'disarm', 'arm', 'ha'],
  ...['bmc-fails', 'reserve', 'beat-on-storage'],
  ...['stop-bootd', 'start-bootd', 'show-host', 'change-host', 'move', 'at-moment'],
  ...['create-volume', 'create-many', 'crash', 'copies', 'peers-miss', 'libvirt-silent'],
  ...['hold-storage', 'release-storage', 'fence-test', 'remove-host']
]

/** Tells such a deed from all others. */
export const isMachineDeed = (deed: { readonly do: string }): deed is MachineDeed =>
  words.includes(deed.do)

/** Gives a host its devices and its rack, as an operator would. */
export async function equip(cloud: WholeCloud, machine: MachineWish): Promise<void> {
  const { name, bmc, outlets, rack } = machine
  const { id, spec } = hostOf(cloud, name)
  const names = [name, ...(outlets ? [outletsOf(name)] : [])]
  const fence = names.map(host => ({ devices: [{ type: 'lab', socket: '/run/power.sock', host }] }))
  const wish = bmc === 'none' ? spec : { ...spec, fence }
  const labels = rack === undefined ? {} : { rack }
  await cloud.wish({ verb: 'change', kind: 'host', id, labels, spec: wish })
}

/** Does it, and gives what is to be seen of it. */
export async function actOnMachines(
  { cloud, room }: { readonly cloud: WholeCloud; readonly room: MachineRoom },
  deed: MachineDeed
): Promise<readonly string[]> {
  switch (deed.do) {
    case 'power-off':
      room.powerOff(deed.host)
      return []
    case 'power-on':
      room.powerOn(deed.host)
      return []
    case 'hang':
      room.hang(deed.host)
      return []
    case 'wake':
      room.wake(deed.host)
      return []
    case 'freeze-agent':
      cloud.host(deed.host).freezer.freeze()
      return []
    case 'thaw-agent':
      cloud.host(deed.host).freezer.thaw()
      return []
    case 'bmc':
      room.machine(deed.host).device.mode = deed.mode
      return []
    case 'outlets':
      room.machine(deed.host).outlets.mode = deed.mode
      return []
    case 'bmc-fails':
      room.machine(deed.host).device.failures = deed.times
      return []
    case 'partition':
    case 'mend-partition':
      part(cloud, room, deed.do === 'partition' ? deed.hosts : [])
      return []
    case 'peers-miss':
      for (const [name, one] of room.machines) one.island = deed.hosts.includes(name) ? 1 : 0
      return []
    case 'stop-bootd':
      room.stopBootd(deed.bootd)
      return []
    case 'start-bootd':
      await room.startBootd(deed.bootd)
      return []
    case 'copies': {
      const copies = room.copies(`default.${deed.name}`)
      return [`${deed.name} runs on ${copies.join(' and ') || 'no machine'}`]
    }
    default:
      return await actOnCloud(cloud, room, deed)
  }
}

type RoomDeed = {
  readonly do: 'power-off' | 'power-on' | 'hang' | 'wake' | 'copies' | 'partition' | 'peers-miss'
}
type AgentDeed = { readonly do: 'freeze-agent' | 'thaw-agent' | 'mend-partition' }
type DeviceDeed = { readonly do: 'bmc' | 'outlets' | 'bmc-fails' | 'stop-bootd' | 'start-bootd' }

async function actOnCloud(
  cloud: WholeCloud,
  room: MachineRoom,
  deed: Exclude<MachineDeed, RoomDeed | AgentDeed | DeviceDeed>
): Promise<readonly string[]> {
  switch (deed.do) {
    case 'flap':
      void flap(cloud, deed)
      return []
    case 'late':
      void late(cloud, deed)
      return []
    case 'clock-jump':
      cloud.clock.jump(deed.byMs)
      return []
    case 'disarm':
      return await heal(cloud, (view, context) => disarm(view, deed, context))
    case 'arm':
      return await heal(cloud, arm)
    case 'reserve':
      return await heal(cloud, (view, context) =>
        setHealing(view, { reserveHosts: deed.hosts }, context)
      )
    case 'ha':
      return healing(cloud)
    case 'beat-on-storage':
      room.isBeating = true
      return []
    case 'show-host':
      return showHost(cloud, deed.host)
    case 'change-host': {
      const { id, spec, labels } = hostOf(cloud, deed.host)
      const wish = { ...spec, ...deed.spec }
      await cloud.wish({ verb: 'change', kind: 'host', id, labels, spec: wish })
      return []
    }
    case 'at-moment':
      cloud.pace = async moment => {
        if (moment === deed.moment) for (const host of deed.hosts) room.powerOff(host)
      }
      return []
    case 'libvirt-silent':
      for (let left = deed.looks; left > 0; left -= 1) {
        const fault = new Fault('unavailable', 'cannot list domains: libvirt does not answer')
        cloud.host(deed.host).hypervisor.failNext('domains', fault)
      }
      return []
    case 'hold-storage':
      cloud.host(deed.host).storage.hold('createVolume')
      return []
    case 'release-storage':
      cloud.host(deed.host).storage.release('createVolume')
      return []
    case 'fence-test': {
      const { id } = hostOf(cloud, deed.host)
      await cloud.wish({ verb: 'fence-test', id, force: deed.force })
      return []
    }
    case 'remove-host': {
      const { id } = hostOf(cloud, deed.host)
      await cloud.wish({ verb: 'delete', kind: 'host', id, force: deed.force })
      return []
    }
    case 'move':
    case 'create-volume':
    case 'create-many':
    case 'crash':
      return await actOnInstances(cloud, deed)
    default:
      deed satisfies never
      return []
  }
}

async function actOnInstances(
  cloud: WholeCloud,
  deed: Extract<MachineDeed, { do: 'move' | 'create-volume' | 'create-many' | 'crash' }>
): Promise<readonly string[]> {
  switch (deed.do) {
    case 'move': {
      const { id } = cloud.reign.view.named('instance', deed.name, 'default')!
      await cloud.wish({ verb: 'move', id, to: deed.to })
      return []
    }
    case 'create-volume': {
      const spec = cloud.specOf('volume', { pool: deed.pool, sizeMib: 64 })
      await cloud.wish({ verb: 'create', kind: 'volume', name: deed.name, spec })
      return []
    }
    case 'create-many':
      for (const name of deed.names) {
        const spec = cloud.specOf('instance', { image: 'tiny', memoryMib: 128, ...deed.spec })
        await cloud.wish({ verb: 'create', kind: 'instance', name, spec })
        // Ids of one millisecond stand in no order, and those of equals decide who goes first.
        await anotherMillisecond()
      }
      return []
    case 'crash':
      void crash(cloud, deed)
      return []
    default:
      deed satisfies never
      return []
  }
}

/** Resolves once new ids stand behind those that there are. */
export async function anotherMillisecond(): Promise<void> {
  const before = Date.now()
  while (Date.now() <= before) await new Promise<void>(resolve => void setImmediate(resolve))
}

/** These stand apart from all others, and from the controllers. */
function part(cloud: WholeCloud, room: MachineRoom, hosts: readonly string[]): void {
  for (const [name, machine] of room.machines) {
    machine.island = hosts.includes(name) ? 1 : 0
    if (machine.island === 1) cloud.net.cut(machine.host.id)
    else cloud.net.mend(machine.host.id)
  }
}

async function flap(cloud: WholeCloud, deed: Extract<MachineDeed, { do: 'flap' }>): Promise<void> {
  const { id } = cloud.host(deed.host)
  for (let time = 0; time < deed.times; time += 1) {
    cloud.net.cut(id)
    await cloud.clock.sleep(deed.downMs)
    cloud.net.mend(id)
    await cloud.clock.sleep(deed.upMs)
  }
}

/** What it says and hears comes in heaps, late. */
async function late(cloud: WholeCloud, deed: Extract<MachineDeed, { do: 'late' }>): Promise<void> {
  const { id } = cloud.host(deed.host)
  cloud.net.hold(id)
  for (let at = 0; at < deed.forMs; at += deed.byMs) {
    await cloud.clock.sleep(deed.byMs)
    cloud.net.release(id)
  }
  cloud.net.unhold(id)
}

async function crash(
  cloud: WholeCloud,
  deed: Extract<MachineDeed, { do: 'crash' }>
): Promise<void> {
  const { hypervisor } = cloud.host(deed.host)
  for (let left = deed.times; left > 0; ) {
    const domain = hypervisor.all.find(({ name }) => name === `default.${deed.name}`)
    if (domain) {
      hypervisor.kill(domain)
      left -= 1
    }
    await cloud.clock.sleep(500)
  }
}

async function heal(
  { reign }: WholeCloud,
  judge: (view: WholeCloud['reign']['view'], context: Parameters<typeof arm>[1]) => Commit | Refusal
): Promise<readonly string[]> {
  const commit = judge(reign.view, { by: 'user/admin', now: reign.now(), newId })
  if (isRefusal(commit)) throw faultOf(commit)
  if (commit.changes.length > 0) void reign.record(commit)
  return []
}

const hostOf = (cloud: WholeCloud, name: string) => {
  const host = cloud.reign.view.named('host', name)
  if (!host) throw new Error(`there is no host ${name}`)
  return host
}

/** As `remuda ha status` tells it. */
function healing({ reign }: WholeCloud): readonly string[] {
  const { armed, brake, fenced, suspects, exposed } = healingStatus(reign.view, reign.now())
  return [
    `${armed ? 'armed' : 'disarmed'}, ${brake.missing.length} of ${brake.hosts} hosts are missing`,
    ...fenced.map(({ host, phase, progress }) => `${host} ${phase}: ${progress}`),
    ...suspects.map(({ host, hold, because, next }) =>
      [`${host} ${hold}: ${because}`, ...(next ? [next] : [])].join('; ')
    ),
    ...exposed.map(({ host, state, because }) => `${host} ${state}: ${because}`)
  ]
}

function showHost({ reign }: WholeCloud, name: string): readonly string[] {
  const host = reign.view.named('host', name)!
  const { status, conditions } = documentOf(reign.view, host, reign.now())
  const said = conditions.filter(({ type, status: is }) => is !== 'true' && type !== 'kvm')
  return [
    `${name} is ${String(status['phase'])}`,
    ...said.map(({ type, status: is, message }) => `${type} ${is}: ${message}`)
  ]
}
