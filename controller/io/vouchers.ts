/**
 * What candidates say to each other of who asks: a request that came through a control socket has
 * no token, so the candidate that passes it on vouches for the caller with a seal of the cloud.
 */
import type { IncomingMessage } from 'node:http'
import type { Clock } from '#shared/clock.ts'
import { Fault, sentence } from '#shared/fault.ts'
import type { Log } from '#shared/log.ts'
import type { Caller } from './api/route.ts'
import type { Service } from './api/service.ts'
import type { ControllerConfig } from './config.ts'
import { SealReader, seal, sealHeader, sealKeyOf } from './peer-seal.ts'

type Parts = {
  readonly config: Pick<ControllerConfig, 'name'>
  readonly service: Pick<Service, 'ledger'>
  readonly clock: Clock
  readonly log: Log
}

/** Makes and reads seals; each is good for one request. */
export class Vouchers {
  readonly #parts: Parts
  readonly #seals = new SealReader()
  readonly #read = new WeakMap<IncomingMessage, Caller>()

  constructor(parts: Parts) {
    this.#parts = parts
  }

  /** Headers that go with a request that is passed on; a token speaks for itself. */
  forRequest(
    asked: IncomingMessage,
    trusted: Caller | undefined
  ): Readonly<Record<string, string>> {
    if (!trusted || asked.headers.authorization !== undefined) return { 'remuda-passed': '1' }
    return this.seal({ method: asked.method ?? 'GET', url: asked.url ?? '/' }, trusted)
  }

  /** Headers that vouch for a caller. */
  seal(
    wanted: { readonly method: string; readonly url: string },
    caller: Caller
  ): Readonly<Record<string, string>> {
    const { service, clock, config } = this.#parts
    const key = sealKeyOf(service.ledger.view)
    if (!key) return { 'remuda-passed': '1' }
    return { [sealHeader]: seal(key, config.name, caller, { ...wanted, now: clock.wall() }) }
  }

  /**
   * For whom another candidate vouches; undefined: for nobody, or it cannot be believed. Fault
   * `unavailable` where it is one of ours, and its clock is too far off.
   */
  read(asked: IncomingMessage): Caller | undefined {
    const known = this.#read.get(asked)
    if (known) return known
    const text = asked.headers[sealHeader]
    if (typeof text !== 'string') return undefined
    const { service, clock, log } = this.#parts
    const key = sealKeyOf(service.ledger.view)
    const sealed = { method: asked.method ?? 'GET', url: asked.url ?? '/', now: clock.wall() }
    const read = key ? this.#seals.read(key, text, sealed) : 'this cloud has no key yet'
    if (typeof read === 'string' || read instanceof Fault) {
      const because = typeof read === 'string' ? read : sentence(read)
      const from = asked.socket.remoteAddress
      log.warn('cannot believe a request that was passed on', { because, from })
      if (read instanceof Fault) throw read
      return undefined
    }
    this.#read.set(asked, read.caller)
    return read.caller
  }
}
