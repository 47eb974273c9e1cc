import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import Type from 'typebox'
import { type Log, makeLog } from '#shared/log.ts'
import { deviceName, type FenceDevice } from '#shared/model/fence.ts'
import { validator } from '#shared/model/validate.ts'
import { FenceOrder, FenceState } from '#shared/wire/fence.ts'
import { FenceExecutor } from '../../bootd/io/fence/executor.ts'
import { PduDevice } from '../../bootd/io/fence/pdu.ts'
import { queuedDevice } from '../../bootd/io/fence/queued.ts'
import { Fencer } from '../../bootd/io/fencer.ts'
import { FakeBmc } from '../world/fake-bmc.ts'
import { FakeClock } from '../world/fake-clock.ts'

export const checkOrder = validator(FenceOrder)
const checkStates = validator(Type.Array(FenceState))

/** A fencer whose devices are fakes, one for each lab host that an order names. */
export class Bed implements AsyncDisposable {
  readonly clock = new FakeClock()
  readonly lines: string[] = []
  readonly bmcs = new Map<string, FakeBmc>()
  readonly epochFile: string
  fencer!: Fencer
  changes = 0
  /** The host itself, where it is asked to power off. */
  readonly host = {
    asked: [] as string[],
    answers: Promise.withResolvers<void>(),
    isDropped: false,
    ask: async (address: string, secret: string, signal: AbortSignal): Promise<void> => {
      this.host.asked.push(`${address} ${secret}`)
      signal.addEventListener('abort', () => {
        this.host.isDropped = true
        this.host.answers.reject(new Error('it is no longer wanted'))
      })
      await this.host.answers.promise
    }
  }
  readonly #folder: string
  readonly #t: ExecutionContext
  readonly #executors: FenceExecutor[] = []

  private constructor(t: ExecutionContext, folder: string) {
    this.#t = t
    this.#folder = folder
    this.epochFile = join(folder, 'fence', 'epoch.json')
  }

  static async open(t: ExecutionContext): Promise<Bed> {
    const bed = new Bed(t, await mkdtemp(join(tmpdir(), 'remuda-fencer-')))
    await bed.start()
    return bed
  }

  /** Starts the fencer, once more if need be. */
  async start(silenceMsMax = Number.MAX_SAFE_INTEGER): Promise<void> {
    const { clock, epochFile } = this
    const executor = new FenceExecutor({ clock })
    this.#executors.push(executor)
    const log: Log = makeLog('bootd', { write: line => void this.lines.push(line) })
    const open = (model: FenceDevice, secrets: FenceOrder['secrets']) => {
      const names =
        model.type === 'pdu'
          ? model.outlets.map(({ parameters }) => parameters['plug']!)
          : [deviceName(model).replace('lab switch of ', '')]
      const face = (urgency: 'fence' | 'watch') => {
        const queued = names.map(name =>
          queuedDevice(this.bmc(name), {
            ...{ executor, key: name, urgency, deadlineMs: 8_000 },
            hidden: Object.values(secrets)
          })
        )
        return model.type === 'pdu' ? new PduDevice(queued) : queued[0]!
      }
      const fence = face('fence')
      const close = (): Promise<void> => Promise.resolve(fence[Symbol.asyncDispose]())
      return { fence, watch: face('watch'), [Symbol.asyncDispose]: close }
    }
    const onChanged = () => void this.changes++
    this.fencer = await Fencer.open({
      ...{ epochFile, clock, log, onChanged, open, silenceMsMax },
      ask: (courtesy, secret, signal) => this.host.ask(courtesy.address, secret, signal)
    })
  }

  bmc(name: string): FakeBmc {
    const known = this.bmcs.get(name) ?? new FakeBmc(name)
    this.bmcs.set(name, known)
    return known
  }

  /** An order for one host with devices in levels, each a name of a fake. */
  order(want: FenceOrder['want'], more: Partial<FenceOrder> = {}, levels = [['a1']]): FenceOrder {
    const device = (host: string) => ({ type: 'lab' as const, socket: '/run/lab.sock', host })
    const order: FenceOrder = {
      ...{ host: 'uuid-2', name: 'h2', want, epoch: 3, secrets: { bmc: 'sesame' } },
      levels: levels.map(names => ({ devices: names.map(device) })),
      ...(want !== 'watch' && { fence: 'f-1' }),
      ...more
    }
    this.#t.deepEqual(checkOrder(order), [])
    return order
  }

  /** How the only host stands, which must be as the wire wants it. */
  get state(): FenceState {
    const reports = this.fencer.reports()
    this.#t.deepEqual(checkStates(reports), [])
    return reports[0]!
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.fencer[Symbol.asyncDispose]()
    for (const executor of this.#executors) await executor[Symbol.asyncDispose]()
    await rm(this.#folder, { recursive: true, force: true })
    this.#t.notRegex(this.lines.join(''), /sesame/)
  }
}
