/**
 * What becomes of a host that is not heard, in each combination of what peers find, what shared
 * storage shows, what its device says and whether its watchdog is armed, under the controller that
 * has heard it before and under the next one: within a bound it is proven off, or people are told
 * why it is not and what they can do.
 */
import test from 'ava'
import type { FenceState } from '#shared/wire/fence.ts'
import type { Commit } from '../../../controller/core/commit.ts'
import { fenceTurnOf } from '../../../controller/core/fence-turn.ts'
import { fencings } from '../../../controller/core/fencing.ts'
import { type HostSeen, watchHosts } from '../../../controller/core/host-watch.ts'
import { suspicionOf } from '../../../controller/core/suspicion.ts'
import { patience } from '../../../controller/core/suspicion-times.ts'
import { View } from '../../../controller/core/view.ts'
import { Rack } from '../../world/rack.ts'

const limitMs = 15_000
/** Longer than the limit, both watchdogs and all margins. Unit: ms. */
const boundMs = 45_000
const stepMs = 500
const watchdog = {
  ...{ kind: 'hardware' as const, identity: 'i6300ESB timer', timeoutMs: 10_000 },
  ...{ armed: true, kept: true, nowayout: true, limitMs, because: '' }
}

const peerWords = ['miss it', 'see it', 'do not look'] as const
const beats = ['go on', 'stand still', 'are none'] as const
const devices = ['says off', 'says nothing', 'is none'] as const
const ends = ['armed', 'not armed'] as const
const controllers = ['that knows it', 'that has just begun'] as const

type Case = {
  readonly peers: (typeof peerWords)[number]
  readonly beat: (typeof beats)[number]
  readonly device: (typeof devices)[number]
  readonly own: (typeof ends)[number]
  readonly controller: (typeof controllers)[number]
}
type Outcome =
  | 'off-confirmed'
  | 'expired'
  | 'fence-contradicted'
  | 'fence-held-no-device'
  | `fence-waits-${'reached' | 'writes' | 'unproven'}`

/** What must come of it, whoever leads. */
function expected({ peers, beat, device, own }: Case): Outcome {
  const isArmed = own === 'armed'
  // Nothing but its own end is to be had, and that is certain, whatever others see of it.
  if (device === 'is none' && isArmed) return 'expired'
  if (peers === 'see it') return 'fence-waits-reached'
  if (peers === 'do not look' && beat === 'go on') return 'fence-waits-writes'
  switch (device) {
    case 'is none':
      return 'fence-held-no-device'
    case 'says nothing':
      return isArmed ? 'expired' : 'fence-waits-unproven'
    case 'says off':
      if (beat !== 'go on') return 'off-confirmed'
      return isArmed ? 'expired' : 'fence-contradicted'
    default:
      return device satisfies never
  }
}

/** What people must be able to read in an alarm. */
const words: Readonly<Partial<Record<Outcome, RegExp>>> = {
  'fence-contradicted': /cut its power by hand/,
  'fence-held-no-device': /no fence device.*remuda host confirm-off h1$/,
  'fence-waits-reached': /h2 and h3 reach it.*; see to the line.*; or cut its power by hand$/,
  'fence-waits-writes': /no peer has looked.*writes to pool far.*remuda host confirm-off h1$/,
  'fence-waits-unproven': /not proven off after 20.* s.*remuda host confirm-off h1$/
}

const cases = peerWords.flatMap(peers =>
  beats.flatMap(beat =>
    devices.flatMap(device =>
      ends.flatMap(own =>
        controllers.map((controller): Case => ({ peers, beat, device, own, controller }))
      )
    )
  )
)

for (const one of cases) {
  const { peers, beat, device, own, controller } = one
  const outcome = expected(one)
  const title =
    `a host whose peers ${peers}, whose heartbeats ${beat}, whose device ${device} and whose ` +
    `watchdog is ${own}, comes to ${outcome} under a controller ${controller}`
  test(title, t => {
    const story = play(one)
    t.is(story.proof ?? story.alarms.at(0)?.reason, outcome, JSON.stringify(story))
    const message = story.alarms.find(({ reason }) => reason === outcome)?.message
    const said = words[outcome]
    if (said) t.regex(message ?? '', said)
  })
}

test('a host that peers have only just begun to reach again gets the time to be dialled', t => {
  const rack = new Rack()
  const judge = () =>
    suspicionOf(rack.cloud.view, rack.cloud.host('h1'), rack.cloud.context.now.monotonic)
  rack.pass(30_000, ['h2', 'h3'])
  const peers = [{ host: rack.cloud.host('h1').decided.uuid, reached: true, ageMs: 0 }]
  rack.pass(patience.hungMs - 500, ['h2', 'h3'], { peers })
  const soon = judge()
  t.is(soon.verdict, 'waits')
  t.regex('because' in soon ? soon.because : '', /not heard for 44.5 s; but h2 and h3 reach it/)
  t.false('lasts' in soon)
  rack.pass(1_000, ['h2', 'h3'], { peers })
  const later = judge()
  t.is('lasts' in later ? later.lasts?.obstacle : undefined, 'reached')
})

type Story = {
  /** The verdict by which it is proven off; left out: it is not. */
  readonly proof?: string | undefined
  readonly alarms: readonly { readonly reason: string; readonly message: string }[]
}

/** From the last word of h1 on. */
function play(one: Case): Story {
  const isArmed = one.own === 'armed'
  const noDevice = one.device === 'is none' ? { fence: [] } : {}
  const rack = new Rack({}, { ...noDevice, ...(isArmed && { selfFence: { limitMs } }) })
  const { cloud } = rack
  const generation = cloud.view.indexes.hostGeneration('h1')
  rack.pass(stepMs, undefined, { generation, epoch: 1, ...(isArmed && { selfFence: watchdog }) })
  rack.decide()
  const view = one.controller === 'that knows it' ? cloud.view : successorOf(cloud.view)
  const reports = new Map(['h2', 'h3'].map(name => [name, cloud.view.heard(name).report!]))
  const begun = cloud.context.now
  let last: ReadonlyMap<string, HostSeen> = new Map()
  for (let after = stepMs; after <= boundMs; after += stepMs) {
    const now = { monotonic: begun.monotonic + after, wall: begun.wall + after }
    view.fold({ type: 'turn', at: now, epoch: 1 })
    for (const [host, before] of reports) {
      const report = { ...before, number: before.number + after, ...wordsAt(rack, one, after) }
      view.fold({ type: 'report', host, report, at: now })
    }
    tellOfDevice(view, one, now)
    const context = { ...cloud.context, now }
    for (const commit of fencings(view, context)) record(view, commit)
    const news = watchHosts(view, last, context)
    last = news.seen
    for (const commit of news.commits) record(view, commit)
  }
  const { recovery } = view.named('host', 'h1')!.decided
  return { proof: recovery?.proof?.verdict, alarms: alarmsOf(view) }
}

function successorOf(view: View): View {
  const next = new View()
  for (const key of view.keys()) next.load(key, view.valueOf(key))
  next.loaded(view.position)
  return next
}

const record = (view: View, commit: Commit): void =>
  void view.fold({ type: 'commit', position: view.position + 1, commit })

/** What h2 and h3 say of h1, so long after it was heard last. */
function wordsAt({ cloud }: Rack, { peers, beat }: Case, after: number): object {
  const { uuid: host, bootId } = cloud.host('h1').decided
  const reached = peers === 'see it'
  const [stillMs, writtenMs] = beat === 'go on' ? [0, 600] : [after, after + 600]
  const seen = { host, bootId, number: 7, ageMs: 100, stillMs, writtenMs }
  return {
    peers: peers === 'do not look' ? [] : [{ host, reached, ageMs: 0 }],
    storage: beat === 'are none' ? [] : [{ pool: 'far', seen: [seen] }]
  }
}

/** Its bootd speaks of the fence that is asked for, as soon as it is. */
function tellOfDevice(view: View, { device }: Case, at: View['turn']): void {
  const host = view.named('host', 'h1')!
  const { recovery, uuid } = host.decided
  if (device === 'is none' || recovery?.phase !== 'fencing') return
  const { fence } = fenceTurnOf(host, recovery)
  if (view.fence('h1')?.fence === fence) return
  const since = new Date(at.wall).toISOString()
  const said = device === 'says off' ? ('off-confirmed' as const) : ('unknown' as const)
  const state: FenceState = {
    ...{ host: uuid, name: 'h1', want: 'off', fence, epoch: 1, phase: 'proven', since },
    ...{ attempt: 1, level: 1, story: ['it was asked'], devices: [] },
    verdict: { verdict: said, fence, epoch: 1, at: since, tookMs: 10, because: 'as it says' }
  }
  view.fold({ type: 'fences', states: [state], at })
}

/** Of the fence of h1, in their order; that it is silent is told of each. */
const alarmsOf = (view: View): Story['alarms'] =>
  [...view.all('event').values()]
    .map(({ spec }) => spec)
    .filter(({ subject, severity }) => subject === 'host/h1' && severity === 'alarm')
    .filter(({ reason }) => reason.startsWith('fence-'))
