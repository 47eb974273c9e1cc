import type { Host, HostSpec } from '#shared/model/host.ts'
import { formatMs } from '#shared/units.ts'
import { phaseOf } from '../liveness.ts'
import { type Refusal, refuse } from '../refusal.ts'
import type { View } from '../view.ts'
import { admitted, born, type Context, unchanged, type Verdict } from './context.ts'

/** Memory that a host keeps for itself when nobody says otherwise. Unit: MiB. */
export const reservedMibDefault = 512

const specDefault: HostSpec = {
  schedulable: true,
  reservedMib: reservedMibDefault,
  vcpusPerThread: 4
}

/** What a host says of itself at the door. */
export type HostWish = {
  readonly uuid: string
  readonly hostname: string
  readonly publicKey: string
  readonly endpoint: string
  /** Whether it brought a valid token. */
  readonly trusted: boolean
}

/**
 * Judges a host that knocks. A known host is known by its UUID and its key: with another key it
 * may be an impostor, and waits for the operator like a new one.
 */
export function joinHost(view: View, wish: HostWish, context: Context): Verdict {
  const [id] = view.indexes.of('host-uuid', wish.uuid)
  const known = id === undefined ? undefined : view.get('host', id)
  if (known) return joinAgain(view, known, wish, context)
  const name = freeName(view, wish.hostname)
  const approval = wish.trusted ? ('approved' as const) : ('pending' as const)
  const { uuid, publicKey, endpoint } = wish
  const host: Host = {
    ...born(context, 'host', { name }),
    kind: 'host',
    spec: specDefault,
    decided: { approval, uuid, publicKey, endpoint }
  }
  const because = wish.trusted
    ? `knocked from ${endpoint} with a valid token`
    : `knocked from ${endpoint} without a valid token: waits for remuda host approve ${name}`
  return admitted(context, host, { verb: wish.trusted ? 'joined' : 'knocked', because })
}

function joinAgain(view: View, known: Host, wish: HostWish, context: Context): Verdict {
  const { publicKey, endpoint } = wish
  const elsewhere = refuseElsewhere(view, known, wish, context)
  if (elsewhere) return elsewhere
  const sameKey = known.decided.publicKey === publicKey
  if (sameKey && known.decided.endpoint === endpoint) {
    if (known.decided.approval === 'approved' || !wish.trusted) return unchanged(known)
  }
  if (!sameKey && !wish.trusted) {
    return refuse('conflict', `host ${known.name} knocks with another key than the one it has`, {
      reasons: [`uuid ${known.decided.uuid}, from ${endpoint}`],
      next: [`if its state was lost: remuda host delete ${known.name}, then approve it again`]
    })
  }
  const approval = wish.trusted ? ('approved' as const) : known.decided.approval
  const decided = { ...known.decided, approval, publicKey, endpoint }
  const because = sameKey
    ? `knocked again from ${endpoint}`
    : `knocked from ${endpoint} with a new key and a valid token`
  return admitted(context, { ...known, decided }, { verb: 'joined', because })
}

/**
 * A host that is heard is where it is: who knocks as it from elsewhere is another machine with the
 * same UUID, or a stranger. Two machines as one host would both run all that it should hold.
 */
function refuseElsewhere(
  view: View,
  known: Host,
  wish: HostWish,
  context: Context
): Refusal | undefined {
  const { approval, uuid, publicKey, endpoint } = known.decided
  if (approval === 'pending') return undefined
  if (publicKey === wish.publicKey && endpoint === wish.endpoint) return undefined
  const heard = view.heard(known.name)
  const phase = phaseOf(known, heard, context.now.monotonic)
  if (phase !== 'online' && phase !== 'late') return undefined
  const silence = formatMs(context.now.monotonic - (heard.heardAt ?? 0))
  return refuse('conflict', `host ${known.name} is heard at ${endpoint}`, {
    reasons: [
      `another one knocks from ${wish.endpoint} with its UUID ${uuid}`,
      `heard ${silence} ago`
    ],
    next: [
      'if it has moved or lost its state, it is let in once its old agent is silent',
      'if they are two machines, give one of them another UUID'
    ]
  })
}

/** Judges the operator's word that a waiting host may come in. */
export function approveHost(host: Host, context: Context): Verdict {
  if (host.decided.approval === 'approved') return unchanged(host)
  const decided = { ...host.decided, approval: 'approved' as const }
  const because = `let in by ${context.by}, key ${host.decided.publicKey}`
  return admitted(context, { ...host, decided }, { verb: 'approved', because })
}

/** Host names become resource names: a DNS label, made distinct where another host has it. */
function freeName(view: View, hostname: string): string {
  const label = (hostname.split('.')[0] ?? '').toLowerCase().replace(/[^a-z0-9-]/g, '-')
  const base = label.replace(/^-+/, '').slice(0, 58).replace(/-+$/, '') || 'host'
  for (let count = 1; ; count += 1) {
    const name = count === 1 ? base : `${base}-${count}`
    if (!view.named('host', name)) return name
  }
}
