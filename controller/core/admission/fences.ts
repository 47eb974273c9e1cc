/**
 * Fence devices of a host, as operators name them: what could not work is refused here, since it
 * would otherwise be found out when the host is dead.
 */
import {
  deviceName,
  type FenceDevice,
  type FenceLevels,
  type Outlet,
  secretsOfHost
} from '#shared/model/fence.ts'
import type { Host, HostSpec } from '#shared/model/host.ts'
import { listed, type Refusal, refuse } from '../refusal.ts'
import { subjectOf } from '../subject.ts'
import type { View } from '../view.ts'
import { admitted, type Context, isoOf, type Verdict } from './context.ts'

/** Secrets that the devices of one host may need. */
const secretsMax = 64

/** Says why a host cannot have these devices; undefined when it can, or has them already. */
export function refuseFence(view: View, host: Host, spec: HostSpec): Refusal | undefined {
  const levels = spec.fence ?? []
  const printOf = ({ fence = [], courtesy }: HostSpec): string => JSON.stringify([fence, courtesy])
  if (printOf(spec) === printOf(host.spec)) return undefined
  return (
    refuseSecrets(view, host, spec) ??
    refuseTwice(host, levels) ??
    refuseItself(host, levels) ??
    refuseOthers(view, host, levels)
  )
}

const cannot = (
  { name }: Host,
  why: string,
  more: { readonly reasons?: readonly string[]; readonly next: readonly string[] }
): Refusal =>
  refuse('conflict', `cannot fence host ${name} that way: ${why}`, {
    pointer: '/spec/fence',
    ...more
  })

/** Refuses a host whose devices need a secret that nobody has stored. */
export function refuseSecrets(view: View, host: Host, spec: HostSpec): Refusal | undefined {
  const names = secretsOfHost(spec)
  const unknown = names.filter(name => !view.secrets().has(name))
  if (unknown.length > 0) {
    const many = unknown.length > 1 ? 's' : ''
    return cannot(host, `there is no secret${many} ${listed(unknown)}`, {
      next: unknown.slice(0, 3).map(name => `remuda secret set ${name}`)
    })
  }
  if (names.length <= secretsMax) return undefined
  return cannot(host, 'its devices need too many secrets', {
    reasons: [`${names.length} are named, at most ${secretsMax} may be`],
    next: ['let several devices have the same secret']
  })
}

/** A parameter that is said twice would be said once, and nobody knows which. */
function refuseTwice(host: Host, levels: FenceLevels): Refusal | undefined {
  const twice = leavesOf(levels)
    .flatMap(({ outlet }) => outlet ?? [])
    .flatMap(({ parameters, secrets }) => Object.keys(parameters).filter(key => key in secrets))
  if (twice.length === 0) return undefined
  return cannot(host, `${listed(twice)} is a parameter and a secret at once`, {
    next: ['say it once']
  })
}

/** A device that is the host itself goes with it, and can say nothing of its end. */
function refuseItself(host: Host, levels: FenceLevels): Refusal | undefined {
  const own = URL.parse(host.decided.endpoint)?.hostname
  if (own === undefined || own === '127.0.0.1') return undefined
  const itself = leavesOf(levels).find(({ address }) => address === own)
  if (!itself) return undefined
  return cannot(host, `${itself.name} is the host itself, and dies with it`, {
    reasons: [`its agent listens at ${host.decided.endpoint}`],
    next: ['name the address of its baseboard controller or power strip']
  })
}

/** Two hosts with one device: to fence one would cut the power of the other. */
function refuseOthers(view: View, host: Host, levels: FenceLevels): Refusal | undefined {
  const wanted = new Map(leavesOf(levels).map(({ key, name }) => [key, name]))
  for (const other of view.all('host').values()) {
    if (other.id === host.id) continue
    const shared = leavesOf(other.spec.fence ?? []).find(({ key }) => wanted.has(key))
    if (!shared) continue
    return cannot(host, `${shared.name} is the device of host ${other.name}`, {
      reasons: [`to fence ${host.name} would switch ${other.name} off`],
      next: [`remuda host fence show ${other.name}`, `remuda host fence clear ${other.name}`]
    })
  }
  return undefined
}

/** A device or an outlet by what tells it from all others. */
type Leaf = {
  readonly key: string
  readonly name: string
  readonly address?: string | undefined
  readonly outlet?: Outlet
}

const leavesOf = (levels: FenceLevels): readonly Leaf[] =>
  levels.flatMap(({ devices }) => devices.flatMap(leavesOfDevice))

function leavesOfDevice(device: FenceDevice): readonly Leaf[] {
  const name = deviceName(device)
  switch (device.type) {
    case 'ipmi': {
      const address = device.address.toLowerCase()
      return [{ key: `ipmi ${address} ${device.port}`, name, address }]
    }
    case 'redfish': {
      const url = URL.parse(device.url)
      const key = `redfish ${url?.host ?? device.url} ${device.system ?? ''}`
      return [{ key, name, address: url?.hostname }]
    }
    case 'agent':
      return [leafOfOutlet(device)]
    case 'pdu':
      return device.outlets.map(leafOfOutlet)
    case 'lab':
      return [{ key: `lab ${device.socket} ${device.host}`, name }]
    default:
      throw new TypeError(`no such device: ${JSON.stringify(device satisfies never)}`)
  }
}

function leafOfOutlet(outlet: Outlet): Leaf {
  const { agent, parameters, secrets } = outlet
  const place = Object.entries(parameters).sort(([a], [b]) => (a < b ? -1 : 1))
  return {
    key: JSON.stringify([agent, place]),
    name: deviceName({ type: 'agent', agent, parameters, secrets }),
    address: parameters['ip'] ?? parameters['ipaddr'],
    outlet
  }
}

/**
 * Judges the wish to test a host's devices for real. It loses its power by that, so it must be out
 * of service and empty, unless somebody insists.
 */
export function testFence(
  view: View,
  wish: { readonly host: Host; readonly force: boolean; readonly level?: number },
  context: Context
): Verdict {
  const { host, force, level } = wish
  const { name, decided, spec } = host
  const what = `cannot test the fence of host ${name}`
  if (decided.approval === 'pending') {
    return refuse('conflict', `${what}: it was never let in`, {
      next: [`remuda host approve ${name}`]
    })
  }
  const levels = spec.fence ?? []
  if (levels.length === 0) {
    return refuse('conflict', `${what}: it has no fence device`, {
      next: [`remuda host fence set ${name} --help`]
    })
  }
  if (level !== undefined && level > levels.length) {
    const many = levels.length === 1 ? 'is 1 level' : `are ${levels.length} levels`
    return refuse('conflict', `${what} at level ${level}: there ${many} of devices`, {
      next: [`remuda host fence show ${name}`]
    })
  }
  const secrets = refuseSecrets(view, host, spec)
  if (secrets) return secrets
  if (decided.recovery) {
    return refuse('conflict', `${what}: it is ${decided.recovery.phase}, for real`, {
      reasons: [decided.recovery.because],
      next: ['remuda ha status']
    })
  }
  if (decided.fenceTest) {
    const { since, by } = decided.fenceTest
    return refuse('conflict', `${what}: it is being tested since ${since} by ${by}`, {
      next: [`remuda host fence show ${name}`]
    })
  }
  const only = level === undefined ? '' : ` --level ${level}`
  const all = `remuda host fence test ${name}${only} --really --force`
  const inService = force ? undefined : refuseInService(view, host, { what, all })
  if (inService) return inService
  const fenceTest = {
    id: context.newId('ft'),
    ...(level !== undefined && { level }),
    step: 'off' as const,
    since: isoOf(context),
    by: context.by
  }
  const by = level === undefined ? '' : ` by level ${level}`
  const because = `asked for${force ? ' by force' : ''}: off${by}, read twice, and on again`
  const after: Host = { ...host, decided: { ...decided, fenceTest } }
  return admitted(context, after, { verb: 'fence-test', because })
}

/** Refuses to cut the power of who is in service; `all`: the command that does it all the same. */
export function refuseInService(
  view: View,
  { name, decided }: Host,
  { what, all }: { readonly what: string; readonly all: string }
): Refusal | undefined {
  const running = [...view.indexes.of('host-instances', name)]
    .flatMap(id => view.get('instance', id) ?? [])
    .filter(({ spec }) => spec.desiredPower !== 'stopped')
    .map(subjectOf)
  const isOut = decided.duty?.state === 'maintenance'
  if (isOut && running.length === 0) return undefined
  const why = isOut ? 'instances run on it' : 'it is in service'
  return refuse('conflict', `${what}: ${why}, and it would lose its power`, {
    reasons: running.length === 0 ? [] : [`${running.length} run there: ${listed(running)}`],
    next: [`remuda host drain ${name}`, `to cut its power all the same: ${all}`]
  })
}
