/** Writers that want something all the time, and remember what was acknowledged. */
import { Fault } from '#shared/fault.ts'
import { uuidOf } from '#shared/ids.ts'
import type { Instance } from '#shared/model/instance.ts'
import type { Intent } from '../../controller/core/admission/admit.ts'
import type { Commit } from '../../controller/core/commit.ts'
import type { SimulatedCloud } from './simulated-cloud.ts'

/** Instances of each writer. */
const namesEach = 2

/** Each waits for its answer before it wants something else. */
export class Writers {
  readonly #cloud: SimulatedCloud
  readonly acknowledged: { readonly position: number; readonly commit: Commit }[] = []
  #number = 0
  isOver = false

  constructor(cloud: SimulatedCloud) {
    this.#cloud = cloud
  }

  async write(writer: number): Promise<void> {
    const { clock, chance } = this.#cloud
    while (!this.isOver) {
      await clock.sleep(50 + 700 * chance())
      const name = `w${writer}-${Math.floor(chance() * namesEach)}`
      await this.#wish(name)
    }
  }

  async #wish(name: string): Promise<void> {
    const [leader] = this.#cloud.leaders
    if (!leader || leader.freezer.isFrozen || this.isOver) return
    const { reign } = leader.candidate.service
    const intent = this.#intent(name, reign.view.named('instance', name, 'default'))
    // An answer may never come: whoever asked gives up and does not know.
    const patience = this.#cloud.clock.sleep(8_000)
    try {
      const answered = reign.submit(intent, 'user/admin')
      const outcome = await Promise.race([answered, patience])
      if (!outcome) {
        answered.catch(() => {})
        this.#cloud.count('never answered')
      } else if (outcome.changed) {
        // Of a program that is stopped nothing comes out.
        if (leader.freezer.isFrozen) return
        this.#cloud.count('acknowledged')
        this.#cloud.count(`verb ${intent.verb}`)
        this.acknowledged.push({ position: outcome.position, commit: outcome.commit })
      }
    } catch (thrown) {
      if (!(thrown instanceof Fault)) this.#cloud.problem(`${intent.verb} threw ${thrown}`)
      else if (thrown.code === 'unavailable') this.#cloud.count('unknown outcomes')
      else this.#cloud.count('wishes refused')
    }
  }

  #intent(name: string, instance: Instance | undefined): Intent {
    const { chance } = this.#cloud
    if (!instance) {
      const isSteady = name.endsWith('0')
      const pool = isSteady ? 'local' : 'shared'
      const spec = { image: 'tiny', memoryMib: 128, pool, ports: [], stopGraceMs: 500 }
      const labels = { steady: String(isSteady) }
      const full = this.#cloud.specOf('instance', spec)
      return { verb: 'create', kind: 'instance', name, labels, spec: full }
    }
    const { id, spec, decided } = instance
    if (decided.moving && chance() < 0.3) return { verb: 'cancel-move', id }
    const kind = chance()
    if (kind < 0.2 || instance.labels['steady'] === 'true') {
      this.#number += 1
      const labels = { ...instance.labels, n: String(this.#number) }
      return { verb: 'change', kind: 'instance', id, spec, labels }
    }
    this.#cloud.disturbed.add(uuidOf(id))
    if (kind < 0.3) return { verb: 'power', id, power: 'stopped' }
    if (kind < 0.5) return { verb: 'power', id, power: 'running' }
    if (kind < 0.9) return { verb: 'move', id, live: chance() < 0.5 }
    return { verb: 'delete', kind: 'instance', id }
  }
}
