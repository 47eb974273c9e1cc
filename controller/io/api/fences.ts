/** Routes about the fence of one host: what its devices read, and testing them for real. */
import { setTimeout as sleep } from 'node:timers/promises'
import Type, { type Static } from 'typebox'
import { fenceLevelsMax } from '#shared/model/fence.ts'
import type { Host } from '#shared/model/host.ts'
import { Strict, Timestamp, Words } from '#shared/model/resource.ts'
import type { Ms } from '#shared/units.ts'
import { FenceLook, fenceLookMsMax } from '#shared/wire/bootd-question.ts'
import { type DevicesAsked, devicesAsked, fenceShown } from '../../core/fence-shown.ts'
import type { Call, Route } from './route.ts'
import { DryRun, DryRunReply, documentSchema, Flag } from './schemas.ts'
import type { Service } from './service.ts'
import { found, write } from './writes.ts'

const Text = (description: string) => Type.String({ description })

const Device = Strict({
  level: Type.Integer({ description: 'The level that it is of, from 1. Unit: count.' }),
  name: Text('What it is, and where.'),
  power: Text('What it read last: on, off, or unknown.'),
  reachable: Type.Optional(
    Type.Boolean({ description: 'Whether it answers; left out: it was not asked yet.' })
  ),
  since: Type.Optional(Timestamp('Since when it is so.')),
  because: Type.Optional(Text('Why it is not reachable, or which outlets are not on.')),
  askedAt: Type.Optional(Timestamp('When it was asked last, where that was wanted to be known.'))
})

/** What is shown of the fence of a host. */
export const FenceReply = Strict({
  host: Type.String(),
  state: Text(
    'ready, self-fence, degraded, not-asked, no-device, no-secret, device-silent or device-wrong.'
  ),
  because: Text('What is so.'),
  next: Type.Optional(Text('What an operator may do.')),
  asked: Type.Optional(
    Strict({
      isNow: Type.Boolean({ description: 'Whether all devices were asked now.' }),
      because: Text('By whom, or why not.')
    })
  ),
  devices: Type.Array(Device, { description: 'Its devices, level by level.' }),
  plan: Type.Array(Type.String(), { description: 'What would be done if it died.' }),
  underway: Type.Optional(
    Strict({
      want: Text('off or on.'),
      phase: Text('idle, working, waiting or proven.'),
      attempt: Type.Integer({ description: 'How often all levels were begun. Unit: count.' }),
      level: Type.Integer({ description: 'The level that is tried, from 1; 0: none.' }),
      story: Type.Array(Type.String(), { description: 'What was tried, the oldest first.' })
    })
  ),
  test: Type.Optional(
    Strict({
      step: Text('off or on.'),
      since: Timestamp('Since when.'),
      by: Text('Who asked for it.')
    })
  ),
  tested: Type.Optional(
    Strict({
      at: Timestamp('When the last real test ended.'),
      passed: Type.Boolean({ description: 'Whether it was proven off and came on again.' }),
      because: Text('What was found.')
    })
  )
})

const PowerBody = Strict({
  want: Words(['on', 'off', 'cycle'], { description: 'What is wanted; cycle: off, and on.' }),
  force: Type.Optional(
    Type.Boolean({ description: 'Also of a host that is in service.', default: false })
  )
})

const TestBody = Strict({
  level: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: fenceLevelsMax,
      description: 'The level that is to prove it off by itself; left out: the first that does.'
    })
  ),
  force: Type.Optional(
    Type.Boolean({ description: 'Also of a host that is in service.', default: false })
  )
})

/** Bootd waits for its devices for so long, and its answer takes a moment. Unit: ms. */
const askMsMax: Ms = fenceLookMsMax + 500
/** What has changed is told by bootd in a moment, and whether a host is ready comes of that. */
const toldMs: Ms = 200

/** Has bootd look at the devices of a host. */
async function askNow(service: Service, call: Call): Promise<DevicesAsked | undefined> {
  const host = found(service, call, 'host') as Host
  if ((host.spec.fence ?? []).length === 0) return undefined
  const answers = await service.bootds.askAll<FenceLook>(
    { ask: 'fence-look', host: host.decided.uuid },
    { schema: FenceLook, signal: call.signal, answerMs: askMsMax }
  )
  const looks = answers.flatMap(one => ('value' in one ? { bootd: one.bootd, ...one.value } : []))
  if (looks.length > 0) await sleep(toldMs, undefined, { signal: call.signal })
  const problems = answers.flatMap(one => ('fault' in one ? one.fault.message : []))
  const now = service.reign.now().monotonic
  return devicesAsked(service.reign.view, host, { looks, problems, now })
}

/** Devices themselves are a field of the host: spec.fence. */
export const fenceRoutes = (service: Service): readonly Route[] => [
  {
    method: 'GET',
    path: '/v1/hosts/:name/fence',
    operation: 'get-host-fence',
    summary: 'What the fence devices of a host read, and what would be done if it died.',
    tag: 'hosts',
    role: 'reader',
    query: Strict({ ask: Type.Optional(Flag('Have bootd ask the devices now.')) }),
    replies: { 200: FenceReply },
    answer: async call => {
      const isAsked = ['1', 'true'].includes(call.query['ask'] ?? '')
      const asked = isAsked ? await askNow(service, call) : undefined
      return await service.ledger.settled(() => ({
        body: fenceShown(service.reign.view, found(service, call, 'host') as Host, asked)
      }))
    }
  },
  {
    method: 'POST',
    path: '/v1/hosts/:name/power',
    operation: 'switch-host-power',
    summary: 'Switch the power of a host through its fence devices, read back.',
    tag: 'hosts',
    role: 'admin',
    query: Strict({ ...DryRun }),
    body: PowerBody,
    checked: true,
    replies: { 200: Type.Union([documentSchema('host'), DryRunReply(documentSchema('host'))]) },
    answer: async call => {
      const { id } = found(service, call, 'host')
      const { want, force = false } = call.body as Static<typeof PowerBody>
      return await write(service, call, { verb: 'switch-power', id, want, force }, 200)
    }
  },
  {
    method: 'POST',
    path: '/v1/hosts/:name/fence-test',
    operation: 'test-host-fence',
    summary: 'Test the fence of a host for real: off, read twice, and on again.',
    tag: 'hosts',
    role: 'admin',
    query: Strict({ ...DryRun }),
    body: TestBody,
    checked: true,
    replies: { 200: Type.Union([documentSchema('host'), DryRunReply(Type.Object({}))]) },
    answer: async call => {
      const { id } = found(service, call, 'host')
      const { force = false, level } = call.body as Static<typeof TestBody>
      const wish = { verb: 'fence-test' as const, id, force, ...(level !== undefined && { level }) }
      return await write(service, call, wish, 200)
    }
  }
]
