/**
 * Power by Redfish (DMTF DSP0266, schema ComputerSystem). What counts is `PowerState` of the
 * *system*: its chassis and its manager have one too, and stay on when the host is off. Only `Off`
 * is off; a system that is between two states, or absent from its slot, reads `unknown`.
 *
 * The service may answer a reset with 202 and a task, refuse it because the host is off already, or
 * want the `ETag` of the system with it. None of that is proof of anything; see fence-switch.ts.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { Fault } from '#shared/fault.ts'
import { deviceName, type RedfishDevice as RedfishModel } from '#shared/model/fence.ts'
import type { Power } from '#shared/wire/fence.ts'
import type { FenceDevice } from '../../core/ports.ts'
import { RedfishClient, type RedfishReply, said } from './redfish-client.ts'

const root = '/redfish/v1'
/** A task is looked at so often, with such a pause: after that the readings decide. Unit: ms. */
const taskLooksMax = 10
const taskPauseMs = 300

/** What is asked for: the word of the schema, and others that do the same. */
const resetTypes = { off: ['ForceOff'], on: ['On', 'ForceOn'] } as const

/** The power of one system of a service. */
export class RedfishDevice implements FenceDevice {
  readonly name: string
  readonly #model: RedfishModel
  readonly #client: RedfishClient
  #systemPath: string | undefined

  constructor(
    model: RedfishModel,
    given: { readonly password: string; readonly connectMsMax?: number }
  ) {
    this.name = deviceName(model)
    this.#model = model
    this.#client = new RedfishClient(model, given)
  }

  async power(signal: AbortSignal): Promise<Power> {
    return powerOf((await this.#system(signal)).body)
  }

  async off(signal: AbortSignal): Promise<void> {
    await this.#reset('off', signal)
  }

  async on(signal: AbortSignal): Promise<void> {
    await this.#reset('on', signal)
  }

  async #system(signal: AbortSignal): Promise<RedfishReply> {
    this.#systemPath ??= await this.#findSystem(signal)
    return await this.#client.get(this.#systemPath, signal)
  }

  /** The system that is named, or the only one: with several, any guess may be another host. */
  async #findSystem(signal: AbortSignal): Promise<string> {
    const named = this.#model.system
    if (named?.startsWith('/')) return named
    const { body: service } = await this.#client.get(root, signal)
    const systems = linkOf(service['Systems']) ?? `${root}/Systems`
    const { body } = await this.#client.get(systems, signal)
    const members = Array.isArray(body['Members']) ? body['Members'].map(linkOf) : []
    const paths = members.filter(path => path !== undefined)
    const right = named === undefined ? paths : paths.filter(path => idOf(path) === named)
    const [path, ...others] = right
    if (path !== undefined && others.length === 0) return path
    throw new Fault('invalid', `cannot tell which system of ${this.name} is the host`, {
      reasons: [`it has ${paths.length}: ${paths.map(idOf).join(', ')}`],
      next: ['name one of them as `system` of the device']
    })
  }

  async #reset(to: 'off' | 'on', signal: AbortSignal): Promise<void> {
    const system = await this.#system(signal)
    const action = actionOf(system.body)
    const target = action['target']
    if (typeof target !== 'string') {
      throw new Fault('protocol', `cannot switch ${to} ${this.name}: it offers no reset`)
    }
    const ResetType = choose(to, action['ResetType@Redfish.AllowableValues'])
    const ask = { method: 'POST' as const, path: target, body: { ResetType } }
    // What stood still since it asked learns first whether that is still wanted: by its timers.
    await sleep(0, undefined, { signal })
    const reply = await this.#client.ask(ask, signal)
    const wantsEtag = reply.status === 412 || reply.status === 428
    const etag = system.headers['etag']
    const done =
      wantsEtag && etag !== undefined
        ? await this.#client.ask({ ...ask, headers: { 'if-match': etag } }, signal)
        : reply
    if (done.status < 200 || done.status >= 300) {
      throw new Fault('unavailable', `cannot switch ${to} ${this.name}: ${said(done)}`)
    }
    if (done.status === 202) await this.#followTask(done, signal)
  }

  /** Looks after a task as long as it runs; one that fails is said, one that is slow is left. */
  async #followTask(reply: RedfishReply, signal: AbortSignal): Promise<void> {
    const path = reply.headers['location'] ?? linkOf(reply.body)
    if (path === undefined) return
    for (let look = 0; look < taskLooksMax; look++) {
      const { status, body } = await this.#client.ask({ method: 'GET', path }, signal)
      const state = body['TaskState']
      if (state === 'Exception' || state === 'Killed' || state === 'Cancelled') {
        throw new Fault('unavailable', `cannot switch ${this.name}: its task ended as ${state}`)
      }
      const isRunning = status === 202 || ['New', 'Starting', 'Running'].includes(String(state))
      if (!isRunning) return
      await sleep(taskPauseMs, undefined, { signal })
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client[Symbol.asyncDispose]()
  }
}

type Body = Readonly<Record<string, unknown>>

/** What the state of a system says about its power. Source: schema ComputerSystem, `PowerState`. */
export function powerOf(system: Body): Power {
  const status = system['Status'] as Body | null | undefined
  if (status?.['State'] === 'Absent') return 'unknown'
  switch (system['PowerState']) {
    case 'Off':
      return 'off'
    case 'On':
    case 'Paused':
      return 'on'
    default: // PoweringOn, PoweringOff, null, nothing, or a word that is newer than this
      return 'unknown'
  }
}

function choose(to: 'off' | 'on', allowed: unknown): string {
  const words = resetTypes[to]
  if (!Array.isArray(allowed)) return words[0]
  const word = words.find(each => allowed.includes(each))
  if (word !== undefined) return word
  throw new Fault('protocol', `cannot switch ${to}: it knows none of ${words.join(', ')}`, {
    reasons: [`it knows ${allowed.join(', ').slice(0, 160)}`]
  })
}

function actionOf(system: Body): Body {
  const actions = system['Actions'] as Body | null | undefined
  return (actions?.['#ComputerSystem.Reset'] as Body | null | undefined) ?? {}
}

function linkOf(value: unknown): string | undefined {
  const id = (value as Body | null | undefined)?.['@odata.id']
  return typeof id === 'string' ? id : undefined
}

const idOf = (path: string): string => path.replace(/\/+$/, '').split('/').at(-1)!
