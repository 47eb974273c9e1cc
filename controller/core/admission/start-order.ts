/**
 * Judges which instances one may come after. Names must be those of instances that are there, so
 * that a slip of the pen is seen at once, and must not lead round in a circle, in which each would
 * wait for the next for ever.
 */
import type { Instance, InstanceSpec } from '#shared/model/instance.ts'
import { listed, type Refusal, refuse } from '../refusal.ts'
import { defaultTenant, subjectOf } from '../subject.ts'
import type { View } from '../view.ts'

type Wish = { readonly name: string; readonly tenant: string; readonly spec: InstanceSpec }

/** Says why an instance cannot come after those that it names, or be ready as it says. */
export const refuseStartOrder = (
  view: View,
  wish: { readonly name: string; readonly tenant?: string; readonly spec: InstanceSpec }
): Refusal | undefined => {
  const named = { ...wish, tenant: wish.tenant ?? defaultTenant }
  return refuseNames(view, named) ?? refuseCircle(view, named) ?? refuseGates(view, named)
}

function refuseNames(view: View, { name, tenant, spec }: Wish): Refusal | undefined {
  const after = spec.after ?? []
  for (const [index, other] of after.entries()) {
    const pointer = `/spec/after/${index}`
    if (after.indexOf(other) !== index) {
      return refuse('invalid', `instance ${name} cannot come after ${other} twice`, { pointer })
    }
    if (other === name) {
      return refuse('invalid', `instance ${name} cannot come after itself`, { pointer })
    }
    const found = view.named('instance', other, tenant)
    if (!found) {
      const reasons = [`those before it must be there already, in the same tenant (${tenant})`]
      const next = ['remuda instance list', `create ${other} first`]
      return refuse('not-found', `there is no instance "${other}"`, { pointer, reasons, next })
    }
    if (found.decided.deletedAt !== undefined) {
      const message = `instance ${name} cannot come after ${other}: it is being deleted`
      return refuse('conflict', message, { pointer })
    }
  }
  if (after.length === 0 || !spec.coldStart) return undefined
  const because = 'it starts before any controller is there to say that others are ready'
  return refuse('invalid', `instance ${name} cannot come after others: ${because}`, {
    pointer: '/spec/coldStart',
    next: ['leave coldStart out, or after']
  })
}

function refuseCircle(view: View, { name, tenant, spec }: Wish): Refusal | undefined {
  for (const [index, other] of (spec.after ?? []).entries()) {
    const way = wayTo(view, { from: other, to: name, tenant })
    if (!way) continue
    const circle = [name, ...way].join(' → ')
    return refuse(
      'invalid',
      `instance ${name} cannot come after ${other}: they would wait in a circle`,
      {
        pointer: `/spec/after/${index}`,
        reasons: [`each waits for the next: ${circle}`],
        next: [`take one of them out: remuda instance show ${other}`]
      }
    )
  }
  return undefined
}

/** Names by which one comes to another by what each comes after; undefined: one does not. */
function wayTo(
  view: View,
  { from, to, tenant }: { readonly from: string; readonly to: string; readonly tenant: string }
): readonly string[] | undefined {
  const cameFrom = new Map<string, string | undefined>([[from, undefined]])
  for (const name of cameFrom.keys()) {
    if (name === to) return backFrom(name, cameFrom)
    for (const next of view.named('instance', name, tenant)?.spec.after ?? []) {
      if (!cameFrom.has(next)) cameFrom.set(next, name)
    }
  }
  return undefined
}

function backFrom(
  end: string,
  cameFrom: ReadonlyMap<string, string | undefined>
): readonly string[] {
  const way: string[] = []
  for (let at: string | undefined = end; at !== undefined; at = cameFrom.get(at)) way.unshift(at)
  return way
}

function refuseGates(view: View, { name, tenant, spec }: Wish): Refusal | undefined {
  const { tcp, guestAgent = false, phoneHome = false } = spec.readiness ?? {}
  const cannot = `cannot tell when instance ${name} is ready`
  if (guestAgent && spec.type !== 'vm') {
    return refuse('invalid', `${cannot}: a container has no guest agent`, {
      pointer: '/spec/readiness/guestAgent',
      next: ['use readiness.tcp or readiness.phoneHome']
    })
  }
  if (tcp === undefined && !phoneHome) return undefined
  const pointer = `/spec/readiness/${tcp === undefined ? 'phoneHome' : 'tcp'}`
  const [port] = spec.ports
  if (!port) {
    return refuse('invalid', `${cannot}: it has no port, so nothing of it can be reached`, {
      pointer,
      next: spec.type === 'vm' ? ['use readiness.guestAgent'] : ['give it a port']
    })
  }
  if (!phoneHome) return undefined
  const network = networkOf(view, port.network, tenant)
  if (!network || network.spec.uplink === undefined || network.spec.nat) return undefined
  const because = `the gateway of network ${network.name} is the site's router, which takes no call`
  return refuse('invalid', `${cannot}: ${because}`, {
    pointer: '/spec/readiness/phoneHome',
    reasons: [`it is reached over ${network.spec.uplink}, without NAT`],
    next: [
      'use readiness.tcp or readiness.guestAgent',
      'or put its first port into another network'
    ]
  })
}

/** As ports find theirs: in the tenant, else the one that is shared under that name. */
const networkOf = (view: View, name: string, tenant: string) =>
  view.named('network', name, tenant) ??
  [...view.all('network').values()].find(other => other.name === name && other.spec.shared)

/**
 * Why an instance is not to be deleted: others come after it. It is refused, as with all that
 * others name, since it is mostly a slip: they would start without what they need, unseen.
 * Those that go as well count no more, so a whole set can go at once, the last ones first.
 */
export const comingAfter = (view: View, instance: Instance): readonly Instance[] =>
  [...view.indexes.of('instance-after', subjectOf(instance))]
    .flatMap(id => view.get('instance', id) ?? [])
    .filter(({ decided }) => decided.deletedAt === undefined)

/** The refusal to delete one that others come after. */
export function refuseLeaving(view: View, instance: Instance): Refusal | undefined {
  if (instance.decided.deletedAt !== undefined) return undefined
  const names = comingAfter(view, instance)
    .map(({ name }) => name)
    .sort()
  if (names.length === 0) return undefined
  const who = `${names.length} instance${names.length === 1 ? ' comes' : 's come'} after it`
  return refuse('conflict', `cannot delete instance ${instance.name}: others come after it`, {
    reasons: [`${who}: ${listed(names)}`],
    next: [
      ...names.slice(0, 3).map(name => `remuda instance delete ${name}`),
      'or take it out of their field after'
    ]
  })
}
