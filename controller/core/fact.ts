import type { HostClaims } from '#shared/model/host-claims.ts'
import type { Ms } from '#shared/units.ts'
import type { BootReport } from '#shared/wire/boot.ts'
import type { FenceState } from '#shared/wire/fence.ts'
import type { Report } from '#shared/wire/order.ts'
import type { Change, Commit } from './commit.ts'
import type { HostBeat } from './leases.ts'
import type { Position } from './ports.ts'

/** What can be folded: commits change what should be, all others what is known of hosts. */
export type Fact =
  | { readonly type: 'commit'; readonly position: Position; readonly commit: Commit }
  | { readonly type: 'report'; readonly host: string; readonly report: Report; readonly at: Moment }
  | {
      readonly type: 'heartbeat'
      readonly host: string
      readonly loopLagMs: number
      readonly beat?: HostBeat | undefined
      /** The boot of who says it; left out: not named. */
      readonly bootId?: string | undefined
      readonly at: Moment
    }
  /** The heartbeat of a host that was heard then is echoed to it: that gives it a lease. */
  | { readonly type: 'echo'; readonly host: string; readonly heardAt: Ms }
  | {
      readonly type: 'link'
      readonly host: string
      readonly connected: boolean
      readonly because: string
    }
  | {
      readonly type: 'boots'
      readonly bootd: string
      readonly report: BootReport
      readonly at: Moment
    }
  /** What a machine that waits to be let in says of itself. */
  | { readonly type: 'claims'; readonly uuid: string; readonly claims: HostClaims }
  /** Somebody wants a version of the host image that some bootd lacks. */
  | { readonly type: 'image-sought'; readonly version: string; readonly at: Moment }
  | { readonly type: 'fences'; readonly states: readonly FenceState[]; readonly at: Moment }
  /**
   * `alone`: nothing keeps another controller of the same journal from going on beside this.
   * `leasedUntil`: no lease of the one before counts from later than this moment.
   */
  | {
      readonly type: 'turn'
      readonly at: Moment
      readonly epoch?: number
      readonly alone?: boolean
      readonly leasedUntil?: Ms
    }

/** One moment on both clocks. */
export type Moment = { readonly monotonic: Ms; readonly wall: Ms }

/** What an undo needs: the commit's inverse and where the view stood. */
export type Undo = { readonly changes: readonly Change[]; readonly commit: Commit }
