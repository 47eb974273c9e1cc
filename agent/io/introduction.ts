/**
 * What the agent needs to be let in: the doors, a token, and the key that proves the cloud to it.
 * `remuda-agent join` writes them down; on a controller's own machine the controller does. They may
 * come later than the agent, and change, so they are read again and again while there is no
 * controller. The doors of the signed list are knocked at as well: of all that was ever written
 * down, that is the newest.
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
import { forgetSecret, type JoinFile, joinFileOf, readJoinFile } from './join-file.ts'

/** How often the files are looked at. Unit: ms. */
const lookMs: Ms = 1_000

type Where = Pick<AgentConfig, 'state' | 'door' | 'doorKey' | 'tokenFile'>

/** Keeps the doors and the token as they were last read. */
export class Introduction {
  readonly #config: Where
  readonly #log: Log
  readonly #listed: () => readonly DoorAddress[]
  readonly #doors: DoorAddress[] = []
  #file: JoinFile | undefined
  #token: string | undefined
  #told = ''

  constructor(config: Where, log: Log, listed: () => readonly DoorAddress[] = () => []) {
    this.#config = config
    this.#log = log
    this.#listed = listed
  }

  /** Where to knock; the same array for ever, with other doors in it as they change. */
  get doors(): readonly DoorAddress[] {
    return this.#doors
  }

  get token(): string | undefined {
    return this.#token
  }

  /** The public key of the cloud that the token is of. */
  get cloudKey(): string | undefined {
    return this.#file?.cloudKey
  }

  /** Reads what there is now. */
  async refresh(): Promise<void> {
    const { state, door, doorKey, tokenFile } = this.#config
    try {
      this.#file = await readJoinFile(joinFileOf(state))
      const own =
        door !== undefined && doorKey !== undefined
          ? { endpoint: door, publicKey: doorKey }
          : await readDoor(join(state, 'run', 'door.json'))
      const all = [...(own ? [own] : []), ...(this.#file?.doors ?? []), ...this.#listed()]
      const print = ({ endpoint, publicKey }: DoorAddress): string => `${endpoint} ${publicKey}`
      const distinct = [...new Map(all.map(each => [print(each), each])).values()]
      this.#doors.splice(0, this.#doors.length, ...distinct)
      const written = await readPrivateFile(tokenFile ?? join(state, 'join.token'))
      this.#token = this.#file?.secret ?? written?.trim()
      this.#told = ''
    } catch (thrown) {
      const because = sentence(thrown)
      if (because !== this.#told) this.#log.warn('cannot read how to be let in', { because })
      this.#told = because
    }
  }

  /** The host is let in: the secret that `join` wrote down is needed no more. */
  async spent(): Promise<void> {
    const { state } = this.#config
    try {
      await forgetSecret(joinFileOf(state))
      await this.refresh()
    } catch (thrown) {
      this.#log.warn('token not forgotten', { because: sentence(thrown) })
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
