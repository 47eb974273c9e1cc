/**
 * The serial consoles of hosts' machines, through their baseboard controllers. Whoever has hosts
 * fenced has a line to bootd, and serves them as long as it does.
 */
import type { Duplex } from 'node:stream'
import { Fault } from '#shared/fault.ts'
import type { Host } from '#shared/model/host.ts'

/** Opens the console of a host; `take`: from whoever has it. */
export type OpenMachine = (host: Host, options: { readonly take: boolean }) => Duplex

/** Where the API asks for them. */
export class MachineConsoles {
  #served: OpenMachine | undefined

  /** Serves them from now on; gives what ends that. */
  serve(open: OpenMachine): () => void {
    this.#served = open
    return () => {
      if (this.#served === open) this.#served = undefined
    }
  }

  /** Opens one. Fault `unavailable`: no bootd is there, or no device is set. */
  open: OpenMachine = (host, options) => {
    if ((host.spec.fence ?? []).length === 0) {
      throw new Fault(
        'conflict',
        `cannot open the console of host ${host.name}: it has no device`,
        {
          next: [`remuda host fence set ${host.name} --ipmi ADDRESS --user USER --secret SECRET`]
        }
      )
    }
    if (!this.#served) {
      throw new Fault('unavailable', `cannot open the console of host ${host.name}`, {
        reasons: ['no bootd is used here'],
        next: ['remuda status']
      })
    }
    return this.#served(host, options)
  }
}
