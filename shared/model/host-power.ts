/**
 * What is recorded of a host's power: how it is taken for dead and proven off, what may be relied
 * on of what it does itself, and what operators have done with it.
 */
/** `fencing`: it must be off before anything starts elsewhere; `fenced`: that is proven. */
export const recoveryPhases = ['fencing', 'fenced'] as const

/**
 * What proves that nothing of a host runs any more: a device that is not the host has read *off*
 * twice; its own hardware watchdog must have fired; an operator has looked; it says itself that it
 * was booted anew.
 */
export const proofVerdicts = ['off-confirmed', 'expired', 'operator', 'rebooted'] as const

/** From the suspicion that a host is dead to its return; see controller/core/fencing.ts. */
export type HostRecovery = {
  /** Names this fence: what is said of another one proves nothing here. */
  readonly id: string
  readonly phase: (typeof recoveryPhases)[number]
  /** RFC 3339. */
  readonly since: string
  /** Why it was taken for dead, with numbers. */
  readonly because: string
  /** The boot that is over once it is fenced; left out: none was ever heard of. */
  readonly bootId?: string
  /** It was said to be off, and wrote to shared storage or was heard in its boot after that. */
  readonly contradicted?: {
    /** RFC 3339. */
    readonly at: string
    readonly because: string
    /** What was said; who said it; left out: a device. */
    readonly said: string
    readonly by?: 'operator'
    /** The last level whose word is not believed, from 1, and for which fence; 0: none. */
    readonly level: number
    readonly fence: string
    /** It had counted as proof before, so that some may have started elsewhere. */
    readonly wasProof?: true
    /** It was heard in the boot that should be over. */
    readonly spoke?: true
    /** It counted once more, when nothing had been written for long: it never does again. */
    readonly again?: true
  }
  readonly proof?: {
    readonly verdict: (typeof proofVerdicts)[number]
    readonly because: string
    /** RFC 3339. */
    readonly at: string
  }
}

/** What any controller may rely on when a host with a self-fence is not heard any more. */
export type HostSelfFence = {
  /** No longer limit can be in force there: recorded before an order says it. Unit: ms. */
  readonly limitMs: number
  /** Its watchdog, as it was when a limit was in force there; left out: nothing was heard of it. */
  readonly armed?: {
    readonly bootId: string
    readonly identity: string
    readonly timeoutMs: number
    /** It bites by the limit, also when its agent dies. */
    readonly kept?: true
  }
}

/** Power as an operator wants it; see controller/core/power.ts. */
export type HostPower = {
  /** Names this wish: what is said of another one proves nothing here. */
  readonly id: string
  readonly step: 'off' | 'on'
  /** Off now, and on next. */
  readonly isCycle?: true
  /** Since when this step is wanted, RFC 3339. */
  readonly since: string
  readonly by: string
}

/**
 * That it stays off until somebody wants it on, or starts it by hand: it holds for the boot that
 * was ended, and for no later one.
 */
export type HostKeptOff = {
  /** Left out: none was ever heard of. */
  readonly bootId?: string
  /** RFC 3339. */
  readonly since: string
  readonly by: string
}

/** A real test of fence devices: off, and on again; see controller/core/fence-test.ts. */
export type HostFenceTest = {
  /** Names this test: what is said of another one proves nothing here. */
  readonly id: string
  /** The level that is to prove it, from 1; left out: whichever is the first that does. */
  readonly level?: number
  readonly step: 'off' | 'on'
  /** RFC 3339. */
  readonly since: string
  readonly by: string
  /** What came of switching it off; set from step `on` on. */
  readonly off?: { readonly proven: boolean; readonly because: string }
}

/** What came of a real test of fence devices. */
export type HostFenceTested = {
  /** RFC 3339. */
  readonly at: string
  readonly passed: boolean
  readonly because: string
}
