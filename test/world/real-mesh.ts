/** Real controllers and agents on the loopback, on ports of the kernel's choosing. */
import { setTimeout } from 'node:timers/promises'
import { realClock } from '#shared/clock.ts'
import { isFault } from '#shared/fault.ts'
import type { HostId } from '#shared/ids.ts'
import { silentLog } from '#shared/log.ts'
import { AnsweringEnd, type AnsweringOptions } from '#shared/wire/answering-end.ts'
import type { Sender } from '#shared/wire/frame.ts'
import { type CurveKeys, makeKeys } from '#shared/wire/keys.ts'
import type { Peer } from '../../controller/core/ports.ts'
import { ControllerMesh, type MeshOptions } from '../../controller/io/mesh.ts'
import type { MeshRig } from '../contracts/mesh.ts'

const triesMax = 500
const { pid } = process
/** An address of this process alone: what listens there may go, and come back to its port. */
const own = `127.${1 + ((pid >> 16) % 200)}.${(pid >> 8) % 256}.${1 + (pid % 250)}`
/** Any port of it. */
export const anyPort = `tcp://${own}:0`

/** What a real agent is made with, beside what every agent of the rig has. */
type AgentFields = {
  readonly endpoint?: string
  readonly keys?: CurveKeys
  readonly admitted?: readonly string[]
}

/** The library lets go of an address a moment after who listened there has closed. */
async function openAgain(options: AnsweringOptions): Promise<AnsweringEnd> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await AnsweringEnd.open(options)
    } catch (thrown) {
      if (!isFault(thrown, 'locked') || tries === triesMax) throw thrown
      await setTimeout(20)
    }
  }
}

/** A rig of real sockets, with the means to make others that do not belong. */
export class RealMeshRig implements MeshRig {
  readonly controllerKeys = makeKeys()
  readonly #stack = new AsyncDisposableStack()
  readonly #places = new Map<HostId, { readonly keys: CurveKeys; readonly endpoint: string }>()
  #runs = 0

  sender = (): Sender => ({ bootId: 'boot', run: `run-${++this.#runs}` })

  controller = (
    epoch: () => number,
    keys: CurveKeys = this.controllerKeys,
    more: Partial<MeshOptions> = {}
  ): ControllerMesh => {
    const usual = { keys, sender: this.sender(), epoch, clock: realClock, log: silentLog }
    return this.#stack.use(ControllerMesh.open({ ...usual, ...more }))
  }

  agent = async (
    host: HostId,
    fields: AgentFields = {}
  ): Promise<{ readonly mesh: AnsweringEnd; readonly peer: Peer }> => {
    const place = this.#places.get(host) ?? { keys: makeKeys(), endpoint: anyPort }
    const mesh = this.#stack.use(
      await openAgain({
        ...place,
        sender: this.sender(),
        admitted: [this.controllerKeys.publicKey],
        seen: () => ({ epoch: 0, generation: 0 }),
        clock: realClock,
        log: silentLog,
        ...fields
      })
    )
    const { endpoint } = mesh
    const keys = fields.keys ?? place.keys
    this.#places.set(host, { keys, endpoint })
    return { mesh, peer: { host, endpoint, publicKey: keys.publicKey } }
  }

  /** Has something disposed of together with the rig. */
  use = <T extends AsyncDisposable | Disposable>(resource: T): T => this.#stack.use(resource)

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync()
  }
}
