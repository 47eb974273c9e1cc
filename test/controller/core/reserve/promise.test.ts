/** The quick promise and the slow one agree, whatever happened before. */
import test from 'ava'
import fc from 'fast-check'
import type { HostSpec } from '#shared/model/host.ts'
import type { InstanceSpec } from '#shared/model/instance.ts'
import type { InstanceCrashes } from '#shared/model/instance-trouble.ts'
import type { Intent } from '../../../../controller/core/admission/admit.ts'
import type { Admitted } from '../../../../controller/core/admission/context.ts'
import type { Change, Healing } from '../../../../controller/core/commit.ts'
import { isRefusal } from '../../../../controller/core/refusal.ts'
import { harmOf, promiseOf } from '../../../../controller/core/reserve/promise.ts'
import { type Reserve, reserveOf } from '../../../../controller/core/reserve/settings.ts'
import type { View } from '../../../../controller/core/view.ts'
import { harmBy, lossesOf, lossOf } from './oracle.ts'
import {
  choosyInstance,
  RandomCloud,
  type RandomInstance,
  randomHost,
  randomInstance
} from './random-cloud.ts'

const healing = fc.constantFrom(
  { reserveHosts: 1 },
  { reserveHosts: 1 },
  { reserveHosts: 2 },
  { reserveHosts: 3 },
  { reserveDomain: 'rack' },
  { reserveHosts: 1, reserveDomain: 'rack' }
)
const number = fc.nat({ max: 1_000 })

type Step =
  | { readonly does: 'create'; readonly random: RandomInstance }
  | { readonly does: 'power' | 'resize' | 'move' | 'delete' | 'close' | 'fail' | 'free' | 'widen' }
  | { readonly does: 'crash' | 'yield' | 'roam' | 'exchange' | 'drain' | 'resume' }

type RandomStep = Step & { readonly a: number; readonly b: number }

const stepOf = (instance: fc.Arbitrary<RandomInstance>): fc.Arbitrary<RandomStep> =>
  fc
    .tuple(
      fc.constantFrom(
        ...['create', 'create', 'create', 'create', 'power', 'resize', 'move'],
        ...['delete', 'close', 'fail', 'free', 'widen', 'crash', 'yield'],
        ...['roam', 'exchange', 'drain', 'resume']
      ),
      instance,
      number,
      number
    )
    .map(([does, random, a, b]) => ({ does, random, a, b }) as RandomStep)

const [step, choosyStep] = [stepOf(randomInstance), stepOf(choosyInstance)]

for (const [title, most, wishes, numRuns, steps] of [
  ['of any losses in a small cloud', 5, healing, 100, step],
  ['of one loss in a larger one', 16, fc.constant({ reserveHosts: 1 }), 30, step],
  ['with groups and labels', 6, healing, 100, choosyStep],
  ['with groups and labels in a larger cloud', 14, fc.constant({ reserveHosts: 1 }), 30, choosyStep]
] as const) {
  test(`the quick verdict ${title} is that of planning everything from scratch`, t => {
    const { harmed, unharmed } = judgedBoth({ most, wishes, numRuns, step: steps })
    // Else it would be a test of nothing.
    t.true(harmed > 5, `${harmed} wishes were harmful`)
    t.true(unharmed > 5, `${unharmed} were not`)
  })
}

function judgedBoth({
  most,
  wishes,
  numRuns,
  step
}: {
  readonly most: number
  readonly wishes: fc.Arbitrary<Healing>
  readonly numRuns: number
  readonly step: fc.Arbitrary<RandomStep>
}) {
  let [harmed, unharmed] = [0, 0]
  const property = fc.property(
    fc.array(randomHost, { minLength: Math.floor(most / 2), maxLength: most }),
    wishes,
    fc.array(step, { minLength: most * 2, maxLength: most * 5 }),
    (hosts, wish, steps) => {
      const random = new RandomCloud(hosts, {})
      const { view } = random.cloud
      for (const [at, one] of steps.entries()) {
        // The reserve is raised once something is there.
        if (at === 2) random.heal(wish)
        const intent = intentOf(random, one)
        const plain = intent && random.unreserved(intent)
        if (!intent || !plain) continue
        const reserve = reserveOf(view)
        const verdict = random.cloud.judged(intent)
        if (reserve) {
          let isHarmless = false
          const fine = new Set<string | undefined>()
          for (const { host, changes } of variantsOf(random, plain)) {
            const isFine = agree(random, reserve, changes)
            if (isFine) unharmed += 1
            else harmed += 1
            if (isFine) fine.add(host)
            if (host === undefined || !plain.placement?.rejected.has(host)) isHarmless ||= isFine
          }
          // One on which it failed is taken for want of another one, and no harm either.
          const isWrong = isRefusal(verdict)
            ? isHarmless
            : !fine.has(verdict.placement?.chosen?.name)
          if (isAsked(view, intent) && isWrong) {
            throw new Error(`the gate differs: ${JSON.stringify({ intent, isHarmless, verdict })}`)
          }
          agreePromise(random, reserve)
        }
        if (!isRefusal(verdict)) random.cloud.commit(verdict.commit)
      }
    }
  )
  // A counterexample is made smaller for so long, and then told as it is.
  fc.assert(property, { numRuns, includeErrorInReport: true, interruptAfterTimeLimit: 240_000 })
  return { harmed, unharmed }
}

/** Throws unless both say the same; gives whether it is no harm. */
function agree(random: RandomCloud, reserve: Reserve, changes: readonly Change[]): boolean {
  const { view, context } = random.cloud
  const slow = harmBy(view, { reserve, changes }, context.now)
  const quick = harmOf(view, changes, context.now)
  const seen = JSON.stringify({ slow: [...slow].map(([k, v]) => [k, [...v]]), quick })
  if ((quick === undefined) !== (slow.size === 0)) throw new Error(`they differ: ${seen}`)
  if (!quick) return true
  const told = quick.stranding!.stranded.map(({ id }) => id).sort()
  const found = [...(slow.get(lossOf(quick.stranding!.lost)) ?? [])].sort()
  if (JSON.stringify(told) !== JSON.stringify(found)) throw new Error(`others: ${seen}`)
  return false
}

function agreePromise(random: RandomCloud, reserve: Reserve): void {
  const { view, context } = random.cloud
  const slow = [...lossesOf(view, reserve, context.now)]
  const idle = new Set(slow.find(([loss]) => loss === '')?.[1])
  const broken = slow
    .map(([loss, stranded]) => [loss, [...stranded].filter(id => !idle.has(id))] as const)
    .filter(([, stranded]) => stranded.length > 0)
  const { state, strandings } = promiseOf(view, context.now, { most: 1_000 })
  const found = new Map(broken.map(([loss, ids]) => [loss, ids.sort().join()]))
  const told = strandings.map(({ lost, stranded }) => ({
    lost,
    ids: stranded
      .map(({ id }) => id)
      .sort()
      .join()
  }))
  const isTrue = told.every(({ lost, ids }) => found.get(lossOf(lost)) === ids)
  // Losing a host besides that means nothing to anybody need not be told.
  const isWhole = [...found].every(([loss, ids]) =>
    told.some(one => one.ids === ids && one.lost.every(host => loss.split(' ').includes(host)))
  )
  if (!isTrue || !isWhole || (state === 'broken') !== broken.length > 0) {
    throw new Error(`they differ: ${JSON.stringify({ state, told, broken })}`)
  }
}

/** Whether it is refused exactly if it harms: to give room back, or a host, is always possible. */
function isAsked(view: View, intent: Intent): boolean {
  switch (intent.verb) {
    case 'delete':
    case 'resume-host':
      return false
    case 'power':
      return intent.power !== 'stopped'
    case 'change': {
      if (intent.kind === 'host') return !(intent.spec as HostSpec).schedulable
      const { spec, decided } = view.get('instance', intent.id)!
      const { host, memoryMib, crashes } = decided
      const wishedMib = (intent.spec as InstanceSpec).memoryMib ?? 0
      // Where it has failed is forgotten with another wish, as it is with time: nobody is asked.
      const isForgotten = crashes !== undefined && spec.desiredPower === 'stopped'
      if (isForgotten && wishedMib !== memoryMib) return false
      return host === undefined || wishedMib >= memoryMib
    }
    default:
      return true
  }
}

type Variant = { readonly host?: string; readonly changes: readonly Change[] }

/** Who is placed is judged on every host, not only on the best one. */
function variantsOf(random: RandomCloud, { placement, commit }: Admitted): readonly Variant[] {
  const { changes } = commit
  if (!placement) return [{ changes }]
  const hosts = [...random.cloud.view.all('host').values()]
  const on = (change: Change, host: string): Change => {
    if (change.op !== 'put') return change
    const { resource } = change
    if (resource.kind === 'instance' && resource.decided.moving) {
      const moving = { ...resource.decided.moving, to: host }
      return { ...change, resource: { ...resource, decided: { ...resource.decided, moving } } }
    }
    if (resource.kind !== 'instance' && resource.kind !== 'volume') return change
    const decided = { ...resource.decided, host }
    return { ...change, resource: { ...resource, decided } as typeof resource }
  }
  return hosts
    .filter(({ name }) => !changes.some(one => isOn(one, name)))
    .map(({ name }) => ({ host: name, changes: changes.map(one => on(one, name)) }))
}

/** Whether it is on its way from a host. */
const isOn = (change: Change, host: string): boolean =>
  change.op === 'put' &&
  change.resource.kind === 'instance' &&
  change.resource.decided.moving !== undefined &&
  change.resource.decided.host === host

function intentOf(
  random: RandomCloud,
  one: Step & { readonly a: number; readonly b: number }
): Intent | undefined {
  if (one.does === 'create') return random.wish(one.random)
  const { a, b } = one
  const { id, labels, spec, generation } = random.hostAt(a)
  switch (one.does) {
    case 'close': {
      const closed = { ...spec, schedulable: generation > 1 }
      return { verb: 'change', kind: 'host', id, labels, spec: closed }
    }
    case 'fail':
      random.report(a % random.cloud.view.all('host').size, b % 2 === 0 ? ['far'] : [])
      return undefined
    case 'drain':
      return { verb: 'drain', id, parallel: 1, cold: b % 2 === 0 }
    case 'resume':
      return { verb: 'resume-host', id, back: false }
    default:
      return intentOnInstance(random, one.does, { a, b })
  }
}

function intentOnInstance(
  random: RandomCloud,
  does: Exclude<Step['does'], 'create' | 'close' | 'fail' | 'drain' | 'resume'>,
  { a, b }: { readonly a: number; readonly b: number }
): Intent | undefined {
  const instance = random.instance(a)
  if (!instance) return undefined
  const { id, spec, labels, decided } = instance
  const change = { verb: 'change', kind: 'instance', id, labels } as const
  switch (does) {
    case 'power':
      return { verb: 'power', id, power: spec.desiredPower === 'stopped' ? 'running' : 'stopped' }
    case 'resize':
      return { ...change, spec: { ...spec, memoryMib: 128 * (1 + (b % 16)) } }
    case 'widen':
      return { ...change, spec: { ...spec, highlyAvailable: true, priority: b % 1_000 } }
    case 'move':
      return { verb: 'move', id, to: random.hostAt(b).name, live: false }
    case 'roam':
      return { verb: 'move', id, live: false }
    case 'exchange': {
      const volume = random.volume(b)
      return { ...change, spec: { ...spec, volumes: volume === undefined ? [] : [volume] } }
    }
    case 'delete':
      return { verb: 'delete', kind: 'instance', id }
    case 'free': {
      // As after the loss of its host, before a place is found: a mark of having yielded goes too.
      if (decided.moving || spec.host !== undefined) return undefined
      const { host: _, preempted: __, ...free } = decided
      random.put({ ...instance, decided: free })
      return undefined
    }
    case 'crash':
      random.put({ ...instance, decided: { ...decided, crashes: failedOn(random, b) } })
      return undefined
    case 'yield': {
      // Who is stopped has no room to yield.
      if (decided.moving || decided.host === undefined) return undefined
      if (spec.desiredPower === 'stopped') return undefined
      const preempted = { at: 'noon', for: 'i-other', because: 'it yields' }
      random.put({ ...instance, decided: { ...decided, preempted } })
      return undefined
    }
    default:
      return does satisfies never
  }
}

/** One or two hosts that it would rather not go to. */
function failedOn(random: RandomCloud, number: number): InstanceCrashes {
  const names = new Set([random.hostAt(number).name, random.hostAt(number >> 3).name])
  const failed = { runs: 5, withinMs: 1_000, last: 'broke down', at: 'noon' }
  return { hosts: [...names].map(host => ({ host, ...failed })) }
}
