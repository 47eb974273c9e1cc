/** By what new instances are placed, and where some would be. */
import Type from 'typebox'
import { newId } from '#shared/ids.ts'
import { PlacingFields } from '#shared/model/placing.ts'
import { Name, Strict, Words } from '#shared/model/resource.ts'
import { shapeOf } from '../../core/admission/instance-create.ts'
import { setWeights, type WeightsWish } from '../../core/admission/weights.ts'
import { overheadSetting } from '../../core/overhead.ts'
import { type SpreadWish, spreadMax, spreadPlan } from '../../core/placement/spread-plan.ts'
import { scoreNames, weightMax, weightsElse, weightsOf } from '../../core/placement/weights.ts'
import { isRefusal } from '../../core/refusal.ts'
import { defaultTenant } from '../../core/subject.ts'
import { faultOf } from '../refusal-fault.ts'
import type { Call, Reply, Route } from './route.ts'
import { TenantQuery } from './schemas.ts'
import type { Service } from './service.ts'

const Weight = (description: string) =>
  Type.Number({ minimum: -weightMax, maximum: weightMax, description })
const PlacementReply = Strict({
  weights: Type.Array(
    Strict({
      name: Words(scoreNames, { description: 'Name of the score.' }),
      weight: Weight('How much it counts; 0: not at all.'),
      default: Weight('How much it counts where nothing is set.')
    }),
    { description: 'The scores by which new instances are placed.' }
  ),
  overhead: Words(['counted', 'ignored'], {
    description: 'Whether hosts keep memory for what runs an instance beside its own.'
  })
})
const WeightsBody = Strict({
  overhead: Type.Optional(
    Words(['counted', 'ignored'], {
      description: 'Whether hosts keep memory for what runs an instance, beside its own.'
    })
  ),
  ...Object.fromEntries(
    scoreNames.map(name => [
      name,
      Type.Optional(
        Type.Union([Type.Number({ minimum: -weightMax, maximum: weightMax }), Type.Null()], {
          description: `How much ${name} counts; null: as by itself, ${weightsElse[name]}.`
        })
      )
    ])
  )
})
const { affinity: _, ...fields } = PlacingFields
const PlanBody = Strict({
  count: Type.Integer({ minimum: 1, maximum: spreadMax, description: 'How many. Unit: count.' }),
  type: Type.Optional(Words(['vm', 'container'], { description: 'What they are; a VM else.' })),
  size: Type.Optional(Name('Named shape.')),
  vcpus: Type.Optional(Type.Integer({ minimum: 1, maximum: 512, description: 'Unit: count.' })),
  memoryMib: Type.Optional(
    Type.Integer({ minimum: 16, maximum: 16 * 1024 * 1024, description: 'Memory. Unit: MiB.' })
  ),
  pool: Type.Optional(Name('Pool of their root volumes; local else.')),
  ...fields
})
const Rejected = Type.Array(Strict({ host: Type.String(), because: Type.String() }))
const PlanReply = Strict({
  placed: Type.Integer({ description: 'How many find a place. Unit: count.' }),
  hosts: Type.Array(Strict({ host: Type.String(), count: Type.Integer() }), {
    description: 'How many would be on each host.'
  }),
  rejected: Rejected,
  changes: Type.Array(Type.String(), {
    description: 'Single changes with which one more would find a place.'
  })
})

/** Reading and planning change nothing. */
export const placementRoutes = (service: Service): readonly Route[] => [
  {
    method: 'GET',
    path: '/v1/placement',
    operation: 'get-placement',
    summary: 'How much each score counts for the placement of new instances.',
    tag: 'cloud',
    role: 'reader',
    replies: { 200: PlacementReply },
    answer: async () => await service.ledger.settled(() => shown(service))
  },
  {
    method: 'PATCH',
    path: '/v1/placement',
    operation: 'change-placement',
    summary: 'Change how much scores count; what is placed already stays where it is.',
    tag: 'cloud',
    role: 'admin',
    body: WeightsBody,
    checked: true,
    replies: { 200: PlacementReply },
    answer: call => change(service, call)
  },
  {
    method: 'POST',
    path: '/v1/placement/plan',
    operation: 'plan-placement',
    summary: 'How so many new instances would be spread over the hosts; nothing is done.',
    tag: 'cloud',
    role: 'admin',
    query: Strict(TenantQuery),
    body: PlanBody,
    checked: true,
    replies: { 200: PlanReply },
    answer: async call => plan(service, call)
  }
]

function shown({ reign }: Service): Reply {
  const weights = weightsOf(reign.view)
  const all = scoreNames.map(name => ({ name, weight: weights[name], default: weightsElse[name] }))
  return { body: { weights: all, overhead: overheadSetting(reign.view) } }
}

async function change(service: Service, call: Call): Promise<Reply> {
  const { reign } = service
  const context = { by: `user/${call.caller.name}`, now: reign.now(), newId }
  const commit = setWeights(reign.view, call.body as WeightsWish, context)
  if (isRefusal(commit)) throw faultOf(commit)
  const changed = commit.changes.length > 0
  if (changed) await reign.record(commit)
  const reply = await service.ledger.settled(() => shown(service))
  return { ...reply, headers: { 'remuda-changed': String(changed) } }
}

function plan({ reign }: Service, call: Call): Reply {
  const wish = call.body as Partial<SpreadWish> & { readonly size?: string }
  const { size, count = 1, type = 'vm', pool = 'local', ...rest } = wish
  const shape = shapeOf(reign.view, { ...rest, size } as Parameters<typeof shapeOf>[1])
  if (isRefusal(shape)) throw faultOf(shape)
  const tenant = call.query['tenant'] ?? defaultTenant
  const planned = spreadPlan(
    reign.view,
    { ...rest, ...shape, count, type, pool, tenant },
    reign.now()
  )
  if (isRefusal(planned)) throw faultOf(planned)
  return { body: planned }
}
