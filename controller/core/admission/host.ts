import type { Host, HostSpec } from '#shared/model/host.ts'
import { formatMs } from '#shared/units.ts'
import { type BootPass, bootPassOf, objectionOfPolicy, withoutExpected } from '../boot/pass.ts'
import type { ExpectedMachine } from '../boot/settings.ts'
import type { Change, HostOut, JoinToken } from '../commit.ts'
import { phaseOf } from '../liveness.ts'
import { type Refusal, refuse } from '../refusal.ts'
import { subjectOf } from '../subject.ts'
import type { View } from '../view.ts'
import { admitted, born, type Context, unchanged, type Verdict } from './context.ts'
import { judgeToken, type TokenObjection, useOf } from './join-token.ts'

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
  /** Whether it brought the token of this controller's own machine. */
  readonly trusted: boolean
  /** SHA-256 of the secret of a join token, hexadecimal. */
  readonly tokenSha256?: string
}

/** Whether a host may come in by itself, and what that takes. */
export type Pass =
  | { readonly trusted: true; readonly token?: JoinToken; readonly boot?: BootPass }
  | {
      readonly trusted: false
      readonly objection?: TokenObjection | 'host-removed'
      readonly because: string
    }

/** Judges what a host brings to be let in; one that was removed waits, whatever it brings. */
export function passOf(view: View, wish: HostWish, context: Context): Pass {
  const { uuid, publicKey, tokenSha256 } = wish
  const out = view.cloud?.hostsOut?.find(one => one.uuid === uuid || one.publicKey === publicKey)
  if (out && (wish.trusted || tokenSha256 !== undefined)) {
    const because = `it was removed at ${out.at}, when it was host ${out.name}`
    return { trusted: false, objection: 'host-removed', because }
  }
  if (wish.trusted) return { trusted: true }
  if (tokenSha256 === undefined) return { trusted: false, because: 'without a token' }
  const boot = bootPassOf(view, { uuid, sha256: tokenSha256 })
  if (boot) return { trusted: true, boot }
  const verdict = judgeToken(view, { sha256: tokenSha256, uuid }, context)
  if (!('token' in verdict)) return { trusted: false, ...verdict }
  const { endpoint } = wish
  const because = objectionOfPolicy(view.cloud?.boot, { token: verdict.token.id, endpoint })
  if (because !== undefined) return { trusted: false, objection: 'token-of-another', because }
  return { trusted: true, ...verdict }
}

/** Whether a host that knocks is let in already, by its UUID and key. */
export function isLetIn(view: View, wish: HostWish): boolean {
  const decided = knownHost(view, wish)?.decided
  return decided?.approval === 'approved' && decided.publicKey === wish.publicKey
}

function knownHost(view: View, { uuid }: Pick<HostWish, 'uuid'>): Host | undefined {
  const [id] = view.indexes.of('host-uuid', uuid)
  return id === undefined ? undefined : view.get('host', id)
}

/**
 * Judges a host that knocks. A known host is known by its UUID and its key: with another key it
 * may be an impostor, and waits for the operator like a new one.
 */
export function joinHost(view: View, wish: HostWish, context: Context): Verdict {
  const known = knownHost(view, wish)
  if (known) return joinAgain(view, known, wish, context)
  const pass = passOf(view, wish, context)
  const expected = pass.trusted && pass.boot?.as === 'expected' ? pass.boot.machine : undefined
  const name = freeName(view, expected?.name ?? wish.hostname)
  const approval = pass.trusted ? ('approved' as const) : ('pending' as const)
  const { uuid, publicKey, endpoint } = wish
  const host: Host = {
    ...born(context, 'host', { name }),
    kind: 'host',
    spec: { ...specDefault, ...(expected?.version !== undefined && { image: expected.version }) },
    decided: { approval, uuid, publicKey, endpoint }
  }
  const because = pass.trusted
    ? `knocked from ${endpoint} with ${nameOfToken(pass)}`
    : `knocked from ${endpoint}, ${pass.because}: waits for remuda host approve ${name}`
  const verb = pass.trusted ? 'joined' : 'knocked'
  return admitted(context, host, { verb, because, more: usesOf(view, pass) })
}

function nameOfToken({ token, boot }: Pass & { readonly trusted: true }): string {
  if (boot?.as === 'expected') return `the secret of its boot, expected as ${boot.machine.name}`
  if (boot) return 'the secret of its boot'
  return token === undefined ? 'a valid token' : `token ${token.id}`
}

function usesOf({ cloud }: View, pass: Pass): readonly Change[] {
  if (!pass.trusted) return []
  if (pass.token) return [useOf(pass.token)]
  if (pass.boot?.as !== 'expected' || !cloud?.boot) return []
  const boot = withoutExpected(cloud.boot, pass.boot.machine.name)
  return [{ op: 'cloud-put', cloud: { ...cloud, boot } }]
}

function joinAgain(view: View, known: Host, wish: HostWish, context: Context): Verdict {
  const { publicKey, endpoint } = wish
  const elsewhere = refuseElsewhere(view, known, wish, context)
  if (elsewhere) return elsewhere
  const sameKey = known.decided.publicKey === publicKey
  if (sameKey && known.decided.endpoint === endpoint) {
    if (known.decided.approval === 'approved') return unchanged(known)
  }
  const pass = isLetIn(view, wish) ? undefined : passOf(view, wish, context)
  if (pass?.trusted === false && sameKey && known.decided.endpoint === endpoint) {
    return unchanged(known)
  }
  // Who waits and runs from memory has another key after each boot, and no boot secret yet.
  const mayForget = known.decided.approval === 'pending' && view.cloud?.boot !== undefined
  if (!sameKey && pass?.trusted === false && !mayForget) {
    return refuse('conflict', `host ${known.name} knocks with another key than the one it has`, {
      reasons: [`uuid ${known.decided.uuid}, from ${endpoint}, ${pass.because}`],
      next: [`if its state was lost: remuda host delete ${known.name}, then approve it again`]
    })
  }
  if (pass?.trusted && pass.boot?.as === 'expected') {
    return comeInAs(view, { known, wish, pass, machine: pass.boot.machine }, context)
  }
  const approval = pass?.trusted ? ('approved' as const) : known.decided.approval
  const decided = { ...known.decided, approval, publicKey, endpoint }
  const how = pass?.trusted ? nameOfToken(pass) : 'its key'
  const because = sameKey
    ? `knocked again from ${endpoint}${pass?.trusted ? ` with ${how}` : ''}`
    : `knocked from ${endpoint} with a new key and ${how}`
  const more = pass ? usesOf(view, pass) : []
  return admitted(context, { ...known, decided }, { verb: 'joined', because, more })
}

/**
 * A host that waited comes in as the machine that was expected. Names of hosts are for good, so it
 * is another host from then on, with all that was set of it; it was never given anything to hold.
 */
function comeInAs(
  view: View,
  came: {
    readonly known: Host
    readonly wish: HostWish
    readonly pass: Pass & { readonly trusted: true }
    readonly machine: ExpectedMachine
  },
  context: Context
): Verdict {
  const { known, wish, pass, machine } = came
  const { publicKey, endpoint } = wish
  const decided = { ...known.decided, approval: 'approved' as const, publicKey, endpoint }
  const spec = { ...known.spec, ...(machine.version !== undefined && { image: machine.version }) }
  const because = `knocked from ${endpoint} with ${nameOfToken(pass)}`
  const uses = usesOf(view, pass)
  if (known.name === machine.name) {
    const after: Host = { ...known, spec, decided }
    return admitted(context, after, { verb: 'joined', because, more: uses })
  }
  const name = freeName(view, machine.name)
  const after: Host = {
    ...born(context, 'host', { name, labels: known.labels }),
    ...{ kind: 'host', spec, decided }
  }
  const gone: Change = { op: 'remove', kind: 'host', id: known.id, subject: subjectOf(known) }
  const words = `${because}; it waited as ${known.name}`
  return admitted(context, after, { verb: 'joined', because: words, more: [gone, ...uses] })
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

/** Judges the operator's word that a waiting host may come in, also one that was removed. */
export function approveHost(view: View, host: Host, context: Context): Verdict {
  if (host.decided.approval === 'approved') return unchanged(host)
  const decided = { ...host.decided, approval: 'approved' as const }
  const because = `let in by ${context.by}, key ${host.decided.publicKey}`
  const { uuid, publicKey } = host.decided
  const { cloud } = view
  const isIt = (out: HostOut): boolean => out.uuid === uuid || out.publicKey === publicKey
  const hostsOut = (cloud?.hostsOut ?? []).filter(out => !isIt(out))
  const wasOut = cloud !== undefined && hostsOut.length !== (cloud.hostsOut ?? []).length
  const more: Change[] = wasOut ? [{ op: 'cloud-put', cloud: { ...cloud, hostsOut } }] : []
  return admitted(context, { ...host, decided }, { verb: 'approved', because, more })
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
