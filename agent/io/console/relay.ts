/** Carries the consoles of instances over the mesh: a channel for each viewer. */
import { type ChannelMessage, ChannelRelay } from '#shared/wire/channel-relay.ts'
import type { ToAgent, ToController } from '#shared/wire/messages.ts'
import type { ConsoleHub } from './hub.ts'

/** Keeps the channels of one agent. */
export class ConsoleRelay {
  readonly #hub: ConsoleHub
  readonly #relay: ChannelRelay

  constructor(given: {
    readonly hub: ConsoleHub
    /** May throw Fault `unavailable`. */
    readonly send: (message: ToController) => void
  }) {
    this.#hub = given.hub
    this.#relay = new ChannelRelay(given.send)
  }

  get channels(): number {
    return this.#relay.channels
  }

  /** Takes in what the controller says about a channel. */
  take(message: ChannelMessage | Extract<ToAgent, { readonly type: 'console-open' }>): void {
    if (message.type === 'console-open') {
      const { channel, instance } = message
      this.#relay.open(channel, viewer => this.#hub.attach(instance, viewer))
    } else this.#relay.take(message)
  }

  /** Closes all channels: who opened them is gone. */
  closeAll(because: string): void {
    this.#relay.closeAll(because)
  }
}
