/**
 * Every wish comes through here: an intent is judged against the view and becomes a commit, or a
 * refusal that says why. It is pure: a dry run is the same call without the write.
 */

import type { Host, HostSpec } from '#shared/model/host.ts'
import type { Image } from '#shared/model/image.ts'
import { type Kind, kinds, type Resource, type ResourceOf } from '#shared/model/index.ts'
import type { Instance, InstanceSpec, MovePace } from '#shared/model/instance.ts'
import { refusePin } from '../boot/versions.ts'
import { bootOnce } from '../boot/wishes.ts'
import { type PowerWish, switchPower } from '../power.ts'
import { isRefusal, refuse } from '../refusal.ts'
import type { View } from '../view.ts'
import { type Context, reference, type Verdict } from './context.ts'
import { refuseFence, testFence } from './fences.ts'
import { approveHost, type HostWish, joinHost } from './host.ts'
import { drainHost, rebootHost, resumeHost } from './host-duty.ts'
import { confirmOff } from './host-off.ts'
import { removeHost } from './host-remove.ts'
import { failImage, fillImage, type ImageContent } from './image.ts'
import { changeInstance, powerInstance, restartInstance } from './instance-change.ts'
import { createInstance } from './instance-create.ts'
import { cancelMove, moveInstance } from './instance-move.ts'
import { changePlain, createPlain, type PlainKind } from './others.ts'
import { keepQuota } from './quota.ts'
import { removeResource } from './remove.ts'
import { keepReserve } from './reserve.ts'
import { refuseSelfFence } from './self-fence.ts'

type Labels = Readonly<Record<string, string>>

/** What somebody wants. Specs have passed the schema and carry their defaults. */
export type Intent =
  | {
      readonly verb: 'create'
      readonly kind: Kind
      readonly name: string
      readonly tenant?: string
      readonly labels?: Labels
      readonly spec: object
    }
  | {
      readonly verb: 'change'
      readonly kind: Kind
      readonly id: string
      readonly labels: Labels
      readonly spec: object
      /** Refused unless the resource is still of this generation. */
      readonly ifGeneration?: number
    }
  | {
      readonly verb: 'delete'
      readonly kind: Kind
      readonly id: string
      readonly ifGeneration?: number
      /** Of a host: it and all that only it holds is forgotten. */
      readonly force?: boolean
    }
  | {
      readonly verb: 'power'
      readonly id: string
      readonly power: InstanceSpec['desiredPower']
      readonly force?: boolean
    }
  | { readonly verb: 'restart'; readonly id: string; readonly force?: boolean }
  | {
      readonly verb: 'move'
      readonly id: string
      readonly to?: string
      readonly live?: boolean
      readonly pace?: MovePace
      /** Whose wish it is; left out: somebody asked for it. */
      readonly because?: string
    }
  | { readonly verb: 'cancel-move'; readonly id: string }
  | { readonly verb: 'join'; readonly wish: HostWish }
  | { readonly verb: 'approve'; readonly id: string }
  | { readonly verb: 'confirm-off'; readonly id: string }
  | {
      readonly verb: 'fence-test'
      readonly id: string
      readonly force: boolean
      readonly level?: number
    }
  | {
      readonly verb: 'drain'
      readonly id: string
      readonly parallel: number
      readonly cold: boolean
      readonly pace?: MovePace
    }
  | { readonly verb: 'resume-host'; readonly id: string; readonly back: boolean }
  | { readonly verb: 'reboot-host'; readonly id: string }
  | {
      readonly verb: 'switch-power'
      readonly id: string
      readonly want: PowerWish
      readonly force: boolean
    }
  | {
      readonly verb: 'boot-once'
      readonly id: string
      readonly profile: 'rescue' | 'disk' | 'host'
    }
  | { readonly verb: 'fill-image'; readonly id: string; readonly content: ImageContent }
  | { readonly verb: 'fail-image'; readonly id: string; readonly failure: string }

/** Judges an intent: gives what would be recorded, or why nothing is, and changes nothing. */
export function admit(view: View, intent: Intent, context: Context): Verdict {
  const verdict = keepQuota(view, { intent, verdict: judge(view, intent, context) })
  return keepReserve(view, { intent, verdict }, context)
}

function judge(view: View, intent: Intent, context: Context): Verdict {
  switch (intent.verb) {
    case 'create':
      return create(view, intent, context)
    case 'change':
      return onResource(view, intent, resource => change(view, { ...intent, resource }, context))
    case 'delete':
      return onResource(view, intent, resource =>
        resource.kind === 'host'
          ? removeHost(view, { host: resource, force: intent.force ?? false }, context)
          : removeResource(view, resource, context)
      )
    case 'power':
      return onInstance(view, intent.id, instance =>
        powerInstance(view, { ...intent, instance }, context)
      )
    case 'restart':
      return onInstance(view, intent.id, instance =>
        restartInstance(view, { ...intent, instance }, context)
      )
    case 'move':
      return onInstance(view, intent.id, instance =>
        moveInstance(view, { ...intent, instance }, context)
      )
    case 'cancel-move':
      return onInstance(view, intent.id, instance => cancelMove(view, instance, context))
    case 'join':
      return joinHost(view, intent.wish, context)
    case 'approve':
      return on(view, 'host', intent.id, (host: Host) => approveHost(view, host, context))
    case 'confirm-off':
      return on(view, 'host', intent.id, (host: Host) => confirmOff(view, host, context))
    case 'fence-test':
      return on(view, 'host', intent.id, (host: Host) =>
        testFence(view, { ...intent, host }, context)
      )
    case 'drain':
      return on(view, 'host', intent.id, (host: Host) =>
        drainHost(view, { ...intent, host }, context)
      )
    case 'resume-host':
      return on(view, 'host', intent.id, (host: Host) =>
        resumeHost(view, { ...intent, host }, context)
      )
    case 'reboot-host':
      return on(view, 'host', intent.id, (host: Host) => rebootHost(view, host, context))
    case 'switch-power':
      return on(view, 'host', intent.id, (host: Host) =>
        switchPower(view, { ...intent, host }, context)
      )
    case 'boot-once':
      return on(view, 'host', intent.id, (host: Host) => bootOnce({ ...intent, host }, context))
    case 'fill-image':
      return on(view, 'image', intent.id, (image: Image) =>
        fillImage(image, intent.content, context)
      )
    case 'fail-image':
      return on(view, 'image', intent.id, (image: Image) =>
        failImage(image, intent.failure, context)
      )
    default:
      return intent satisfies never
  }
}

function create(
  view: View,
  intent: Extract<Intent, { verb: 'create' }>,
  context: Context
): Verdict {
  if (intent.tenant !== undefined && kinds[intent.kind].scope === 'tenant') {
    const tenant = reference(view, 'tenant', { name: intent.tenant, pointer: '/tenant' })
    if (isRefusal(tenant)) return tenant
  }
  switch (intent.kind) {
    case 'instance':
      return createInstance(view, { ...intent, spec: intent.spec as InstanceSpec }, context)
    case 'tenant':
    case 'size':
    case 'pool':
    case 'network':
    case 'subnet':
    case 'image':
    case 'volume':
      return createPlain(
        view,
        { ...intent, kind: intent.kind, spec: intent.spec as ResourceOf[PlainKind]['spec'] },
        context
      )
    case 'host':
      return refuse('invalid', 'cannot create a host: hosts join by themselves', {
        next: ['start remuda-agent on it', 'remuda host list']
      })
    case 'port':
      return refuse('invalid', 'cannot create a port: ports are made with their instance', {
        next: ['name the network in spec.ports of the instance']
      })
    case 'event':
    case 'job':
      return refuse('invalid', `cannot create a ${intent.kind}: it comes about by itself`)
    default:
      return intent.kind satisfies never
  }
}

function change(
  view: View,
  wish: { readonly resource: Resource; readonly labels: Labels; readonly spec: object },
  context: Context
): Verdict {
  const { resource, labels } = wish
  switch (resource.kind) {
    case 'instance':
      return changeInstance(
        view,
        { instance: resource, labels, spec: wish.spec as InstanceSpec },
        context
      )
    case 'tenant':
    case 'size':
    case 'pool':
    case 'network':
    case 'subnet':
    case 'image':
    case 'volume':
      return changePlain({ resource, labels, spec: wish.spec }, context)
    case 'host': {
      const spec = wish.spec as HostSpec
      return (
        refuseFence(view, resource, spec) ??
        refuseSelfFence(view, resource, spec) ??
        refusePin(view, resource, spec) ??
        changePlain({ resource, labels, spec }, context)
      )
    }
    case 'port':
    case 'event':
    case 'job':
      return refuse('invalid', `cannot change a ${resource.kind}: it comes about by itself`)
    default:
      return resource satisfies never
  }
}

function onResource(
  view: View,
  intent: { readonly kind: Kind; readonly id: string; readonly ifGeneration?: number },
  judge: (resource: Resource) => Verdict
): Verdict {
  return on(view, intent.kind, intent.id, (resource: Resource) => {
    const { ifGeneration } = intent
    if (ifGeneration === undefined || ifGeneration === resource.generation) return judge(resource)
    return refuse('stale', `${resource.kind} ${resource.name} has changed since it was read`, {
      reasons: [`you read generation ${ifGeneration}, it is at ${resource.generation}`],
      next: [
        'read it again and repeat the change',
        `remuda history ${resource.kind}/${resource.name}`
      ]
    })
  })
}

const onInstance = (view: View, id: string, judge: (instance: Instance) => Verdict): Verdict =>
  on(view, 'instance', id, judge)

function on<K extends Kind>(
  view: View,
  kind: K,
  id: string,
  judge: (resource: ResourceOf[K]) => Verdict
): Verdict {
  const resource = view.get(kind, id)
  if (resource) return judge(resource)
  return refuse('not-found', `there is no ${kind} ${id} any more`, {
    next: [`remuda ${kind} list`]
  })
}
