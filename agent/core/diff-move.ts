/**
 * An instance that leaves this host for another one, or arrives from one. What the controller makes
 * of the words said here, and why never two of it run, is told in controller/core/moves.ts. Here is
 * what an agent does, all of it worked out of the order and of what libvirt shows, so that one that
 * has just been started goes on where another one died:
 *
 *   leaving, what is seen                  said      done
 *   its domain lives, nothing is allowed   stays     nothing new: it is paused or resumed as ever
 *   a job sends it, or its step is on      sending   nothing; called back when that is not allowed
 *   allowed, and not tried in this step    sending   begun: sent if it goes live, else shut down
 *   tried in vain, and it lives            failed    nothing until the controller's next step
 *   paused by libvirt and nothing sends    held      nothing: the other copy may be the living one
 *   runs there, a part of it is here       crossing  nothing: it can only go on
 *   the same, and they lost each other     broken    what is left is sent, again and again, while
 *                                                    that is wished; ended once it is lost
 *   the same, but only libvirt lost it     crossing  the same, but it does not count as in vain
 *   no domain, and no step about it        gone      nothing: it is never started
 *
 *   arriving, what is seen                 said      done
 *   a network, volume or seed is missing   preparing that is brought about, or said
 *   all is there, and no domain            ready     nothing: it is never started
 *   a domain that libvirt holds still      receiving nothing; ended once nobody can send any more,
 *                                                    or where nobody can have begun to
 *   one that runs with a part of it        receiving the same, should the other part be lost
 *   a domain that lives                    here      nothing until it is this host's own
 *
 * A word is only said while libvirt's domains are seen. A domain that is held still and that no
 * order names is ended at once and never resumed; see diff-stop.ts.
 */
import type { OrderArriving, OrderInstance, OrderLeaving, ReportMove } from '#shared/wire/order.ts'
import { mayCross, standstillAt } from './diff-crossing.ts'
import type { InstanceVerdict } from './diff-instance.ts'
import { lacking, seedOf } from './diff-start.ts'
import { stopMatter } from './diff-stop.ts'
import { driverOf } from './domain-plan.ts'
import type { OwnDomain } from './metadata.ts'
import { isAlive, isCrossing, isHeld, isTorn } from './own-domains.ts'
import type { Transfer } from './ports.ts'
import { failureOf, type Situation, stepInLane, type Wish, wishFor } from './situation.ts'
import { keyOf, type Step, stepFingerprint } from './steps.ts'
import { indexKey, type Surroundings } from './surroundings.ts'

/** How soon the progress of a transfer is looked at again. Unit: ms. */
const progressMs = 250
/** How long libvirt may take to notice that the last of an instance has come. Unit: ms. */
const lastPagesMs = 5_000

type Said = Pick<ReportMove, 'stand' | 'message'> & Partial<ReportMove>

/** Says where an instance stands that is on its way, and what this host does about it. */
export function moveVerdict(
  instance: OrderInstance,
  about: Surroundings,
  living: (instance: OrderInstance, own: OwnDomain, about: Surroundings) => InstanceVerdict
): InstanceVerdict {
  const { leaving, arriving } = instance
  const own = about.indexes.own.get(indexKey(driverOf(instance), instance.id))
  const alive = own !== undefined && isAlive(own.domain) ? own : undefined
  if (arriving) return arrivingVerdict({ instance, way: arriving, own: alive }, about)
  const way = leaving!
  if (!alive) return goneVerdict(instance, way, about)
  return leavingVerdict({ instance, way, own: alive }, about, () => living(instance, alive, about))
}

function verdictOf(
  instance: OrderInstance,
  way: OrderLeaving | OrderArriving,
  given: Partial<InstanceVerdict> & { readonly said: Said }
): InstanceVerdict {
  const { said, ...rest } = given
  return {
    instance,
    own: undefined,
    power: 'starting',
    reason: 'moving',
    message: said.message,
    restartNeeded: false,
    settled: false,
    ...rest,
    move: { move: way.move, step: way.step, ...said }
  }
}

/** What is under way about it may still show, or undo, a domain. */
function goneVerdict(
  instance: OrderInstance,
  way: OrderLeaving,
  { situation }: Surroundings
): InstanceVerdict {
  const { hostname } = situation.host
  const step = stepInLane(situation, `instance/${instance.id}`)
  const isSent = step?.type === 'migrate-domain'
  if (isSent && !hasEndedHere(instance, situation)) {
    const message = `has left ${hostname} and waits for libvirt to say so`
    return verdictOf(instance, way, { said: { stand: 'sending', message } })
  }
  if (step !== undefined && !isSent && step.type !== 'forget-instance') {
    const message = `waits for the end of an earlier ${step.type} on ${hostname}`
    return verdictOf(instance, way, { said: { stand: 'stays', message } })
  }
  const power = instance.desiredPower === 'stopped' ? 'stopped' : 'starting'
  const message = `${hostname} has it no more`
  return verdictOf(instance, way, { power, said: { stand: 'gone', message } })
}

/**
 * Whether libvirt has said that it ended here, rather than left: then nobody sends it any more, and
 * the call that has begun to may never come back: where an instance crosses, QEMU 10 at the target
 * waits for its source for ever, and so do both libvirts.
 */
function hasEndedHere({ id }: OrderInstance, { memory }: Situation): boolean {
  const state = memory.instances.get(id)?.history.now.state
  return state === 'waiting' || state === 'done'
}

type Leaving = {
  readonly instance: OrderInstance
  readonly way: OrderLeaving
  readonly own: OwnDomain
}

function leavingVerdict(
  { instance, way, own }: Leaving,
  about: Surroundings,
  living: () => InstanceVerdict
): InstanceVerdict {
  const { situation } = about
  const power = own.domain.state === 'paused' ? 'paused' : 'running'
  const base = { own, power } as const
  if (isCrossing(own.domain)) return crossingVerdict({ instance, way, own }, situation)
  const progress = situation.observed.transfers.get(own.domain.uuid)
  const underWay = stepInLane(situation, `instance/${instance.id}`)
  if (progress !== undefined || underWay?.type === 'migrate-domain') {
    return sendingVerdict({ instance, way, own }, about, underWay)
  }
  if (isHeld(own.domain)) {
    const message = `${situation.host.hostname} holds it still: it may run on ${way.to}`
    return verdictOf(instance, way, { ...base, said: { stand: 'held', message } })
  }
  if (way.go && !way.live) {
    const because = `it moves to ${way.to}`
    const graceMs = instance.pullPlug ? 0 : instance.stopGraceMs
    const matter = stopMatter(own, { graceMs, because }, situation)
    const said = { stand: 'sending', message: matter.message } as const
    return verdictOf(instance, way, { own, power: 'stopping', ...matter, said })
  }
  const verdict = living()
  const stays = (message: string, stand: 'stays' | 'failed' = 'stays'): InstanceVerdict => ({
    ...verdict,
    settled: false,
    move: { move: way.move, step: way.step, stand, message }
  })
  if (!way.go || way.door === undefined) {
    return stays(`${situation.host.hostname} has it: ${verdict.message}`)
  }
  if (own.domain.state !== 'running' && own.domain.state !== 'paused') {
    return stays(`cannot be sent: ${verdict.message}`)
  }
  const step = migration({ instance, way, own }, situation)
  const failure = situation.memory.retries.get(keyOf(step))
  if (failure !== undefined && failure.fingerprint === stepFingerprint(step)) {
    // It is not tried again in this step: the next one may only be to stay.
    return { ...stays(failure.message, 'failed'), wish: { state: 'later', step, retry: failure } }
  }
  const message = `is sent to ${way.to}`
  const wish: Wish = { state: 'due', step }
  return verdictOf(instance, way, { ...base, wish, said: { stand: 'sending', message } })
}

function migration({ instance, way, own }: Leaving, situation: Situation): Step {
  const { id, tenant, name } = instance
  const { driver, uuid } = own.domain
  const { uri, address, folder } = way.door!
  return {
    type: 'migrate-domain',
    instance: { id, tenant, name },
    domain: { driver, uuid },
    to: way.to,
    attempt: `${way.move}/${way.step}`,
    way: {
      uri,
      address,
      folders: { here: ownFolder(situation), there: folder },
      ...(way.pace && { pace: way.pace }),
      standstillMs: standstillAt(way, 1, situation.host),
      ...(mayCross(way) && { postCopy: true }),
      ...(way.crossing && { resume: true })
    },
    because: way.crossing
      ? `it runs on ${way.to}, which has lost the rest of its memory`
      : `it is wished to be on ${way.to}, which is ready`
  }
}

/** The folder of the agent's own files: the console logs are in one of its folders. */
const ownFolder = ({ host }: Situation): string => host.consoleFolder.replace(/\/[^/]*$/, '')

/** It runs on the other host, and misses there what is still here. */
function crossingVerdict({ instance, way, own }: Leaving, situation: Situation): InstanceVerdict {
  const { to } = way
  const base = { own, power: 'running', lookAgainAt: situation.now.monotonic + progressMs } as const
  if (way.lost) {
    const because = 'the rest of its memory is lost'
    const matter = stopMatter(own, { graceMs: 0, because }, situation)
    const said = { stand: 'crossing', message: matter.message } as const
    return verdictOf(instance, way, { ...base, ...matter, power: 'stopping', said })
  }
  const progress = situation.observed.transfers.get(own.domain.uuid)
  const underWay = stepInLane(situation, `instance/${instance.id}`)
  const same: Wish | undefined = underWay && { state: 'due', step: underWay }
  const left = progress === undefined ? '' : `, ${leftWords(progress)}`
  if (underWay !== undefined || !isTorn(own.domain)) {
    const message = `runs on ${to}, the rest of its memory follows${left}`
    const said = { stand: 'crossing', message, ...numbersOf(progress) } as const
    return verdictOf(instance, way, { ...base, wish: same, said })
  }
  const torn = `stands still on ${to}: the rest of its memory cannot be sent there`
  const broken = (message: string, wish?: Wish, tries?: number): InstanceVerdict =>
    verdictOf(instance, way, {
      ...base,
      power: 'paused',
      wish,
      said: { stand: 'broken', message, ...(tries !== undefined && { tries }) }
    })
  if (!way.crossing || way.door === undefined) return broken(torn)
  const step = migration({ instance, way, own }, situation)
  const wish = wishFor(step, situation)
  const failure = failureOf(wish, situation.now)
  const retry = situation.memory.retries.get(keyOf(step))
  const isSame = retry?.fingerprint === stepFingerprint(step)
  if (isSame && retry.code === 'conflict') {
    // Only libvirt has lost sight of it, such as by its own end: it arrives all the same.
    const message = `runs on ${to}, the rest of its memory follows, out of libvirt's sight`
    return verdictOf(instance, way, { ...base, wish, said: { stand: 'crossing', message } })
  }
  const tries = isSame ? retry.failures : 0
  return broken(failure === undefined ? torn : `${torn}: ${failure}`, wish, tries)
}

const leftWords = ({ remainingMib, totalMib }: Transfer): string =>
  `${remainingMib} of ${totalMib} MiB are left`

/** What a report says of a transfer. */
function numbersOf(transfer: Transfer | undefined): Partial<ReportMove> {
  if (transfer === undefined) return {}
  const { totalMib, remainingMib, mibPerSecond, writtenMibPerSecond } = transfer
  return { totalMib, remainingMib, mibPerSecond, writtenMibPerSecond }
}

function sendingVerdict(
  { instance, way, own }: Leaving,
  { situation }: Surroundings,
  underWay: Step | undefined
): InstanceVerdict {
  const progress = situation.observed.transfers.get(own.domain.uuid)
  const { id, tenant, name } = instance
  const { driver, uuid } = own.domain
  const because = 'it is no longer wished to leave'
  const step: Step = {
    type: 'abort-migration',
    instance: { id, tenant, name },
    domain: { driver, uuid },
    because
  }
  const calledBack = !way.go || !way.live
  const left = progress && leftWords(progress)
  const message = calledBack
    ? `is being called back: ${because}`
    : `is sent to ${way.to}${left === undefined ? '' : `, ${left}`}`
  // A step that is under way is wished as it is, or it would be withdrawn.
  const same: Wish | undefined = underWay && { state: 'due', step: underWay }
  return verdictOf(instance, way, {
    own,
    power: own.domain.state === 'paused' ? 'paused' : 'running',
    wish: calledBack && progress !== undefined ? wishFor(step, situation) : same,
    lookAgainAt: situation.now.monotonic + progressMs,
    said: {
      stand: 'sending',
      message,
      ...numbersOf(progress)
    }
  })
}

function arrivingVerdict(
  {
    instance,
    way,
    own
  }: {
    readonly instance: OrderInstance
    readonly way: OrderArriving
    readonly own: OwnDomain | undefined
  },
  about: Surroundings
): InstanceVerdict {
  const { situation } = about
  const { hostname } = situation.host
  const underWay = stepInLane(situation, `instance/${instance.id}`)
  if (own !== undefined && !isHeld(own.domain) && !isCrossing(own.domain)) {
    const power = own.domain.state === 'paused' ? 'paused' : 'running'
    const message = `${hostname} has it in full`
    const arrival = situation.observed.arrivals.get(own.domain.uuid)
    const downtime = arrival?.downtimeMs === undefined ? {} : { downtimeMs: arrival.downtimeMs }
    return verdictOf(instance, way, { own, power, said: { stand: 'here', message, ...downtime } })
  }
  const receiving = (message: string, wish?: Wish): InstanceVerdict =>
    verdictOf(instance, way, { own, wish, said: { stand: 'receiving', message } })
  if (own !== undefined) {
    const isOver = isUnsent(own, way, situation) || isLeftBehind(instance, way, situation)
    if (isOver) return receiving(`${hostname} has a part of it`, ended(instance, own, about))
    const what = isTorn(own.domain) ? 'misses the rest of its memory' : 'has a part of its memory'
    return isCrossing(own.domain)
      ? receiving(`runs on ${hostname}, and ${what}, which ${way.from} has`)
      : receiving(`${hostname} receives it from ${way.from}`)
  }
  if (underWay !== undefined && underWay.type !== 'prepare-arrival') {
    return receiving(`waits for the end of an earlier ${underWay.type} on ${hostname}`)
  }
  const lack = lacking(instance, about)
  if (lack !== undefined) {
    const { message } = lack
    return verdictOf(instance, way, { ...lack, said: { stand: 'preparing', message } })
  }
  return prepared({ instance, way }, about)
}

/**
 * Whether what is here in part stays so. What runs already may have got the last of it a moment
 * ago, before libvirt has noticed: it is given some time to say so.
 */
function isUnsent(own: OwnDomain, { over }: OrderArriving, { memory, now }: Situation): boolean {
  if (!over || own.domain.state !== 'running' || isTorn(own.domain)) return over
  const since = memory.instances.get(own.metadata.id)?.unsentSince ?? now.monotonic
  return now.monotonic - since >= lastPagesMs
}

/**
 * Nobody sends before this host has said that it is ready, and it has not: what is here already was
 * left behind by an earlier move. From the second step on it may have said so in an earlier run.
 */
const isLeftBehind = ({ id }: OrderInstance, way: OrderArriving, { memory }: Situation): boolean =>
  way.step === 1 && memory.instances.get(id)?.preparedFor !== way.move

function prepared(
  { instance, way }: { readonly instance: OrderInstance; readonly way: OrderArriving },
  about: Surroundings
): InstanceVerdict {
  const { situation } = about
  const { hostname } = situation.host
  const isPrepared = situation.memory.instances.get(instance.id)?.preparedFor === way.move
  if (isPrepared || instance.type !== 'vm' || !way.live) {
    const message = `${hostname} is ready for it`
    return verdictOf(instance, way, { said: { stand: 'ready', message } })
  }
  const { id, tenant, name } = instance
  const step: Step = {
    type: 'prepare-arrival',
    instance: { id, tenant, name },
    move: way.move,
    // The disk that it sees must be the same on both hosts, to the byte.
    seed: seedOf(instance, about, way.fromHostname),
    because: `it comes from ${way.from}`
  }
  const wish = wishFor(step, situation)
  const failure = failureOf(wish, situation.now)
  const message = failure ?? `${hostname} prepares for it`
  return verdictOf(instance, way, { wish, said: { stand: 'preparing', message } })
}

/** What has come of it in part is cleared away. */
function ended(instance: OrderInstance, own: OwnDomain, { situation }: Surroundings): Wish {
  const { id, tenant, name } = instance
  const { driver, uuid } = own.domain
  const because = 'only a part of it has come, and nobody sends any more'
  const step: Step = {
    type: 'destroy',
    instance: { id, tenant, name },
    domain: { driver, uuid },
    crashed: false,
    because
  }
  return wishFor(step, situation)
}
