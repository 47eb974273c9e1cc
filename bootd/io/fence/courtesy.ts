/**
 * Asks a host over SSH to power off by itself, while its devices cut its power: if it lives it may
 * write what it has not written yet. Nothing is concluded from it, whatever it answers.
 */
import { createHash } from 'node:crypto'
import ssh from 'ssh2'
import { Fault } from '#shared/fault.ts'
import { courtesyName, type SshCourtesy } from '#shared/model/fence.ts'
import type { Ms } from '#shared/units.ts'

/** It is given up after so long. */
export const courtesyMsMax: Ms = 10_000

/** A private key as a secret holds it; a password that looks so is none that people choose. */
const keyPattern = /^b3BlbnNzaC1rZXktdjEA[A-Za-z0-9+/=]+$/

/**
 * Runs the command there; resolves once it was taken on. Faults: `aborted`, `deadline`, `network`
 * with why not, also when the host shows another key than the one that is known.
 */
export function askToPowerOff(
  courtesy: SshCourtesy,
  secret: string,
  given: { readonly signal: AbortSignal; readonly deadlineMs?: Ms }
): Promise<void> {
  const deadlineMs = given.deadlineMs ?? courtesyMsMax
  const cannot = (code: 'aborted' | 'deadline' | 'network', why: string): Fault =>
    new Fault(code, `cannot ask ${courtesyName(courtesy)} to power off: ${why}`)
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const client = new ssh.Client()
  const stop = (): void => reject(cannot('aborted', 'it is no longer wanted'))
  const late = setTimeout(() => {
    reject(cannot('deadline', `no answer within ${deadlineMs / 1_000} s`))
  }, deadlineMs)
  given.signal.addEventListener('abort', stop)
  if (given.signal.aborted) stop()
  client.on('error', ({ message }) => reject(cannot('network', message)))
  // A host that goes down may never say how its command has ended: that it was told is enough.
  let isAsked = false
  client.on('close', () => {
    if (isAsked) resolve()
    else reject(cannot('network', 'the connection was closed'))
  })
  client.on('ready', () => {
    isAsked = true
    client.exec(courtesy.command, (failed, channel) => {
      if (failed) return reject(cannot('network', failed.message))
      channel.on('exit', (code: number | null) => {
        if (code === 0 || code === null) return resolve()
        reject(cannot('network', `${courtesy.command} ended with exit code ${code}`))
      })
      channel.on('close', () => resolve())
      channel.resume()
      channel.stderr.resume()
    })
  })
  client.connect({
    host: courtesy.address,
    port: courtesy.port,
    username: courtesy.user,
    ...(keyPattern.test(secret) ? { privateKey: privateKeyOf(secret) } : { password: secret }),
    hostVerifier: (key: Buffer) => printOf(key) === courtesy.hostKey,
    readyTimeout: deadlineMs
  })
  return promise.finally(() => {
    clearTimeout(late)
    given.signal.removeEventListener('abort', stop)
    client.removeAllListeners()
    client.on('error', () => {})
    client.destroy()
  })
}

const printOf = (key: Buffer): string =>
  `SHA256:${createHash('sha256').update(key).digest('base64').replace(/=+$/, '')}`

const privateKeyOf = (secret: string): string => {
  const lines = secret.match(/.{1,70}/g) ?? []
  const [head, foot] = ['BEGIN', 'END'].map(word => `-----${word} OPENSSH PRIVATE KEY-----`)
  return [head, ...lines, foot, ''].join('\n')
}
