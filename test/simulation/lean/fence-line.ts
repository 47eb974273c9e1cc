/**
 * A controller's line to bootds without its io: which one is used, and what it is told, whole, as
 * soon as it is otherwise.
 */
import type { Ms } from '#shared/units.ts'
import type { FenceState } from '#shared/wire/fence.ts'
import { chooseBootd } from '../../../controller/core/bootd-choice.ts'
import { fenceOrdersOf } from '../../../controller/core/fence-orders.ts'
import type { View } from '../../../controller/core/view.ts'
import type { LeanCloud } from './cloud.ts'
import type { LeanController } from './controller.ts'

/** Orders that only watch are worked out anew at most so often. Unit: ms. */
const watchMs: Ms = 1_000

export class FenceLine {
  readonly #cloud: LeanCloud
  readonly #controller: LeanController
  readonly #heardAt = new Map<string, Ms>()
  #active: string | undefined
  #told = ''
  #toldAt: Ms = 0
  #urgent = ''
  #position = -1
  #wasNew = true

  constructor(cloud: LeanCloud, controller: LeanController) {
    this.#cloud = cloud
    this.#controller = controller
  }

  begin(): void {
    this.#heardAt.clear()
    this.#active = undefined
    this.#told = ''
    this.#position = -1
    this.#wasNew = true
  }

  /** Lets bootds know the epoch, and us that they are there. */
  beat(): void {
    const { machine, epoch } = this.#controller
    for (const bootd of this.#cloud.bootds) {
      this.#cloud.net.sendPromptly(machine, bootd.machine, () =>
        bootd.hear(epoch, this.#controller)
      )
    }
  }

  /** A bootd is heard. */
  heard(name: string, states?: readonly FenceState[]): void {
    const { view, now, leads } = this.#controller
    if (!leads) return
    this.#heardAt.set(name, now.monotonic)
    if (!states || name !== this.#active) return
    view.fold({ type: 'fences', states, at: now })
    this.#controller.wake()
  }

  /** A bootd has started anew, and has lost what it was told. */
  connected(name: string): void {
    if (name === this.#active) this.#told = ''
  }

  turn(): void {
    const { view, name: own, now, epoch, machine } = this.#controller
    const active = chooseBootd(view, {
      bootds: this.#cloud.bootdNames,
      heardAt: this.#heardAt,
      active: this.#active,
      own,
      now: now.monotonic
    })
    if (active !== this.#active) {
      if (this.#active !== undefined && active !== undefined) this.#cloud.count('bootds changed')
      this.#active = active
      this.#told = ''
    }
    const bootd = this.#cloud.bootds.find(({ name }) => name === active)
    if (!bootd) return
    // As the real one: at once what cannot wait, the rest now and then.
    const urgent = urgentIn(view)
    const isDue = now.monotonic - this.#toldAt >= watchMs
    if (this.#told !== '' && urgent === this.#urgent && !isDue) return
    this.#urgent = urgent
    this.#toldAt = now.monotonic
    const isNew = now.monotonic - view.listeningSince < view.patience.newcomerMs
    if (this.#told !== '' && this.#position === view.position && !isNew && !this.#wasNew) return
    this.#wasNew = isNew
    this.#position = view.position
    const orders = fenceOrdersOf(view, { epoch, now: now.monotonic })
    const text = JSON.stringify([epoch, orders])
    if (text === this.#told) return
    this.#told = text
    this.#controller.whenDurable(() => {
      for (const other of this.#cloud.bootds) {
        const own = other === bootd ? orders : []
        const take = (): void => other.want(own, epoch, this.#controller)
        this.#cloud.net.send(machine, other.machine, take)
      }
    })
  }
}

function urgentIn(view: View): string {
  let urgent = ''
  if (view.indexes.lost.size === 0) return urgent
  for (const { name, decided } of view.all('host').values()) {
    const { recovery } = decided
    if (!recovery) continue
    urgent += `${name} ${recovery.id} ${recovery.phase} ${recovery.contradicted?.level};`
  }
  return urgent
}
