/** Shows the HTTP exchange to those who asked for it. Tokens and secrets never appear in it. */
import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http'
import { printable } from '../terminal.ts'

/** Longest part of a body that is shown. Unit: characters. */
const bodyCharactersMax = 4_000

/** Sees every request and every answer. */
export type Trace = {
  readonly sent: (line: string, headers: OutgoingHttpHeaders, body: string | undefined) => void
  readonly received: (line: string, headers: IncomingHttpHeaders, body: string) => void
}

/** For everybody who did not ask to see the exchange. */
export const noTrace: Trace = { sent: () => {}, received: () => {} }

/** Takes out whatever looks like one of our tokens. */
export const masked = (text: string): string => text.replace(/rmd_[A-Za-z0-9_-]+/g, 'rmd_…')

/** What is sent there is never shown. */
const secretPath = /^PUT \/v1\/secrets\//

/** Makes a trace that writes lines with `>` for what is sent and `<` for what is received. */
export function makeTrace(write: (text: string) => void): Trace {
  const show = (
    mark: string,
    line: string,
    headers: IncomingHttpHeaders | OutgoingHttpHeaders,
    body = ''
  ) => {
    const lines = [line, ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`)]
    if (body !== '') lines.push('', body.slice(0, bodyCharactersMax))
    if (body.length > bodyCharactersMax) lines.push(`… ${body.length} characters in all`)
    const text = masked(printable(lines.join('\n')))
    write(`${text.replace(/^/gm, `${mark} `)}\n`)
  }
  return {
    sent: (line, headers, body) =>
      show('>', line, headers, secretPath.test(line) ? '(a secret)' : body),
    received: (line, headers, body) => show('<', line, headers, body)
  }
}
