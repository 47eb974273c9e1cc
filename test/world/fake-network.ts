import type { Fault } from '#shared/fault.ts'
import { shortName } from '#shared/ids.ts'
import type { OrderNetwork } from '#shared/wire/order.ts'
import type {
  AnnouncedPort,
  NamedPort,
  NetworkDriver,
  StandingNetwork
} from '../../agent/core/ports.ts'

/** Networks in memory. */
export class FakeNetwork implements NetworkDriver {
  networks: readonly OrderNetwork[] = []
  ports: readonly NamedPort[] = []
  /** Why a network cannot stand, by its id. */
  readonly failures = new Map<string, string>()
  /** Addresses of ports that were there when they were announced. */
  readonly announced: string[] = []
  #failing: Fault[] = []
  #applied = 0

  /** How often it was applied. */
  get applied(): number {
    return this.#applied
  }

  /** Lets the next application fail as a whole. */
  failNext(fault: Fault): void {
    this.#failing.push(fault)
  }

  async apply(
    networks: readonly OrderNetwork[],
    ports: readonly NamedPort[]
  ): Promise<readonly StandingNetwork[]> {
    this.#applied++
    const fault = this.#failing.shift()
    if (fault !== undefined) throw fault
    this.networks = networks
    this.ports = ports
    return networks.map(({ id }) => ({
      id,
      bridge: this.bridgeOf(id),
      failure: this.failures.get(id)
    }))
  }

  announce(ports: readonly AnnouncedPort[]): void {
    const present = new Set(this.ports.map(({ id }) => id))
    for (const { id, address } of ports) if (present.has(id)) this.announced.push(address)
  }

  bridgeOf(networkId: string): string {
    return shortName('rb', networkId)
  }

  interfaceOf(portId: string): string {
    return shortName('rp', portId)
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}
