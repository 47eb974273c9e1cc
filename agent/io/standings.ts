import type { Log } from '#shared/log.ts'
import type { InstanceVerdict } from '../core/diff-instance.ts'
import { nameOf } from '../core/steps.ts'

/** Logs where instances stand when that has changed. */
export class Standings {
  readonly #log: Log
  readonly #said = new Map<string, string>()

  constructor(log: Log) {
    this.#log = log
  }

  /** Compares with what was said last. */
  tell(verdicts: readonly InstanceVerdict[]): void {
    const ids = new Set(verdicts.map(({ instance }) => instance.id))
    for (const id of this.#said.keys()) if (!ids.has(id)) this.#said.delete(id)
    for (const { instance, power, reason, message } of verdicts) {
      const from = this.#said.get(instance.id) ?? 'unknown'
      const to = power === reason ? power : `${power}, ${reason}`
      if (from === to) continue
      this.#said.set(instance.id, to)
      const name = nameOf(instance)
      this.#log.info('instance changed', { instance: name, from, to, because: message })
    }
  }
}
