/**
 * What the journal keeps besides resources and histories: tokens, secrets, replies, the cloud
 * itself. Each record has a key, and a change puts or removes one as a whole.
 */
import type {
  Change,
  Cloud,
  JoinToken,
  KeptReply,
  NoticesKept,
  StoredSecret,
  StoredToken
} from './commit.ts'

/** A change that concerns a record and no resource. */
export type RecordChange = Exclude<Change, { readonly op: 'put' | 'remove' }>

type Groups = {
  readonly token: Map<string, StoredToken>
  readonly 'join-token': Map<string, JoinToken>
  readonly secret: Map<string, StoredSecret>
  readonly reply: Map<string, KeptReply>
  readonly notices: Map<string, NoticesKept>
  readonly cloud: Map<string, Cloud>
}

/** The only key of what there is one of. */
const only = 'cloud'

/** Changed by the view alone. */
export class Records {
  readonly #groups: Groups = {
    token: new Map(),
    'join-token': new Map(),
    secret: new Map(),
    reply: new Map(),
    notices: new Map(),
    cloud: new Map()
  }
  readonly #changed: (key: string) => void

  /** `changed` is told of each key whose value is another one. */
  constructor(changed: (key: string) => void) {
    this.#changed = changed
  }

  get cloud(): Cloud | undefined {
    return this.#groups.cloud.get(only)
  }

  all<Group extends keyof Groups>(group: Group): Groups[Group] {
    return this.#groups[group]
  }

  /** Makes one change and gives what would undo it. */
  apply(change: RecordChange): readonly Change[] {
    switch (change.op) {
      case 'token-put':
        this.#put('token', change.token.id, change.token)
        return [{ op: 'token-remove', id: change.token.id }]
      case 'token-remove': {
        const token = this.#remove('token', change.id)
        return token ? [{ op: 'token-put', token }] : []
      }
      case 'join-token-put': {
        const { id } = change.token
        const before = this.#put('join-token', id, change.token)
        return [before ? { ...change, token: before } : { op: 'join-token-remove', id }]
      }
      case 'join-token-remove': {
        const token = this.#remove('join-token', change.id)
        return token ? [{ op: 'join-token-put', token }] : []
      }
      case 'secret-put': {
        const { name } = change.secret
        const before = this.#put('secret', name, change.secret)
        return [before ? { ...change, secret: before } : { op: 'secret-remove', name }]
      }
      case 'secret-remove': {
        const secret = this.#remove('secret', change.name)
        return secret ? [{ op: 'secret-put', secret }] : []
      }
      case 'cloud-put': {
        const before = this.#put('cloud', only, change.cloud)
        return before ? [{ op: 'cloud-put', cloud: before }] : []
      }
      case 'reply-put':
        this.#put('reply', change.reply.key, change.reply)
        return [{ op: 'reply-remove', key: change.reply.key }]
      case 'reply-remove': {
        const reply = this.#remove('reply', change.key)
        return reply ? [{ op: 'reply-put', reply }] : []
      }
      case 'notices-kept': {
        const { host, kept } = change
        const before = kept ? this.#put('notices', host, kept) : this.#remove('notices', host)
        return [{ ...change, kept: before }]
      }
      default:
        change satisfies never
        return []
    }
  }

  /** Gives what was there before. */
  #put<Group extends keyof Groups>(group: Group, key: string, value: ValueOf<Group>) {
    const all = this.#groups[group] as Map<string, ValueOf<Group>>
    const before = all.get(key)
    all.set(key, value)
    this.#changed(`${group}/${key}`)
    return before
  }

  #remove<Group extends keyof Groups>(group: Group, key: string) {
    const all = this.#groups[group] as Map<string, ValueOf<Group>>
    const before = all.get(key)
    all.delete(key)
    this.#changed(`${group}/${key}`)
    return before
  }

  /** Whether a group of keys is ours. */
  holds(group: string): group is keyof Groups {
    return Object.hasOwn(this.#groups, group)
  }

  valueOf(group: keyof Groups, key: string): unknown {
    return this.#groups[group].get(key)
  }

  /** Every key that has a value. */
  *keys(): Iterable<string> {
    for (const [group, all] of Object.entries(this.#groups)) {
      for (const key of all.keys()) yield `${group}/${key}`
    }
  }

  /** Takes one stored value back in, at start. */
  load(group: keyof Groups, key: string, value: unknown): void {
    const all = this.#groups[group] as Map<string, unknown>
    all.set(key, value)
  }

  /** Puts replies in the order in which they came; a checkpoint holds them in any order. */
  loaded(): void {
    const { reply } = this.#groups
    const replies = [...reply.values()].sort((a, b) => (a.at < b.at ? -1 : 1))
    reply.clear()
    for (const each of replies) reply.set(each.key, each)
  }
}

type ValueOf<Group extends keyof Groups> =
  Groups[Group] extends Map<string, infer Value> ? Value : never
