/**
 * Works through hosts, so many at once: each is emptied, boots anew if that is wished, and is used
 * again. What each host is in for is recorded with the host; which one comes next is known here
 * alone.
 */
import { Fault, isFault } from '#shared/fault.ts'
import type { ResourceDocument } from '#shared/model/index.ts'
import { formatMs } from '#shared/units.ts'
import { listResources, readResource, sayVerb } from '../api/resources.ts'
import type { Invocation } from '../invocation.ts'
import type { Reference } from '../kinds.ts'
import { drainBody, untilDrained, untilRebooted, untilReturned } from './host-drain.ts'
import { dutyOf } from './host-duty.ts'
import { referenceTo } from './outcome.ts'

/** Rolls over hosts; ends at the first failure. */
export async function rollHosts(invocation: Invocation): Promise<void> {
  const left = [...(await hostsOf(invocation))]
  const total = left.length
  const lanes = Math.min(invocation.given.number('parallel-hosts') ?? 1, total)
  const begun = performance.now()
  const failures: Fault[] = []
  let done = 0
  const lane = async (): Promise<void> => {
    for (let name = left.shift(); name !== undefined; name = left.shift()) {
      if (failures.length > 0 || invocation.signal.aborted) {
        left.unshift(name)
        return
      }
      const started = performance.now()
      const what = await rollOne(invocation, name).catch(thrown => {
        if (!isFault(thrown)) throw thrown
        failures.push(thrown)
      })
      if (what === undefined) return
      done += 1
      const took = formatMs(performance.now() - started)
      invocation.write(`host/${name} ${what} (${took}), ${done} of ${total}\n`)
    }
  }
  await Promise.all(Array.from({ length: lanes }, lane))
  const [failure] = failures
  if (failure) throw halted(invocation, failure, { left, done, total })
  invocation.write(`${done} hosts in ${formatMs(performance.now() - begun)}\n`)
}

/** All that are to be rolled over, if each of them is fit for it. */
async function hostsOf(invocation: Invocation): Promise<readonly string[]> {
  const { given, signal } = invocation
  const api = await invocation.connect()
  const { items } = await listResources(api, 'host', { sort: 'name' }, signal)
  const names = given.positionals('HOST')
  const missing = names.filter(name => !items.some(each => each.name === name || each.id === name))
  if (missing.length > 0) {
    throw new Fault('not-found', `there is no host "${missing[0]}"`, { next: ['remuda host list'] })
  }
  const wanted = names.length > 0 ? names : items.map(({ name }) => name)
  const hosts = wanted.map(name => items.find(each => each.name === name || each.id === name)!)
  const kept = hosts.filter(host => !isOut(host))
  for (const host of hosts.filter(isOut)) {
    invocation.note(`host/${host.name} is left alone: it is ${String(host.status['phase'])}\n`)
  }
  const unfit = kept.find(({ status }) => status['phase'] !== 'online')
  if (unfit) {
    const phase = String(unfit.status['phase'])
    throw new Fault('conflict', `cannot roll over host ${unfit.name}: it is ${phase}`, {
      reasons: unfit.conditions.slice(0, 1).map(({ message }) => message),
      next: [`remuda host show ${unfit.name}`, 'or name the hosts that are meant']
    })
  }
  return kept.map(({ name }) => name)
}

const isOut = (host: ResourceDocument): boolean =>
  dutyOf(host)?.state === 'maintenance' || host.status['phase'] === 'pending'

async function rollOne(invocation: Invocation, name: string): Promise<string> {
  const { given, signal } = invocation
  const reference: Reference = referenceTo(invocation, 'host', name)
  const api = await invocation.connect()
  const before = await readResource(api, reference, signal)
  await sayVerb(api, reference, 'drain', { body: drainBody(invocation), signal })
  const drained = await untilDrained(invocation, reference)
  const duty = dutyOf(drained)
  const words = [`${duty?.done ?? 0} of ${duty?.total ?? 0} instances left`]
  if (given.flag('reboot')) {
    await sayVerb(api, reference, 'reboot', { signal })
    await untilRebooted(invocation, reference, before.status['bootId'])
    words.push('booted anew')
  }
  const back = given.flag('back')
  await sayVerb(api, reference, 'resume', { body: { back }, signal })
  if (back) await untilReturned(invocation, reference)
  return `rolled over: ${words.join(', ')}${back ? ', all back that could be' : ''}`
}

/** Says where it ended, and how to go on. */
function halted(
  invocation: Invocation,
  failure: Fault,
  { left, done, total }: { readonly left: readonly string[]; done: number; total: number }
): Fault {
  const flags = ['reboot', 'back', 'cold'].filter(flag => invocation.given.flag(flag))
  const options = flags.map(flag => ` --${flag}`).join('')
  const rest = left.length === 0 ? [] : [`to go on: remuda host roll ${left.join(' ')}${options}`]
  return new Fault(failure.code, failure.message, {
    cause: failure.cause,
    reasons: [...failure.reasons, `${done} of ${total} hosts are done, ${left.length} not begun`],
    next: [...failure.next, ...rest]
  })
}
