/**
 * A route as data: the app binds it to the web framework, and the API's description is made of it.
 */
import type { Readable } from 'node:stream'
import type { TObject, TSchema } from 'typebox'

/** Who asks: the name of a token, or of the control socket that was used. */
export type Caller = { readonly name: string; readonly role: 'admin' | 'reader' }

/** One request, in our words. */
export type Call = {
  readonly params: Readonly<Record<string, string>>
  readonly query: Readonly<Record<string, string>>
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: unknown
  /** Path with its query, as it was sent. */
  readonly url: string
  readonly caller: Caller
  /** Aborts when the client goes away. */
  readonly signal: AbortSignal
}

/** The status is 200 where none is said. */
export type Reply = {
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  /** Sent as JSON unless it is text or a stream. */
  readonly body?: object | string | Readable
  /** Content type of text and streams. */
  readonly type?: string
}

/** What one method on one path does, and all that the API's description says of it. */
export type Route = {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** With `:name` for parameters. */
  readonly path: string
  /** Name in the API's description, unique. */
  readonly operation: string
  readonly summary: string
  /** Heading in the API's description. */
  readonly tag: string
  /** Who may call it; `anyone` without a token. */
  readonly role: 'anyone' | 'reader' | 'admin'
  readonly query?: TObject
  readonly body?: TSchema
  /** The body is filled in and checked before the route answers; kinds do that themselves. */
  readonly checked?: boolean
  /** The body comes as a stream of bytes, of any length. */
  readonly streamed?: boolean
  /** Statuses of success, and the schema of what comes with them; null: no body. */
  readonly replies: Readonly<Record<number, TSchema | null>>
  readonly answer: (call: Call) => Promise<Reply>
}

/** Reads a header that must come at most once. */
export function header(call: Call, name: string): string | undefined {
  const value = call.headers[name.toLowerCase()]
  return Array.isArray(value) ? value[0] : value
}
