/**
 * A commit is what a decision records: resources put or removed, and why. It is the only thing
 * that changes what the controller knows for good.
 */
import type { Kind, Resource } from '#shared/model/index.ts'
import type { SignedBootstrap, SigningKeys } from '#shared/wire/bootstrap.ts'
import type { BootSettings } from './boot/settings.ts'
import type { Weights } from './placement/weights.ts'

/** A token as the journal keeps it: enough to know it again, not enough to use it. */
export type StoredToken = {
  readonly id: string
  readonly name: string
  /** SHA-256 of the token, hexadecimal; the token itself is nowhere stored. */
  readonly sha256: string
  readonly role: 'admin' | 'reader'
  readonly createdAt: string
}

/** Changes are whole values, never differences: made again, one changes nothing more. */
export type Change =
  | { readonly op: 'put'; readonly resource: Resource }
  | {
      readonly op: 'remove'
      readonly kind: Kind
      readonly id: string
      /** Its name, for those who watch: kind/name. */
      readonly subject: string
    }
  | { readonly op: 'token-put'; readonly token: StoredToken }
  | { readonly op: 'token-remove'; readonly id: string }
  | { readonly op: 'join-token-put'; readonly token: JoinToken }
  | { readonly op: 'join-token-remove'; readonly id: string }
  | { readonly op: 'cloud-put'; readonly cloud: Cloud }
  | { readonly op: 'secret-put'; readonly secret: StoredSecret }
  | { readonly op: 'secret-remove'; readonly name: string }
  | { readonly op: 'reply-put'; readonly reply: KeptReply }
  | { readonly op: 'reply-remove'; readonly key: string }
  | {
      readonly op: 'notices-kept'
      readonly host: string
      /** Undefined: none are kept; only stepping back makes it so. */
      readonly kept: NoticesKept | undefined
    }

/** What there is one of. */
export type Cloud = {
  readonly id: string
  readonly createdAt: string
  /** Signs what hosts keep; only candidates read the journal. Older clouds get one later. */
  readonly signing?: SigningKeys
  /** The newest list of candidates, as every host shall keep it. */
  readonly bootstrap?: SignedBootstrap
  /** Candidates that an operator took out: neither their name nor their key comes in again. */
  readonly candidatesOut?: readonly CandidateOut[]
  /** How much each score of placement counts, where operators have said it. */
  readonly weights?: Partial<Weights>
  /** Whether hosts keep what instances need beside their memory; left out, as of old: no. */
  readonly overhead?: 'counted' | 'ignored'
  /** How the cloud heals itself; left out: by the defaults. */
  readonly healing?: Healing
  /** How hosts are levelled; left out: only when somebody asks for it. */
  readonly balance?: Balance
  /** How machines boot over the network; left out: nobody has set it. */
  readonly boot?: BootSettings
  /** Hosts that were removed: even with a token they wait for an operator. Newest last. */
  readonly hostsOut?: readonly HostOut[]
}

/** What operators have set of how the cloud heals itself. */
export type Healing = {
  /** Set while no host may be fenced, such as during work on the network. */
  readonly disarmed?: { readonly at: string; readonly by: string; readonly because: string }
  /** Losses of hosts that admission keeps room for. Unit: count. */
  readonly reserveHosts?: number
  /** Who may be stopped for more important ones; left out: as each tenant says. */
  readonly preemption?: 'never' | 'own' | 'any'
  /** Label of hosts, such as rack, of which any one value may be lost as a whole. */
  readonly reserveDomain?: string
  /** Instances that may be on their way up on one host at once; left out: by its threads. */
  readonly startsPerHost?: number
  /** Of hosts in service, the most that are fenced at once; left out: a third. Unit: percent. */
  readonly brakePercent?: number
  /** Hosts of one rack that may be fenced at once; left out: 1. */
  readonly fencesPerRack?: number
  /** What is done where shared storage contradicts a fence device; left out: it is held. */
  readonly storageWitness?: 'hold' | 'alarm'
}

/** How hosts are levelled, and the levelling that is under way. */
export type Balance = {
  /** Left out: hosts are levelled only when somebody asks for it. */
  readonly automatic?: AutomaticBalance
  readonly run?: BalanceRun
  /** How the last one ended. */
  readonly last?: BalanceEnd
}

/** How a levelling ended. */
export type BalanceEnd = {
  /** RFC 3339, UTC. */
  readonly at: string
  readonly message: string
  /** Moves that came to nothing. Unit: count. */
  readonly failed: number
}

/** When hosts are levelled by themselves. */
export type AutomaticBalance = {
  /** A levelling must make the hosts at least so much more even. Unit: share. */
  readonly gainMin: number
  /** What each move must gain at least. Unit: share. */
  readonly moveGainMin: number
  /** What every minute that a move takes must gain besides; left out: what is usual. */
  readonly minuteGain?: number
  /** The least time between two of them. Unit: ms. */
  readonly restMs: number
  /** The most moves of one of them. Unit: count. */
  readonly movesMax: number
  /** The most that are on their way at once. Unit: count. */
  readonly parallel: number
}

/** Moves that level the hosts, in the order in which they are begun. */
export type BalanceRun = {
  /** RFC 3339, UTC. */
  readonly at: string
  readonly by: string
  readonly parallel: number
  /** How uneven the hosts were, and will be. */
  readonly before: number
  readonly after: number
  /** Ids of instances and names of hosts. */
  readonly moves: readonly BalanceMove[]
  /** Names of the hosts that it empties; left out: it levels. */
  readonly emptied?: readonly string[]
}

/** One of these moves; `failed`: why it came to nothing. */
export type BalanceMove = {
  readonly instance: string
  readonly from: string
  readonly to: string
  readonly state: 'planned' | 'begun' | 'done' | 'failed'
  readonly because?: string
}

/** A password that fence devices need; nobody is ever shown it. */
export type StoredSecret = {
  readonly name: string
  readonly value: string
  readonly changedAt: string
  readonly by: string
}

/** A candidate that is trusted no longer. */
export type CandidateOut = {
  readonly name: string
  readonly meshKey: string
  readonly at: string
  readonly by: string
}

/** A host that was removed, by what it would come again with. */
export type HostOut = {
  readonly uuid: string
  readonly publicKey: string
  readonly name: string
  readonly at: string
}

/** A token that lets hosts join, as the journal keeps it: enough to know it again. */
export type JoinToken = {
  readonly id: string
  /** SHA-256 of the secret in the token, hexadecimal. */
  readonly sha256: string
  /** How many hosts it may let in, and how many it still may. */
  readonly uses: number
  readonly usesLeft: number
  /** RFC 3339, UTC. */
  readonly createdAt: string
  readonly expiresAt: string
  readonly by: string
  /** The only host that it is for, by its UUID. */
  readonly host?: string
}

/** The reply to a request with an Idempotency-Key, kept so that its repetition gets the same. */
export type KeptReply = {
  readonly key: string
  readonly bodySha256: string
  readonly status: number
  readonly subject: string
  readonly at: string
}

/** Up to which notice of which run of a host's agent the journal has them. */
export type NoticesKept = { readonly run: string; readonly number: number }

/** Why something was done, for the operator: one per decision, kept with what it is about. */
export type Because = {
  /** RFC 3339, UTC. */
  readonly at: string
  /** Who: user/admin, controller, agent/HOST. */
  readonly by: string
  /** What: created, placed, address-given, refused, started-again … */
  readonly verb: string
  readonly because: string
  /** What it is about: `kind/name` or `kind/tenant/name`, one or several. */
  readonly subjects: readonly string[]
}

/** Recorded as a whole or not at all: changes in order, and the decisions that led to them. */
export type Commit = {
  readonly changes: readonly Change[]
  readonly decisions: readonly Because[]
}
