/**
 * What is behind both faces of a lab host's baseboard controller, IPMI and Redfish: the host's
 * power switch, which the keeper of the lab holds, and manners. It says at once that it has
 * switched, as most real ones do, and reads the power as it was until the switch has turned.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { askKeeper } from '../client.ts'
import type { BmcManner } from '../protocol.ts'
import type { Machine } from './redfish-bmc.ts'

/** How much later a slow one answers, and how much later it switches then. Unit: ms. */
const slowAnswerMs = 1_000
const slowSwitchMs = 4_000

/** Asks the keeper about the power of one host. */
export type PowerAsk = (to?: 'on' | 'off') => Promise<boolean>

/** The power switch of one host, with manners. */
export class Board implements Machine {
  manner: BmcManner = 'ok'
  readonly #ask: PowerAsk
  #turning:
    | { readonly to: boolean; readonly was: boolean; readonly done: Promise<void> }
    | undefined

  constructor(ask: PowerAsk) {
    this.#ask = ask
  }

  readonly isRunning = async (): Promise<boolean> => {
    await this.#hesitate()
    return this.#turning ? this.#turning.was : await this.#ask()
  }

  readonly switch = async (to: boolean): Promise<void> => {
    await this.#hesitate()
    if (this.manner === 'lying' || this.#turning?.to === to) return
    const before = this.#turning
    const was = before?.was ?? (await this.#ask())
    const turning = { to, was, done: this.#turn(to, before?.done) }
    this.#turning = turning
    void turning.done.then(() => {
      if (this.#turning === turning) this.#turning = undefined
    })
  }

  /** One turn after another; what fails is seen by whoever reads the power. */
  async #turn(to: boolean, before: Promise<void> | undefined): Promise<void> {
    await before
    if (this.manner === 'slow') await sleep(slowSwitchMs)
    await this.#ask(to ? 'on' : 'off').catch(() => {})
  }

  async #hesitate(): Promise<void> {
    if (this.manner === 'slow') await sleep(slowAnswerMs)
  }
}

/** The board of a host of a lab. */
export const boardOf = (folder: string, host: string): Board =>
  new Board(async to => {
    const answer = await askKeeper(folder, { verb: 'power', host, ...(to && { to }) })
    return (answer as { readonly power: string }).power === 'on'
  })
