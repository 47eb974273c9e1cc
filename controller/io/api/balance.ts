/** Routes that level the hosts: a plan, the moves, and when it is done by itself. */
import Type, { type Static } from 'typebox'
import { newId } from '#shared/ids.ts'
import { Strict, Words } from '#shared/model/resource.ts'
import { beginBalance, setBalance, stopBalance } from '../../core/balance/admission.ts'
import { balanceGround } from '../../core/balance/ground.ts'
import { minuteGainElse } from '../../core/balance/move-price.ts'
import type { BalancePlan } from '../../core/balance/plan.ts'
import { unevenness } from '../../core/balance/search.ts'
import type { AutomaticBalance, Commit } from '../../core/commit.ts'
import { isRefusal, type Refusal } from '../../core/refusal.ts'
import { planInThread, planPacking } from '../balance/thinker.ts'
import { faultOf } from '../refusal-fault.ts'
import type { Call, Reply, Route } from './route.ts'
import type { Service } from './service.ts'

const Text = (description: string) => Type.String({ description })
const Share = (description: string) =>
  Type.Number({ minimum: 0, maximum: 10, description: `${description} Unit: share.` })

/** The most moves of one levelling: each is judged by all rules, and recorded. */
const movesMax = 500
const trialsMax = 100_000_000

const PlanFields = {
  mode: Words(['level', 'pack'], {
    default: 'level',
    description: 'level: hosts are made even; pack: hosts are emptied, to be switched off.'
  }),
  moves: Type.Integer({
    minimum: 1,
    maximum: movesMax,
    default: 50,
    description: 'The most moves. Unit: count.'
  }),
  gain: Type.Number({
    minimum: 0,
    maximum: 10,
    default: 0.005,
    description: 'What each move must gain at least, as unevenness. Unit: share.'
  }),
  minuteGain: Type.Number({
    minimum: 0,
    maximum: 10,
    default: minuteGainElse,
    description: 'What every minute that a move takes must gain besides. Unit: share.'
  }),
  trials: Type.Integer({
    minimum: 0,
    maximum: trialsMax,
    default: 0,
    description: 'Changes that are tried where single moves get stuck. Unit: count.'
  })
}
const PlanBody = Strict(PlanFields)
const ApplyBody = Strict({
  ...PlanFields,
  parallel: Type.Integer({
    minimum: 1,
    maximum: 16,
    default: 2,
    description: 'Most instances that are on their way at once. Unit: count.'
  })
})

/** Names of dimensions, and of what is said of them, where they count. */
const measuredParts = [
  ['cpuMeasured', 'cpuUsed', 'Processors used as measured, where that is levelled.'],
  ['networkMeasured', 'networkUsed', 'Its line used as measured, where that is levelled.']
] as const

const HostLoad = Strict({
  host: Type.String(),
  memoryBefore: Type.Number({ description: 'Memory promised, of what it may give. Unit: share.' }),
  memoryAfter: Type.Number({ description: 'The same after the moves. Unit: share.' }),
  vcpusBefore: Type.Number({ description: 'Vcpus promised, of what it may give. Unit: share.' }),
  vcpusAfter: Type.Number({ description: 'The same after the moves. Unit: share.' }),
  ...Object.fromEntries(
    measuredParts.flatMap(([, part, what]) => [
      [`${part}Before`, Type.Optional(Type.Number({ description: `${what} Unit: share.` }))],
      [
        `${part}After`,
        Type.Optional(Type.Number({ description: 'The same after the moves. Unit: share.' }))
      ]
    ])
  )
})

const UnmeasuredReply = Type.Array(
  Strict({
    dimension: Text('cpuMeasured or networkMeasured.'),
    because: Text('Which hosts keep it out, and why.')
  }),
  { description: 'What is used, has a weight, and is not levelled while hosts do not say it.' }
)

const PlanReply = Strict({
  before: Type.Number({ description: 'How uneven the hosts are; 0: not at all. Unit: share.' }),
  after: Type.Number({ description: 'How uneven they will be. Unit: share.' }),
  moves: Type.Array(
    Strict({
      instance: Type.String(),
      tenant: Type.Optional(Type.String()),
      memoryMib: Type.Integer({ description: 'Its memory. Unit: MiB.' }),
      vcpus: Type.Integer({ description: 'Its vcpus. Unit: count.' }),
      from: Type.String(),
      to: Type.String(),
      score: Type.Number({ description: 'How uneven the hosts are after it. Unit: share.' }),
      seconds: Type.Number({ description: 'How long it takes, about. Unit: s.' }),
      price: Type.Number({ description: 'What it must gain for that. Unit: share.' })
    }),
    { description: 'In the order in which they are begun.' }
  ),
  refused: Type.Array(Strict({ instance: Type.String(), because: Type.String() }), {
    description: 'What the engine would have moved, and a rule does not let go.'
  }),
  emptied: Type.Array(Type.String(), {
    description: 'Hosts on which nothing is any more then; none where hosts are levelled.'
  }),
  stays: Type.Integer({ description: 'Instances that cannot go while they run. Unit: count.' }),
  unmeasured: UnmeasuredReply,
  hosts: Type.Array(HostLoad, { description: 'By name.' })
})

const Automatic = Strict({
  gainMin: Share('A levelling must make the hosts at least so much more even.'),
  moveGainMin: Share('What each move must gain.'),
  minuteGain: Type.Optional(Share('What every minute that a move takes must gain besides.')),
  restMs: Type.Integer({
    minimum: 60_000,
    maximum: 604_800_000,
    description: 'The least time between two levellings. Unit: ms.'
  }),
  movesMax: Type.Integer({ minimum: 1, maximum: movesMax, description: 'Unit: count.' }),
  parallel: Type.Integer({ minimum: 1, maximum: 16, description: 'Unit: count.' })
})

const StatusReply = Strict({
  unevenness: Type.Number({ description: 'How uneven the hosts are; 0: not at all. Unit: share.' }),
  automatic: Type.Union([Automatic, Type.Null()], {
    description: 'When it is done by itself; null: only when asked for.'
  }),
  unmeasured: UnmeasuredReply,
  last: Type.Optional(
    Strict({
      at: Text('When, RFC 3339.'),
      message: Text('What came of it.'),
      failed: Type.Integer({ description: 'Moves that came to nothing. Unit: count.' })
    })
  ),
  run: Type.Optional(
    Strict({
      at: Text('Since when, RFC 3339.'),
      by: Text('Who wished it.'),
      before: Type.Number({ description: 'How uneven the hosts were. Unit: share.' }),
      after: Type.Number({ description: 'How uneven they will be. Unit: share.' }),
      moves: Type.Array(
        Strict({
          instance: Type.String(),
          from: Type.String(),
          to: Type.String(),
          state: Text('planned, begun, done, failed.'),
          because: Type.Optional(Text('Why it came to nothing.'))
        })
      )
    })
  )
})

const SettingsBody = Strict({
  automatic: Type.Union([Type.Partial(Automatic), Type.Null()], {
    description: 'What is left out stays as it is; null: only when asked for.'
  })
})

/** Levelling the hosts. */
export const balanceRoutes = (service: Service): readonly Route[] => [
  {
    method: 'GET',
    path: '/v1/balance',
    operation: 'get-balance',
    summary: 'How uneven the hosts are, and the levelling that is under way.',
    tag: 'cloud',
    role: 'reader',
    replies: { 200: StatusReply },
    answer: async () => await service.ledger.settled(() => status(service))
  },
  {
    method: 'PATCH',
    path: '/v1/balance',
    operation: 'change-balance',
    summary: 'Change when hosts are levelled by themselves.',
    tag: 'cloud',
    role: 'admin',
    body: SettingsBody,
    checked: true,
    replies: { 200: StatusReply },
    answer: call => {
      const { automatic } = call.body as { readonly automatic: Partial<AutomaticBalance> | null }
      return record(service, call, context => setBalance(service.reign.view, automatic, context))
    }
  },
  {
    method: 'POST',
    path: '/v1/balance/plan',
    operation: 'plan-balance',
    summary: 'The moves that would level the hosts; nothing is done.',
    tag: 'cloud',
    role: 'admin',
    body: PlanBody,
    checked: true,
    replies: { 200: PlanReply },
    answer: async call => {
      const plan = await planNow(service, call.body as Static<typeof PlanBody>)
      return { body: planShown(plan) }
    }
  },
  {
    method: 'POST',
    path: '/v1/balance/apply',
    operation: 'apply-balance',
    summary: 'Level the hosts by live moves.',
    tag: 'cloud',
    role: 'admin',
    body: ApplyBody,
    checked: true,
    replies: { 200: PlanReply },
    answer: async call => {
      const { parallel, ...wish } = call.body as Static<typeof ApplyBody>
      const plan = await planNow(service, wish)
      await record(service, call, context =>
        beginBalance(service.reign.view, { plan, parallel }, context)
      )
      return { body: planShown(plan) }
    }
  },
  {
    method: 'POST',
    path: '/v1/balance/stop',
    operation: 'stop-balance',
    summary: 'Begin no further move; those on their way go on.',
    tag: 'cloud',
    role: 'admin',
    replies: { 200: StatusReply },
    answer: call => record(service, call, context => stopBalance(service.reign.view, context))
  }
]

async function planNow(
  { reign }: Service,
  { mode, moves, gain, minuteGain, trials }: Static<typeof PlanBody>
): Promise<BalancePlan> {
  if (mode === 'pack') {
    return await planPacking(reign.view, { now: () => reign.now(), movesMax: moves })
  }
  const effort = { movesMax: moves, gainMin: gain, trials, seed: 1 }
  return await planInThread(reign.view, { now: () => reign.now(), effort, minuteGain })
}

async function record(
  service: Service,
  call: Call,
  judge: (context: {
    readonly by: string
    readonly now: ReturnType<Service['reign']['now']>
    readonly newId: typeof newId
  }) => Commit | Refusal
): Promise<Reply> {
  const { reign } = service
  const commit = judge({ by: `user/${call.caller.name}`, now: reign.now(), newId })
  if (isRefusal(commit)) throw faultOf(commit)
  const changed = commit.changes.length > 0
  if (changed) await reign.record(commit)
  const reply = await service.ledger.settled(() => status(service))
  return { ...reply, headers: { 'remuda-changed': String(changed) } }
}

function status({ reign }: Service): Reply {
  const { view } = reign
  const { automatic, run, last } = view.cloud?.balance ?? {}
  const { problem, unmeasured } = balanceGround(view, reign.now())
  const moves = run?.moves.map(move => ({
    ...move,
    instance: view.get('instance', move.instance)?.name ?? move.instance
  }))
  return {
    body: {
      unevenness: problem.open.length === 0 ? 0 : unevenness(problem),
      automatic: automatic ?? null,
      unmeasured: unmeasuredShown(unmeasured),
      ...(last && { last }),
      ...(run && {
        run: { at: run.at, by: run.by, before: run.before, after: run.after, moves }
      })
    }
  }
}

function planShown({ before, after, steps, refused, ground, emptied }: BalancePlan) {
  const { hosts, problem, stays } = ground
  const loads = loadsOf(problem, problem.first)
  const numbers = new Map(hosts.map(({ name }, number) => [name, number]))
  const seats = Array.from(problem.first)
  const demands = new Map(ground.instances.map(({ id }, demand) => [id, demand]))
  for (const { instance, to } of steps) seats[demands.get(instance.id)!] = numbers.get(to)!
  const then = loadsOf(problem, seats)
  return {
    before,
    after,
    moves: steps.map(({ instance, from, to, score, price }) => ({
      instance: instance.name,
      ...(instance.tenant !== undefined && { tenant: instance.tenant }),
      memoryMib: instance.decided.memoryMib,
      vcpus: instance.decided.vcpus,
      from,
      to,
      score,
      seconds: price.seconds,
      price: price.price
    })),
    refused: refused.map(({ instance, because }) => ({ instance: instance.name, because })),
    emptied,
    stays: stays.size,
    unmeasured: unmeasuredShown(ground.unmeasured),
    hosts: hosts.map(({ name }, host) => ({
      host: name,
      memoryBefore: loads[0]![host]!,
      memoryAfter: then[0]![host]!,
      vcpusBefore: loads[1]![host]!,
      vcpusAfter: then[1]![host]!,
      ...Object.fromEntries(
        measuredParts.flatMap(([dimension, part]) => {
          const at = problem.dimensions.findIndex(({ name }) => name === dimension)
          if (at < 0) return []
          return [
            [`${part}Before`, loads[at]![host]!],
            [`${part}After`, then[at]![host]!]
          ]
        })
      )
    }))
  }
}

const unmeasuredShown = (all: BalancePlan['ground']['unmeasured']) =>
  all.map(({ name, because }) => ({ dimension: name, because }))

/** By dimension and host: the share that is promised. */
function loadsOf(
  { dimensions }: BalancePlan['ground']['problem'],
  seats: ArrayLike<number>
): readonly (readonly number[])[] {
  return dimensions.map(({ amount, capacity, taken }) => {
    const used = Array.from(taken)
    for (let demand = 0; demand < seats.length; demand += 1)
      used[seats[demand]!]! += amount[demand]!
    return used.map((each, host) => each / capacity[host]!)
  })
}
