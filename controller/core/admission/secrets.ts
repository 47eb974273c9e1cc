/**
 * Secrets that devices need, such as the password of a baseboard controller. What is put in is
 * never told again: not in an answer, not in a history, not in a fault. So nothing here repeats a
 * value, not even to say what is wrong with it, and the same value once more counts as another one.
 */
import { secretsOfHost } from '#shared/model/fence.ts'
import type { Commit, StoredSecret } from '../commit.ts'
import { listed, type Refusal, refuse } from '../refusal.ts'
import type { View } from '../view.ts'
import { type Context, decision, isoOf } from './context.ts'

/** Longest value. Unit: characters. */
export const secretCharsMax = 1024
/** Secrets that there may be. */
export const secretsMax = 4_096
/** As the model of fence devices names them. */
const namePattern = /^[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?$/

/** What is shown of a secret. */
export type ShownSecret = Pick<StoredSecret, 'name' | 'changedAt' | 'by'> & {
  /** Names of the hosts whose fence devices need it. */
  readonly hosts: readonly string[]
}

/** What is shown of all secrets, by name. */
export function shownSecrets(view: View): readonly ShownSecret[] {
  const users = new Map<string, string[]>()
  for (const { name: host, spec } of view.all('host').values()) {
    for (const secret of secretsOfHost(spec)) {
      users.set(secret, [...(users.get(secret) ?? []), host])
    }
  }
  return [...view.secrets().values()]
    .map(({ name, changedAt, by }) => ({
      ...{ name, changedAt, by },
      hosts: (users.get(name) ?? []).sort()
    }))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
}

/** Judges a secret that is set or changed; what it was before is gone. */
export function setSecret(
  view: View,
  wish: { readonly name: string; readonly value: unknown },
  context: Context
): Commit | Refusal {
  const { name, value } = wish
  if (!namePattern.test(name)) {
    return refuse('invalid', 'cannot set the secret: its name cannot be used', {
      pointer: '/name',
      reasons: ['a name has lower case letters, digits, dots and dashes, at most 63']
    })
  }
  const fault = faultOf(value)
  if (fault !== undefined || typeof value !== 'string') {
    return refuse('invalid', `cannot set secret ${name}: ${fault}`, {
      pointer: '/value',
      next: [`remuda secret set ${name} --file FILE`]
    })
  }
  const { size } = view.secrets()
  const isNew = !view.secrets().has(name)
  if (isNew && size >= secretsMax) {
    return refuse('conflict', `cannot set secret ${name}: there are too many`, {
      reasons: [`${size} secrets, at most ${secretsMax} may be`],
      next: ['remuda secret list', 'remuda secret delete NAME']
    })
  }
  const secret: StoredSecret = { name, value, changedAt: isoOf(context), by: context.by }
  const because = isNew
    ? 'set; its value is told to nobody'
    : 'changed; its value is told to nobody'
  return {
    changes: [{ op: 'secret-put', secret }],
    decisions: [decision(context, isNew ? 'created' : 'changed', because, `secret/${name}`)]
  }
}

/** What is wrong with a value, without the value. */
function faultOf(value: unknown): string | undefined {
  if (typeof value !== 'string') return 'its value is not text'
  if (value === '') return 'its value is empty'
  if (value.length > secretCharsMax) {
    return `its value has ${value.length} characters, at most ${secretCharsMax} may be`
  }
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are the subject
  return /[\x00-\x1f\x7f]/.test(value)
    ? 'its value has a control character: devices are told secrets a line each'
    : undefined
}

/** Judges the wish that a secret goes; while a host's fence needs it, it stays. */
export function deleteSecret(view: View, name: string, context: Context): Commit | Refusal {
  const secret = shownSecrets(view).find(one => one.name === name)
  if (!secret) {
    return refuse('not-found', `there is no secret "${name.slice(0, 64)}"`, {
      next: ['remuda secret list']
    })
  }
  const { hosts } = secret
  if (hosts.length > 0) {
    const count = `${hosts.length} host${hosts.length === 1 ? '' : 's'} could not be fenced`
    return refuse('conflict', `cannot delete secret ${name}: ${count} without it`, {
      reasons: [listed(hosts)],
      next: [`remuda host fence clear ${hosts[0]}`, `to change it: remuda secret set ${name}`]
    })
  }
  return {
    changes: [{ op: 'secret-remove', name }],
    decisions: [decision(context, 'deleted', 'asked to go; no host needed it', `secret/${name}`)]
  }
}
