/** Routes about how the cloud heals itself: are hosts fenced, what holds, what would fail. */
import Type, { type Static } from 'typebox'
import type { Host } from '#shared/model/host.ts'
import { Strict, Words } from '#shared/model/resource.ts'
import type { Context } from '../../core/admission/context.ts'
import {
  arm,
  becauseCharsMax,
  disarm,
  fencesPerRackMax,
  type HealingWish,
  reserveHostsMax,
  setHealing,
  startsPerHostMax
} from '../../core/admission/healing.ts'
import type { Commit } from '../../core/commit.ts'
import { healingStatus } from '../../core/healing.ts'
import { sentencesOfLoss } from '../../core/loss.ts'
import type { Refusal } from '../../core/refusal.ts'
import { promiseSteps, strandingSentence } from '../../core/reserve/promise.ts'
import { reserveOf } from '../../core/reserve/settings.ts'
import { copied } from '../../core/reserve/what-if.ts'
import type { View } from '../../core/view.ts'
import { breathed } from '../breath.ts'
import { record } from './record.ts'
import type { Call, Reply, Route } from './route.ts'
import { DryRun, DryRunReply, documentSchema } from './schemas.ts'
import type { Service } from './service.ts'
import { found, isFlag, write } from './writes.ts'

const Names = (description: string) => Type.Array(Type.String(), { description })
const Text = (description: string) => Type.String({ description })

const Disarmed = Strict({
  at: Text('Since when, RFC 3339.'),
  by: Text('Who did it.'),
  because: Text('Why.')
})
const Fenced = Strict({
  host: Type.String(),
  phase: Text('fencing: it must be off before anything starts elsewhere; fenced: it is.'),
  since: Text('Since when it is taken for dead, RFC 3339.'),
  because: Text('Why it is taken for dead.'),
  progress: Text('How far it is, or what has proven it.'),
  proof: Type.Optional(
    Strict({ verdict: Text('What has proven it.'), at: Text('When, RFC 3339.') })
  )
})
const Suspect = Strict({
  host: Type.String(),
  hold: Text('disarmed, brake, rack, no-device; waits: not clear yet; none: it is fenced next.'),
  because: Text('What is known of it, and what holds.'),
  next: Type.Optional(Text('What an operator may do.'))
})
const Exposed = Strict({
  host: Type.String(),
  state: Text(
    'degraded: a device is silent or wrong, and another level is left; not-asked: nothing is ' +
      'known yet; no-device, no-secret, device-silent, device-wrong: no device could prove it off.'
  ),
  because: Text('What is the matter with its devices.'),
  next: Type.Optional(Text('What an operator may do.'))
})

/** How the cloud heals itself. */
export const HealingReply = Strict({
  armed: Type.Boolean({ description: 'Whether hosts that are dead are fenced.' }),
  disarmed: Type.Optional(Disarmed),
  reserveHosts: Type.Integer({ description: 'Losses that room is kept for. Unit: count.' }),
  reserveDomain: Type.Optional(Text('Label of which any one value may be lost as a whole.')),
  preemption: Type.Optional(
    Words(['never', 'own', 'any'], {
      description: 'Who may be stopped for more important ones; left out: as each tenant says.'
    })
  ),
  startsPerHost: Type.Optional(
    Type.Integer({
      description:
        'Instances that may come up on one host at once; left out: as many as it has hardware ' +
        'threads, at least 4. Unit: count.'
    })
  ),
  brakePercent: Type.Optional(
    Type.Integer({
      description:
        'The most of all hosts that are fenced at once; left out: a third. At least one always ' +
        'is, and as many as room is kept for while they are fewer than half. Unit: percent.'
    })
  ),
  fencesPerRack: Type.Optional(
    Type.Integer({ description: 'Hosts of one rack fenced at once; left out: 1. Unit: count.' })
  ),
  storageWitness: Type.Optional(
    Words(['hold', 'alarm'], {
      description:
        'What is done where a host still writes to shared storage after its fence device read ' +
        'off: nothing of it starts elsewhere, as when left out, or it is an alarm alone.'
    })
  ),
  reserveBroken: Type.Optional(
    Names('Losses after which not everything would find a place now; left out: there are none.')
  ),
  watches: Type.Boolean({ description: 'Whether who answers hears hosts itself.' }),
  brake: Strict({
    missing: Names('Hosts that have gone missing together.'),
    before: Type.Optional(Names('Hosts that were missing long before: they do not count.')),
    hosts: Type.Integer({ description: 'Hosts in service, without those. Unit: count.' }),
    most: Type.Integer({ description: 'So many at once are still fenced. Unit: count.' })
  }),
  fenced: Type.Array(Fenced, { description: 'Hosts that are being fenced, or are proven off.' }),
  suspects: Type.Array(Suspect, { description: 'Hosts that are not heard, and not fenced.' }),
  exposed: Type.Array(Exposed, { description: 'Hosts whose devices could not do it, or not all.' })
})

const DisarmBody = Strict({
  because: Type.String({
    minLength: 1,
    maxLength: becauseCharsMax,
    description: 'Why, for whoever comes next.'
  })
})

const SettingsBody = Strict({
  storageWitness: Type.Optional(
    Type.Union([Type.Literal('hold'), Type.Literal('alarm'), Type.Null()], {
      description:
        'Where a host still writes to shared storage after its fence device read off: hold what ' +
        'ran there, or raise an alarm alone; null: hold.'
    })
  ),
  preemption: Type.Optional(
    Type.Union([Type.Literal('never'), Type.Literal('own'), Type.Literal('any'), Type.Null()], {
      description:
        'Who may be stopped for a more important instance that has lost its host, must leave ' +
        'it or is to start there: nobody, those of its own tenant, or any; null: as each ' +
        'tenant says.'
    })
  ),
  brakePercent: Type.Optional(
    Type.Union([Type.Integer({ minimum: 1, maximum: 100 }), Type.Null()], {
      description:
        'The most of all hosts that are fenced at once; where more go missing within a minute, ' +
        'they wait for people. Null: a third. Unit: percent.'
    })
  ),
  fencesPerRack: Type.Optional(
    Type.Union([Type.Integer({ minimum: 1, maximum: fencesPerRackMax }), Type.Null()], {
      description: 'Hosts of one rack that are fenced at once; null: 1. Unit: count.'
    })
  ),
  startsPerHost: Type.Optional(
    Type.Union([Type.Integer({ minimum: 1, maximum: startsPerHostMax }), Type.Null()], {
      description: 'Instances that may come up on one host at once; null: by its threads.'
    })
  ),
  reserveHosts: Type.Optional(
    Type.Union([Type.Integer({ minimum: 0, maximum: reserveHostsMax }), Type.Null()], {
      description: 'Losses of hosts to keep room for; null or 0: none. Unit: count.'
    })
  ),
  reserveDomain: Type.Optional(
    Type.Union([Type.String({ minLength: 1, maxLength: 63 }), Type.Null()], {
      description: 'Label of hosts, such as rack, of which any one may be lost; null: none.'
    })
  )
})

/** Reads are for everybody; changes are kept as one record of the cloud. */
export const healingRoutes = (service: Service): readonly Route[] => [
  {
    method: 'GET',
    path: '/v1/ha',
    operation: 'get-healing',
    summary: 'How the cloud heals itself: armed or not, who is fenced, what holds, who is exposed.',
    tag: 'cloud',
    role: 'reader',
    replies: { 200: HealingReply },
    answer: async ({ signal }) => await service.ledger.settled(() => shown(service, signal))
  },
  {
    method: 'PATCH',
    path: '/v1/ha',
    operation: 'change-healing',
    summary: 'Change for how many losses room is kept, and how many start at once on a host.',
    tag: 'cloud',
    role: 'admin',
    body: SettingsBody,
    checked: true,
    replies: { 200: HealingReply },
    answer: call =>
      change(service, call, (view, context) => setHealing(view, call.body as HealingWish, context))
  },
  {
    method: 'POST',
    path: '/v1/ha/disarm',
    operation: 'disarm-healing',
    summary: 'Fence no host from now on; fences that are under way are ended first.',
    tag: 'cloud',
    role: 'admin',
    body: DisarmBody,
    checked: true,
    replies: { 200: HealingReply },
    answer: call =>
      change(service, call, (view, context) =>
        disarm(view, call.body as Static<typeof DisarmBody>, context)
      )
  },
  {
    method: 'POST',
    path: '/v1/ha/arm',
    operation: 'arm-healing',
    summary: 'Fence hosts that are dead again.',
    tag: 'cloud',
    role: 'admin',
    replies: { 200: HealingReply },
    answer: call => change(service, call, arm)
  },
  confirmOff(service)
]

/** All of one moment; the losses that room is kept for are planned on a copy of it. */
async function shown({ reign, clock }: Service, signal?: AbortSignal): Promise<Reply> {
  const { view } = reign
  const now = reign.now()
  const status = healingStatus(view, now)
  const reserve = view.watches ? reserveOf(view) : undefined
  if (!reserve) return { body: status }
  const { strandings } = await breathed(promiseSteps(copied(view, now), reserve), clock, signal)
  const reserveBroken = strandings.map(strandingSentence)
  return { body: { ...status, ...(reserveBroken.length > 0 && { reserveBroken }) } }
}

const change = (
  service: Service,
  call: Call,
  judge: (view: View, context: Context) => Commit | Refusal
): Promise<Reply> => record(service, call, { judge, shown: () => shown(service) })

const confirmOff = (service: Service): Route => ({
  method: 'POST',
  path: '/v1/hosts/:name/confirm-off',
  operation: 'confirm-host-off',
  summary: "Take an operator's word that a host is off: its instances start elsewhere.",
  tag: 'hosts',
  role: 'admin',
  query: Strict({ ...DryRun }),
  replies: { 200: Type.Union([documentSchema('host'), DryRunReply(Type.Object({}))]) },
  answer: async call => {
    const host = found(service, call, 'host') as Host
    const loss = sentencesOfLoss(service.reign.view, host)
    const reply = await write(service, call, { verb: 'confirm-off', id: host.id }, 200)
    if (!isFlag(call.query['dryRun'])) return reply
    const body = reply.body as { readonly decision: { readonly because: readonly string[] } }
    const because = [...body.decision.because, ...loss]
    return { ...reply, body: { ...body, decision: { ...body.decision, because } } }
  }
})
