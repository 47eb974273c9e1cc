/** Operators and users, as the seed has them. An operator says of a host only what is true. */
import type { Host } from '#shared/model/host.ts'
import type { Instance, InstanceSpec } from '#shared/model/instance.ts'
import type { Intent } from '../../../controller/core/admission/admit.ts'
import { arm, disarm } from '../../../controller/core/admission/healing.ts'
import { promiseOf } from '../../../controller/core/reserve/promise.ts'
import type { View } from '../../../controller/core/view.ts'
import type { LeanCloud } from './cloud.ts'
import type { LeanController } from './controller.ts'
import { instanceSpec } from './founding.ts'
import { level } from './levelling.ts'
import { oneOf } from './strikes.ts'

type Deed = (cloud: LeanCloud, leader: LeanController) => void

/** What operators and users may want. */
const deeds: Readonly<Record<string, Deed>> = {
  disarms: ({ timeline, chance }, leader) => {
    const context = leader.contextOf('user/admin')
    leader.submit(disarm(leader.view, { because: 'work on the network' }, context))
    timeline.after(5_000 + 20_000 * chance(), () => armed(leader))
  },
  'confirms off': (cloud, leader) => {
    const found = [...leader.view.all('host').values()].find(
      ({ name, decided }) => !cloud.machine(name).isOn && decided.recovery?.phase !== 'fenced'
    )
    if (found) confirmOff(cloud, leader, found)
  },
  drains: (cloud, leader) => {
    const host = oneOf([...leader.view.all('host').values()], cloud.chance)
    const cold = cloud.chance() < 0.5
    wish(cloud, leader, { verb: 'drain', id: host.id, parallel: 2, cold })
    const untilMs = 20_000 + 40_000 * cloud.chance()
    if (cloud.chance() < 0.4) {
      cloud.timeline.after(untilMs - 15_000, () => {
        const now = cloud.leader
        if (now) said(cloud, now.wish({ verb: 'reboot-host', id: host.id }))
      })
    }
    cloud.timeline.after(untilMs, () => {
      const now = cloud.leader
      if (now) said(cloud, now.wish({ verb: 'resume-host', id: host.id, back: cold }))
    })
  },
  levels: (cloud, leader) => said(cloud, level(leader)),
  creates: (cloud, leader) => {
    const number = 100 + Math.floor(cloud.chance() * 10_000)
    const spec = instanceSpec(number)
    wish(cloud, leader, { verb: 'create', kind: 'instance', name: `n${number}`, spec })
  },
  changes: (cloud, leader) => {
    const instances = [...leader.view.all('instance').values()]
    if (instances.length === 0) return
    wish(cloud, leader, changeOf(oneOf(instances, cloud.chance), cloud.chance))
  }
}

/** It has gone there, seen that nothing runs, and pulled the plug. */
function confirmOff(cloud: LeanCloud, leader: LeanController, { name, id }: Host): void {
  const machine = cloud.machine(name)
  machine.isBroken = true
  said(cloud, leader.wish({ verb: 'confirm-off', id }))
  cloud.timeline.after(20_000, () => {
    machine.isBroken = false
    machine.powerOn()
  })
}

function changeOf(instance: Instance, chance: () => number): Intent {
  const { id } = instance
  const kind = chance()
  if (kind < 0.2) return { verb: 'power', id, power: 'stopped' }
  if (kind < 0.5) return { verb: 'power', id, power: 'running' }
  if (kind < 0.6) return { verb: 'restart', id }
  if (kind < 0.85) return { verb: 'move', id, live: kind < 0.75 }
  if (kind < 0.93) return { verb: 'delete', kind: 'instance', id }
  return { verb: 'change', kind: 'instance', id, ...otherSpec(instance, chance) }
}

/** Another size, another importance, or whether it is kept available. */
function otherSpec({ labels, spec }: Instance, chance: () => number): Pick<Change, Changed> {
  const kind = chance()
  const memoryMib = 512 * (1 + Math.floor(3 * chance()))
  if (kind < 0.5) return { labels, spec: { ...spec, memoryMib } }
  if (kind < 0.8) return { labels, spec: { ...spec, priority: Math.floor(4 * chance()) } }
  return { labels, spec: { ...spec, highlyAvailable: !spec.highlyAvailable } }
}

type Change = Extract<Intent, { readonly verb: 'change' }>
type Changed = 'labels' | 'spec'

/** One wish in so many is looked at with all losses, and each change: that takes long. */
const lookedAtEvery = 4

/** To give room back is always taken, also where the plan of a loss then puts others in the way. */
function givesRoom(view: View, intent: Intent): boolean {
  if (intent.verb === 'delete') return intent.kind !== 'host'
  if (intent.verb === 'power') return intent.power === 'stopped'
  if (intent.verb !== 'change' || intent.kind !== 'instance') return false
  const { host, preempted, memoryMib = 0 } = view.get('instance', intent.id)?.decided ?? {}
  const waits = host === undefined || preempted !== undefined
  return !waits && ((intent.spec as InstanceSpec).memoryMib ?? 0) < memoryMib
}

/** A wish; where room is kept for losses of hosts, none that is taken may break that promise. */
function wish(cloud: LeanCloud, leader: LeanController, intent: Intent): void {
  const isNth = (cloud.counts['wishes taken'] ?? 0) % lookedAtEvery === 0
  const isLookedAt = (isNth || intent.verb === 'change') && !givesRoom(leader.view, intent)
  const before = isLookedAt ? promiseOf(leader.view, leader.now, { most: 1 }).state : 'none'
  const refusal = leader.wish(intent)
  said(cloud, refusal)
  if (before !== 'kept' || refusal) return
  cloud.count('wishes that kept the promise')
  const { state, strandings } = promiseOf(leader.view, leader.now, { most: 1 })
  if (state !== 'broken') return
  const stranded = strandings[0]?.stranded.map(({ name }) => name).join()
  cloud.problem(`${intent.verb} was taken, and the loss of a host would strand ${stranded}`)
}

const said = (cloud: LeanCloud, refusal: ReturnType<LeanController['wish']>): void =>
  cloud.count(refusal ? `a wish refused: ${refusal.refused.code}` : 'wishes taken')

function armed(leader: LeanController): void {
  if (leader.mayAct) leader.submit(arm(leader.view, leader.contextOf('user/admin')))
}

/** Somebody wants something of who leads. */
export function want(cloud: LeanCloud): void {
  const { leader, chance } = cloud
  const draw = chance()
  const names = Object.keys(deeds)
  const name = draw < 0.45 ? 'changes' : draw < 0.7 ? 'creates' : oneOf(names, chance)
  if (!leader) return
  cloud.count(`somebody ${name}`)
  deeds[name]!(cloud, leader)
}

/**
 * The operator puts all in order: fences are armed, every host is in use again, and one whose
 * device has lied, so that nothing proves it off any more, is looked at as the cloud asks for it.
 */
export function tidy(cloud: LeanCloud): void {
  const { leader } = cloud
  if (!leader) return
  armed(leader)
  for (const host of [...leader.view.all('host').values()]) {
    const { duty, recovery } = host.decided
    if (duty) leader.wish({ verb: 'resume-host', id: host.id, back: false })
    const isDoubted = recovery?.phase === 'fencing' && recovery.contradicted !== undefined
    if (isDoubted && !cloud.machine(host.name).isOn) confirmOff(cloud, leader, host)
  }
}
