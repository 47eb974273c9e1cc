/** What differs between the order and this host, for people who look at the agent itself. */
import type { Plan } from './diff.ts'
import type { Matter } from './situation.ts'
import { keyOf, nameOf, type Step, stepSentence } from './steps.ts'

/** One thing that is not as ordered. */
export type Difference = {
  /** What it is about, such as instance acme/web. */
  readonly subject: string
  /** Where it stands, in a sentence. */
  readonly message: string
  /** What the agent does about it; left out: it waits. */
  readonly step?: string
  readonly because?: string
  readonly state?: 'under way' | 'next' | 'tried again later'
}

/** Lists all that is not yet as ordered; empty: nothing differs. */
export function differencesOf(plan: Plan, underWay: readonly Step[]): readonly Difference[] {
  const { verdicts } = plan
  const keys = new Set(underWay.map(keyOf))
  const list: Difference[] = []
  const add = (subject: string, message: string, matter: Matter): void => {
    if (matter.settled && matter.wish === undefined) return
    list.push({ subject, message, ...aboutStep(matter, keys) })
  }
  for (const each of verdicts.pools) add(`pool ${each.pool.name}`, each.message, each)
  for (const each of verdicts.images) add(`image ${each.image.name}`, each.message, each)
  for (const each of verdicts.volumes) add(`volume ${each.volume.name}`, each.message, each)
  const failing = verdicts.networks.each.find(({ phase }) => phase !== 'ready')
  add('networks', failing?.message ?? 'all stand', verdicts.networks)
  for (const each of verdicts.instances) add(subjectOf(each.instance), each.message, each)
  for (const each of verdicts.leaving) {
    add(each.own ? subjectOf(each.own.metadata) : `instance ${each.id}`, each.message, each)
  }
  return list
}

const subjectOf = (instance: Parameters<typeof nameOf>[0]): string => `instance ${nameOf(instance)}`

function aboutStep({ wish }: Matter, underWay: ReadonlySet<string>): Partial<Difference> {
  if (wish === undefined) return {}
  const { step } = wish
  const state = underWay.has(keyOf(step))
    ? 'under way'
    : wish.state === 'due'
      ? 'next'
      : 'tried again later'
  return { step: stepSentence(step), because: step.because, state }
}
