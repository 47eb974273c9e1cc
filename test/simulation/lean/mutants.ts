/** Mistakes in the healing cores, put into their own text; each is found by a seed. */
import type { SourceMutant } from '../source-mutants.ts'

/** All of them, by name. */
export const leanMutants: Readonly<Record<string, SourceMutant>> = {
  'read-back-skipped': {
    says: 'a device that says "done" counts as proof',
    seed: 18,
    file: 'bootd/core/fence-switch.ts',
    from: 'return read({ ...device, refusal, did, failures, toldAt: now }, call)',
    to:
      'return read({ ...device, refusal, did, failures, toldAt: now, ' +
      'agreed: refusal ? 0 : 9 }, call)'
  },
  'one-reading-trusted': {
    says: 'one reading proves that a host is off',
    seed: 2,
    faults: ['device flickers'],
    file: 'bootd/core/fence-switch.ts',
    from: 'export const readingsProof = 2',
    to: 'export const readingsProof = 1'
  },
  'wall-clock-trusted': {
    says: 'the wait for the end of a host is counted on the wall clock',
    seed: 8,
    file: 'controller/core/fencing.ts',
    from: 'const now = context.now.monotonic\n  if (expiry?.at === undefined || now < expiry.at)',
    to:
      'const lostAt = view.lostSince(lost.host.name)\n' +
      '  const now = context.now.wall - Date.parse(lost.recovery.since) + lostAt\n' +
      '  if (expiry?.at === undefined || now < expiry.at)'
  },
  'boot-ignored': {
    says: 'after a boot the host goes on with its order of before',
    seed: 1,
    file: 'agent/core/situation.ts',
    from: "origin !== 'other-boot'",
    to: 'origin.length > 0'
  },
  'order-of-another-boot-taken': {
    says: 'a host takes an order that was made for an earlier boot of it',
    seed: 1,
    faults: ['orders held until it has booted'],
    file: 'agent/core/acceptance.ts',
    from: 'order.boot === undefined || order.boot === boot',
    to: 'order.boot === undefined || boot.length > 0'
  },
  'evacuates-on-suspicion': {
    says: 'instances leave a host that is only taken for dead',
    seed: 2,
    file: 'controller/core/evacuation.ts',
    from: "return host?.decided.recovery?.phase === 'fenced' ? host : undefined",
    to: 'return host?.decided.recovery ? host : undefined'
  },
  'no-brake': {
    says: 'any number of hosts is fenced at once',
    seed: 1,
    file: 'controller/core/suspicion.ts',
    from: 'isBraked(brake)',
    to: 'brake.most < 0'
  },
  'lease-from-newest': {
    says: 'a lease counts from the newest heartbeat that was sent, not from the one that was heard',
    seed: 1,
    faults: ['mute while fences are disarmed'],
    file: 'agent/core/self-fence.ts',
    from: 'lease.beats.findLast(({ number }) => number === echo.number)?.at',
    to: 'lease.beats.at(-1)?.at'
  },
  'reserve-unasked': {
    says: 'who is changed or started is given the room that is kept for losses',
    seed: 19,
    file: 'controller/core/admission/reserve.ts',
    from: 'if (!before || !takesMore(before, resource)) return undefined',
    to: 'if (!before || takesMore(before, resource)) return undefined'
  },
  'epoch-unchecked-by-bootd': {
    says: 'a bootd does what a deposed controller wants',
    seed: 1,
    file: 'bootd/core/fence-wishes.ts',
    from: 'if (lowest >= seen) return undefined',
    to: 'if (lowest > 0) return undefined'
  },
  'no-margin': {
    says: 'a host is taken to have ended itself as soon as it begins to',
    seed: 3,
    file: 'controller/core/timing.ts',
    from: 'surely(endedAfterMs(given)) + marginMs',
    to: 'endsAfterMs(given.limitMs)'
  },
  'unarmed-trusted': {
    says: 'a watchdog counts that was never armed',
    seed: 12,
    file: 'controller/core/self-fence.ts',
    from:
      "if (!selfFence?.armed || !selfFence.nowayout || selfFence.kind !== 'hardware') return " +
      'undefined\n  const { identity, timeoutMs, limitMs, kept } = selfFence\n' +
      '  if (limitMs === undefined || timeoutMs === 0) return undefined',
    to:
      'if (!selfFence) return undefined\n' +
      '  const { identity, timeoutMs, kept } = selfFence\n' +
      '  if (timeoutMs === 0) return undefined'
  },
  'pet-until-the-end': {
    says: 'a watchdog is pet until its host begins to end what others could start',
    seed: 3,
    file: 'agent/core/self-fence.ts',
    from: 'lease.from + petForMs({ limitMs, watchdogMs: dog.timeoutMs })',
    to: 'lease.from + endsAfterMs(limitMs)'
  },
  'no-lease-before-us': {
    says: 'a new controller takes it that hosts had no lease before it began',
    seed: 2,
    file: 'controller/core/leases.ts',
    from: 'Math.max(reign.since, echoedAt)',
    to: 'echoedAt'
  },
  'lease-while-fenced': {
    says: 'a host that is taken for dead still gets leases',
    file: 'controller/io/heartbeats.ts',
    from: 'if (!echo || decided.recovery || decided.deletedAt !== undefined)',
    to: 'if (!echo || decided.deletedAt !== undefined)'
  },
  'unseen-watchdog-none': {
    says: 'a new run of the agent takes it that there is no watchdog before it has looked',
    seed: 56,
    file: 'agent/core/lease-keeping.ts',
    from: "if (facts === undefined) return { state: 'unknown' }",
    to: "if (facts === undefined) return { state: 'none' }"
  },
  'starts-after-cut-off': {
    says: 'a host that was cut off starts what its last order names as soon as it is heard',
    seed: 8,
    faults: ['cut off until the ensemble is slow'],
    file: 'agent/core/lease-keeping.ts',
    from: 'if (isAwaited(clear, found.order))',
    to: 'if (isAwaited(clear, found.order) && false)'
  },
  'any-proof-taken': {
    says: 'a proof of another fence counts',
    seed: 2,
    faults: ['lost again while no bootd tells'],
    file: 'controller/core/fencing.ts',
    from: "state?.verdict?.verdict === 'off-confirmed' && state.verdict.fence === fence",
    to: "state?.verdict?.verdict === 'off-confirmed' && fence !== ''"
  },
  'writes-ignored': {
    says: 'a device is believed of a host that is seen to write to the storage',
    seed: 1,
    faults: ['device lies, and its host writes'],
    file: 'controller/core/fencing.ts',
    from: 'const doubt = doubtOf(view, host, { recovery, now: context.now.monotonic })',
    to: 'const doubt = undefined as ReturnType<typeof doubtOf>'
  },
  'silent-controller-fences': {
    says: 'a controller that did not listen takes the silence for that of hosts',
    file: 'controller/core/view.ts',
    from: 'if (monotonic - this.turn.monotonic > inattentiveMs) this.#listeningSince = monotonic',
    to: 'if (this.turn.monotonic < 0) this.#listeningSince = monotonic'
  },
  'hold-ignored': {
    says: 'a host starts instances that its order holds back',
    seed: 1,
    file: 'agent/core/diff-start.ts',
    from: 'if (!instance.hold || ',
    to: 'if (instance.id || !instance.hold || '
  },
  'running-taken-for-ready': {
    says: 'who runs counts as ready, whatever gates its wish names',
    seed: 3,
    file: 'controller/core/start-order.ts',
    from: "|| seen.ready === 'ready'",
    to: "|| seen.power === 'running'"
  },
  'equals-yield': {
    says: 'instances make room for others that are no more important',
    seed: 5,
    faults: ['power cut of several', 'power cut', 'power cut with its device', 'host cut off'],
    file: 'controller/core/preemption.ts',
    from: 'if (one.spec.priority >= to.spec.priority) return false',
    to: 'if (one.id === to.id) return false'
  }
}
