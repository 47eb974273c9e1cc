import type { FaultCode } from '#shared/fault.ts'

/** Why something is not done: a value that is returned, with numbers and with what to do next. */
export type Refusal = {
  readonly refused: {
    readonly code: FaultCode
    /** "cannot <verb> <thing>: …" */
    readonly message: string
    readonly reasons: readonly string[]
    readonly next: readonly string[]
    /** Which fields of the input are at fault, as JSON pointers. */
    readonly errors?: readonly { readonly pointer: string; readonly detail: string }[]
    /** A version of the host image that every bootd is to have first; it is fetched from now on. */
    readonly seeks?: string
  }
}

/** Makes a refusal; a pointer says at which field of the input the message is aimed. */
export const refuse = (
  code: FaultCode,
  message: string,
  more: {
    readonly reasons?: readonly string[]
    readonly next?: readonly string[]
    readonly pointer?: string
    readonly seeks?: string
  } = {}
): Refusal => ({
  refused: {
    code,
    message,
    reasons: more.reasons ?? [],
    next: more.next ?? [],
    ...(more.seeks !== undefined && { seeks: more.seeks }),
    ...(more.pointer !== undefined && { errors: [{ pointer: more.pointer, detail: message }] })
  }
})

/** Tells a refusal from whatever would be there instead of it. */
export const isRefusal = (value: object): value is Refusal => 'refused' in value

/** Lists names for a sentence: the first few, and how many more. */
export function listed(names: readonly string[], most = 5): string {
  if (names.length === 0) return 'none'
  const shown = names.slice(0, most).join(', ')
  return names.length > most ? `${shown} and ${names.length - most} more` : shown
}
