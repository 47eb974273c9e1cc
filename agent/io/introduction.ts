/**
 * What the agent needs to be let in: the doors and the join token. On a controller's own machine
 * the controller writes both down; they may come later than the agent, and change, so they are read
 * again and again while there is no controller.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock } from '#shared/clock.ts'
import { sentence } from '#shared/fault.ts'
import type { Log } from '#shared/log.ts'
import { readPrivateFile } from '#shared/private-file.ts'
import type { Ms } from '#shared/units.ts'
import { isKey } from '#shared/wire/z85.ts'
import type { AgentConfig } from './config.ts'
import type { DoorAddress } from './door.ts'

/** How often the files are looked at. Unit: ms. */
const lookMs: Ms = 1_000

/** Keeps the doors and the token as they were last read. */
export class Introduction {
  readonly #config: Pick<AgentConfig, 'state' | 'door' | 'doorKey' | 'tokenFile'>
  readonly #log: Log
  readonly #doors: DoorAddress[] = []
  #token: string | undefined
  #told = ''

  constructor(config: Pick<AgentConfig, 'state' | 'door' | 'doorKey' | 'tokenFile'>, log: Log) {
    this.#config = config
    this.#log = log
  }

  /** Where to knock; the same array for ever, with other doors in it as they change. */
  get doors(): readonly DoorAddress[] {
    return this.#doors
  }

  get token(): string | undefined {
    return this.#token
  }

  /** Reads what there is now. */
  async refresh(): Promise<void> {
    const { state, door, doorKey, tokenFile } = this.#config
    try {
      const found =
        door !== undefined && doorKey !== undefined
          ? { endpoint: door, publicKey: doorKey }
          : await readDoor(join(state, 'run', 'door.json'))
      this.#doors.splice(0, this.#doors.length, ...(found === undefined ? [] : [found]))
      this.#token = (await readPrivateFile(tokenFile ?? join(state, 'join.token')))?.trim()
      this.#told = ''
    } catch (thrown) {
      const because = sentence(thrown)
      if (because !== this.#told) this.#log.warn('cannot read how to be let in', { because })
      this.#told = because
    }
  }

  /** Reads again and again until the signal aborts, as long as nobody has let us in. */
  async keepFresh(
    { clock, isNeeded }: { readonly clock: Clock; readonly isNeeded: () => boolean },
    signal: AbortSignal
  ): Promise<void> {
    while (!signal.aborted) {
      if (isNeeded()) await this.refresh()
      await clock.sleep(lookMs, signal).catch(() => {})
    }
  }
}

async function readDoor(path: string): Promise<DoorAddress | undefined> {
  const text = await readFile(path, 'utf8').catch((thrown: NodeJS.ErrnoException) => {
    if (thrown.code === 'ENOENT') return undefined
    throw thrown
  })
  if (text === undefined) return undefined
  const { endpoint, publicKey } = JSON.parse(text) as Partial<DoorAddress>
  if (typeof endpoint !== 'string' || !isKey(String(publicKey))) return undefined
  return { endpoint, publicKey: String(publicKey) }
}
