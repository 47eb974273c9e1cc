/**
 * Works through hosts, so many at once: each is emptied, boots anew if that is wished, and is used
 * again. What each host is in for is recorded with the host; which one comes next is known here
 * alone.
 */
import { Fault, isFault, sentence } from '#shared/fault.ts'
import type { ResourceDocument } from '#shared/model/index.ts'
import { formatMs } from '#shared/units.ts'
import type { Api } from '../api/client.ts'
import { listResources, pathOf, readJson, readResource, sayVerb } from '../api/resources.ts'
import type { Invocation } from '../invocation.ts'
import type { Reference } from '../kinds.ts'
import { makeProgress } from '../output/progress.ts'
import { drainBody, untilDrained, untilInUse, untilRebooted, untilReturned } from './host-drain.ts'
import { type DutySaid, dutyOf } from './host-duty.ts'
import { referenceTo } from './outcome.ts'
import { bootImage, imageWanted, requirePinnable } from './roll-image.ts'
import {
  type Aftermath,
  type Failure,
  failedOf,
  leaveImage,
  type Pins,
  requireNoFailure,
  settleImage
} from './roll-pins.ts'
import { readWhole, untilWhole, type Whole } from './roll-whole.ts'

/** How long what ran on a host besides is waited for, where nobody says. Unit: ms. */
const wholeMsMax = 3_600_000
/** How long a host is asked for where a command has ended. Unit: ms. */
const standMsMax = 5_000

/** Rolls over hosts; after the first failure no host is begun any more. */
export async function rollHosts(invocation: Invocation): Promise<void> {
  const image = await imageWanted(invocation)
  const left = [...(await hostsOf(invocation))]
  const total = left.length
  const roll: Roll = { image, pins: new Map(), failures: [], left, total, done: 0 }
  const lanes = Math.min(invocation.given.number('parallel-hosts') ?? 1, total)
  const begun = performance.now()
  invocation.write(planWords(invocation, left))
  await Promise.all(Array.from({ length: lanes }, () => lane(invocation, roll)))
  // Interrupted between two hosts, it has failed with none of them, and is not at its end.
  if (roll.failures.length + left.length > 0) throw await halted(invocation, roll)
  if (image !== undefined) {
    const names = await settleImage(invocation, { ...roll, version: image })
    const pinned = names.length === 0 ? '' : `; no longer pinned: ${names.join(', ')}`
    tell(invocation, `image ${image} is the current one${pinned}`)
  }
  invocation.write(`${roll.done} hosts in ${formatMs(performance.now() - begun)}\n`)
}

/** A roll on its way. */
type Roll = {
  /** The version that hosts shall boot. */
  readonly image: string | undefined
  readonly pins: Pins
  readonly failures: Failure[]
  /** Hosts that have not begun. */
  readonly left: string[]
  readonly total: number
  done: number
}

/** Takes the next host for as long as there is one, and none has failed. */
async function lane(invocation: Invocation, roll: Roll): Promise<void> {
  const { failures, left, total } = roll
  while (failures.length === 0 && !invocation.signal.aborted) {
    const name = left.shift()
    if (name === undefined) return
    const started = performance.now()
    const what = await rollOne(invocation, name, roll).catch((thrown: unknown) => {
      if (!isFault(thrown)) throw thrown
      failures.push({ name, fault: thrown })
      tell(invocation, `host/${name} is not done: ${thrown.message}`)
    })
    if (what === undefined) return
    roll.done += 1
    const took = formatMs(performance.now() - started)
    tell(invocation, `host/${name} ${what} (${took}), ${roll.done} of ${total}`)
  }
}

/** Whether hosts boot anew. */
const boots = ({ given }: Invocation): boolean =>
  given.flag('reboot') || given.text('image') !== undefined

/** Says what is about to be done, before anything is. */
function planWords({ given }: Invocation, names: readonly string[]): string {
  const parts = [
    `emptied${given.flag('cold') ? ' (what cannot go while it runs is shut down for it)' : ''}`,
    ...(given.flag('reboot') ? ['booted anew'] : []),
    ...(given.text('image') === undefined ? [] : [`booted with image ${given.text('image')}`]),
    given.flag('back') ? 'used again, with what it had' : 'used again'
  ]
  const atOnce = Math.min(given.number('parallel-hosts') ?? 1, names.length)
  const many = `${names.length} ${names.length === 1 ? 'host' : 'hosts'}`
  return `${many}, ${atOnce} at a time: ${names.join(', ')}; each is ${parts.join(', ')}\n`
}

/** One thing that was done, with the time of day: whoever reads this may have just got up. */
function tell(invocation: Invocation, text: string): void {
  invocation.write(`${new Date().toTimeString().slice(0, 8)}  ${text}\n`)
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

async function rollOne(invocation: Invocation, name: string, roll: Roll): Promise<string> {
  const { given, signal } = invocation
  const { image, pins } = roll
  const reference: Reference = referenceTo(invocation, 'host', name)
  const api = await invocation.connect()
  const before = await readResource(api, reference, signal)
  const whole = boots(invocation) ? await readWhole(api) : []
  let since = performance.now()
  const step = (what: string): void => {
    const now = performance.now()
    tell(invocation, `host/${name} ${what} (${formatMs(now - since)})`)
    since = now
  }
  if (image !== undefined) await requirePinnable(invocation, reference, image)
  await sayVerb(api, reference, 'drain', { body: drainBody(invocation), signal })
  const duty = dutyOf(await untilDrained(invocation, reference))!
  step(`is out of service: ${leftWords(duty)}`)
  if (image !== undefined) {
    requireNoFailure(name, { ...roll, version: image })
    await bootImage(invocation, reference, { version: image, before, pins })
    step(`has booted image ${image}`)
  } else if (given.flag('reboot')) {
    await sayVerb(api, reference, 'reboot', { signal })
    const after = await untilRebooted(invocation, reference, before.status['bootId'])
    step(`has booted anew: boot ${String(after.status['bootId'])}`)
  }
  const back = given.flag('back')
  await sayVerb(api, reference, 'resume', { body: { back }, signal })
  await untilInUse(invocation, reference)
  if (back) await untilReturned(invocation, reference)
  if (boots(invocation)) await again(invocation, name, whole)
  return back ? `is in use again: ${await backWords(api, reference)}` : 'is in use again'
}

/** What has come back, and why the rest has not, as the controller has recorded it. */
async function backWords(api: Api, { name }: Reference): Promise<string> {
  const doing = `read the history of host ${name}`
  const answer = await api.ask({ method: 'GET', path: `${pathOf('host', name)}/history`, doing })
  const { items } = readJson(answer, doing) as {
    readonly items: readonly { readonly verb: string; readonly because: string }[]
  }
  const last = items.findLast(({ verb }) => verb === 'resumed' || verb === 'returned')
  return last?.verb === 'returned' ? last.because : 'nothing had left it'
}

/** Waits for what else ran on it: a candidate, a server of the ensemble. */
async function again(invocation: Invocation, name: string, whole: Whole): Promise<void> {
  const { quiet } = invocation.settings
  const now = () => performance.now()
  const progress = makeProgress(invocation.terminal.errors, { quiet, now })
  const timeoutMs = invocation.given.number('timeout') ?? wholeMsMax
  const { signal } = invocation
  const say = (words: string): void => progress.say(`${name}: ${words}`)
  await untilWhole(await invocation.connect(), whole, { timeoutMs, signal, say })
  progress.end()
}

function leftWords({ done, total, stillMsMax, instances }: DutySaid): string {
  const still = stillMsMax === undefined ? '' : `, longest standstill ${stillMsMax} ms`
  const stays = instances.map(({ name, because }) => `; ${name} stays: ${because}`)
  return `${done} of ${total} instances have left${still}${stays.join('')}`
}

/** Says where it ended, what has become of pins, how hosts stand now, and how to go on. */
async function halted(invocation: Invocation, roll: Roll): Promise<Fault> {
  const { image, left, done, total } = roll
  const { reasons, next } =
    image === undefined ? nothing : await leaveImage(invocation, { ...roll, version: image })
  const failures = weightiestFirst(roll)
  const names = failures.map(({ name }) => name)
  const stands = await Promise.all(names.map(name => standOf(invocation, name)))
  const again = `remuda host roll ${[...names, ...left].join(' ')}${optionsAsGiven(invocation)}`
  const goOn = [...names.map(name => `remuda host resume ${name}`), again].join(' && ')
  const counts = `${done} of ${total} hosts are done, ${left.length} not begun`
  const rest = left.length === 0 ? counts : `${counts}: ${left.join(', ')}`
  const [first, ...others] = failures
  const fault = first?.fault ?? new Fault('aborted', 'cannot go on to the next host: interrupted')
  const also = others.map(({ name, fault }) =>
    [`${name}: ${sentence(fault)}`, ...fault.reasons].join('; ')
  )
  return new Fault(fault.code, fault.message, {
    cause: fault.cause,
    reasons: [...fault.reasons, ...also, ...reasons, ...stands, rest],
    next: [...failures.flatMap(({ fault }) => fault.next), `to go on: ${goOn}`, ...next]
  })
}

const nothing: Aftermath = { reasons: [], next: [] }

/** What speaks against the version comes before what came of that on other hosts. */
function weightiestFirst({ image, ...roll }: Roll): readonly Failure[] {
  const failed = image === undefined ? [] : failedOf({ ...roll, version: image })
  return roll.failures.toSorted(
    (one, other) => Number(failed.includes(other.name)) - Number(failed.includes(one.name))
  )
}

/** Whoever interrupted the command wants no more waiting. */
async function standOf(invocation: Invocation, name: string): Promise<string> {
  try {
    const api = await invocation.connect()
    const signal = AbortSignal.timeout(standMsMax)
    const host = await readResource(api, referenceTo(invocation, 'host', name), signal)
    return `${name} is ${String(host.status['phase'])} now, and stays so`
  } catch (thrown) {
    return `${name} may stand anywhere: ${sentence(thrown)}`
  }
}

/** The options of this command, as they would be typed again. */
function optionsAsGiven({ given }: Invocation): string {
  const flags = ['reboot', 'back', 'cold'].filter(flag => given.flag(flag)).map(flag => `--${flag}`)
  const numbers = {
    parallel: given.number('parallel'),
    'parallel-hosts': given.number('parallel-hosts'),
    bandwidth: suffixed(given.number('bandwidth'), 'MiB'),
    downtime: suffixed(given.number('downtime'), 'ms'),
    timeout: suffixed(given.number('timeout'), 'ms'),
    'post-copy': given.text('post-copy'),
    image: given.text('image')
  }
  const values = Object.entries(numbers).flatMap(([option, value]) =>
    value === undefined ? [] : [`--${option} ${value}`]
  )
  return [...flags, ...values].map(option => ` ${option}`).join('')
}

const suffixed = (value: number | undefined, unit: string): string | undefined =>
  value === undefined ? undefined : `${value}${unit}`
