import type { ResourceDocument } from '#shared/model/index.ts'
import { formatMs } from '#shared/units.ts'
import type { Api } from '../api/client.ts'
import { pathOf, readJson, readResource, sayVerb } from '../api/resources.ts'
import { UsageFault } from '../failure.ts'
import type { Invocation } from '../invocation.ts'
import type { Reference } from '../kinds.ts'
import { makeProgress } from '../output/progress.ts'
import { renderRaw, renderRows } from '../output/results.ts'
import type { Cell } from '../output/table.ts'
import {
  type DepartureSaid,
  dutyOf,
  judgeDrained,
  judgeInUse,
  judgeRebooted,
  judgeReturned,
  type Stand,
  untilStands
} from './host-duty.ts'
import { given, referenceTo, tellOutcome } from './outcome.ts'

/** Empties a host, or says what would become of its instances. */
export async function drainHost(invocation: Invocation): Promise<void> {
  const reference = referenceTo(invocation, 'host', invocation.given.positional('NAME')!)
  const body = drainBody(invocation)
  const started = performance.now()
  const api = await invocation.connect()
  if (invocation.given.flag('plan')) return await tellPlan(invocation, api, reference, body)
  const written = await sayVerb(api, reference, 'drain', { body, signal: invocation.signal })
  if (!invocation.given.flag('wait')) {
    await tellOutcome(invocation, written, outcome(reference, 'draining', started))
    const { name } = reference
    invocation.note(`to see how far it is: remuda host drain ${name} --wait\n`)
    return invocation.note(`to stop it: remuda host resume ${name}\n`)
  }
  const document = await untilDrained(invocation, reference)
  await tellDrained(invocation, document, started)
}

/** What a drain is asked for with. */
export const drainBody = ({ given: { number, flag, text } }: Invocation): object =>
  given({
    parallel: number('parallel'),
    cold: flag('cold') || undefined,
    bandwidthMib: number('bandwidth'),
    downtimeMs: number('downtime'),
    postCopy: text('post-copy')
  })

/** Waits until nothing is left that can leave, saying how far it is. */
export const untilDrained = (
  invocation: Invocation,
  reference: Reference
): Promise<ResourceDocument> =>
  waitSaying(invocation, reference, {
    doing: `drain host ${reference.name}`,
    judge: judgeDrained,
    next: [
      `it goes on by itself; to see how far it is: remuda host drain ${reference.name} --wait`,
      `to stop it: remuda host resume ${reference.name}`
    ]
  })

async function waitSaying(
  invocation: Invocation,
  reference: Reference,
  options: {
    readonly doing: string
    readonly judge: (document: ResourceDocument) => Stand
    readonly next: readonly string[]
  }
): Promise<ResourceDocument> {
  const { quiet } = invocation.settings
  const now = () => performance.now()
  const progress = makeProgress(invocation.terminal.errors, { quiet, now })
  try {
    return await untilStands(invocation, reference, { ...options, say: progress.say })
  } finally {
    progress.end()
  }
}

async function tellDrained(
  invocation: Invocation,
  document: ResourceDocument,
  started: number
): Promise<void> {
  const raw = await renderRaw(invocation, document)
  if (raw !== undefined) return invocation.write(raw)
  if (invocation.settings.format === 'name') return invocation.write(`host/${document.name}\n`)
  const duty = dutyOf(document)!
  const stays = duty.instances
  const still = duty.stillMsMax === undefined ? '' : `, longest standstill ${duty.stillMsMax} ms`
  const took = formatMs(performance.now() - started)
  const left = `${duty.done} of ${duty.total} instances have left in ${took}${still}`
  invocation.write(`host/${document.name} out of service: ${left}\n`)
  for (const { name, because } of stays) invocation.write(`  ${name} stays: ${because}\n`)
}

async function tellPlan(
  invocation: Invocation,
  api: Api,
  { kind, name }: Reference,
  body: object
): Promise<void> {
  const doing = `plan the drain of host ${name}`
  const answer = await api.ask({
    method: 'POST',
    path: `${pathOf(kind, name)}/drain`,
    query: { dryRun: '1' },
    body,
    doing,
    signal: invocation.signal
  })
  const said = readJson(answer, doing) as { readonly plan: readonly DepartureSaid[] }
  const raw = await renderRaw(invocation, said)
  if (raw !== undefined) return invocation.write(raw)
  const { plan } = said
  if (plan.length === 0) return invocation.write(`host/${name}: nothing is on it\n`)
  invocation.write(renderRows(invocation, ['INSTANCE', 'WAY', 'TO', 'BECAUSE'], plan.map(rowOf)))
  invocation.write(`${countsOf(plan)} (nothing was done)\n`)
}

/** Of each sort how many, as far as there are any. */
function countsOf(plan: readonly DepartureSaid[]): string {
  const count = (is: (said: DepartureSaid) => boolean): number => plan.filter(is).length
  const sorts = [
    ['live', count(({ to, live }) => to !== undefined && live === true)],
    ['cold', count(({ to, live }) => to !== undefined && live !== true)],
    ['wait until they can', count(({ state }) => state === 'waits')],
    ['held for want of a host', count(({ state }) => state === 'held')],
    ['stay', count(({ state }) => state === 'stays')]
  ] as const
  const found = sorts.filter(([, many]) => many > 0)
  return found.map(([sort, many]) => `${many} ${sort}`).join(', ')
}

function rowOf({ tenant, name, state, to, live, because }: DepartureSaid): readonly Cell[] {
  const way = to === undefined ? state : live ? 'live' : 'cold'
  const colour = to === undefined ? { colour: 'yellow' as const } : {}
  const who = tenant === 'default' ? name : `${tenant}/${name}`
  return [{ text: who }, { text: way, ...colour }, { text: to ?? '' }, { text: because }]
}

/** Uses a host again. */
export async function resumeHost(invocation: Invocation): Promise<void> {
  const { given, signal } = invocation
  const reference = referenceTo(invocation, 'host', given.positional('NAME')!)
  const [back, dryRun, wait] = [given.flag('back'), given.flag('dry-run'), given.flag('wait')]
  if (dryRun && wait) throw new UsageFault('cannot wait for what is not done')
  const started = performance.now()
  const api = await invocation.connect()
  const written = await sayVerb(api, reference, 'resume', { body: { back }, dryRun, signal })
  if (!wait) return await tellOutcome(invocation, written, outcome(reference, 'resumed', started))
  const document = await untilReturned(invocation, reference)
  await tellOutcome(invocation, { ...written, document }, outcome(reference, 'resumed', started))
}

/** Waits until those that come back to a host are there. */
export const untilReturned = (
  invocation: Invocation,
  reference: Reference
): Promise<ResourceDocument> =>
  waitSaying(invocation, reference, {
    doing: `bring instances back to host ${reference.name}`,
    judge: judgeReturned,
    next: [`to let them stay where they are: remuda host resume ${reference.name}`]
  })

/** Waits until a host is in use, and its agent is heard. */
export const untilInUse = (
  invocation: Invocation,
  reference: Reference
): Promise<ResourceDocument> =>
  waitSaying(invocation, reference, {
    doing: `use host ${reference.name} again`,
    judge: judgeInUse,
    next: [`remuda host show ${reference.name}`]
  })

/** Has a host boot anew. */
export async function rebootHost(invocation: Invocation): Promise<void> {
  const { given, signal } = invocation
  const reference = referenceTo(invocation, 'host', given.positional('NAME')!)
  const [dryRun, wait] = [given.flag('dry-run'), given.flag('wait')]
  if (dryRun && wait) throw new UsageFault('cannot wait for what is not done')
  const started = performance.now()
  const api = await invocation.connect()
  const before = await readResource(api, reference, signal)
  const written = await sayVerb(api, reference, 'reboot', { dryRun, signal })
  const told = outcome(reference, wait ? 'rebooted' : 'rebooting', started)
  if (!wait) return await tellOutcome(invocation, written, told)
  const document = await untilRebooted(invocation, reference, before.status['bootId'])
  await tellOutcome(invocation, { ...written, document }, told)
}

/** Waits until a host is back in another boot. */
export const untilRebooted = (
  invocation: Invocation,
  reference: Reference,
  bootId: unknown
): Promise<ResourceDocument> =>
  waitSaying(invocation, reference, {
    doing: `reboot host ${reference.name}`,
    judge: judgeRebooted(bootId),
    next: [
      `remuda host show ${reference.name}`,
      `once it is back: remuda host resume ${reference.name}`
    ]
  })

const outcome = (reference: Reference, verb: string, started: number) => ({
  reference,
  verb,
  started,
  waitMs: undefined
})
