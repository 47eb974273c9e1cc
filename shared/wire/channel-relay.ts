/**
 * Carries byte channels over the mesh at the end that is dialled: a channel for each viewer of a
 * console, with a window in each direction, so that a slow viewer holds up neither what it looks at
 * nor anybody else.
 */
import { isFault, sentence } from '../fault.ts'
import { type ChannelWindow, granted, nextChunk, offer, openWindow } from './channel-window.ts'
import { channelWindowBytes, type ToAgent, type ToController } from './messages.ts'

/** So many channels are open at once at one end. */
export const channelsMax = 64

/** What is said about a channel that is open. */
export type ChannelMessage = Extract<
  ToAgent,
  { readonly type: 'channel-data' | 'channel-taken' | 'channel-close' }
>

/** Somebody who looks at a console. */
export type Viewer = {
  readonly output: (bytes: Uint8Array) => void
  /** Told once: nothing more will come; empty: it ended as it should. */
  readonly ended: (because: string) => void
}

/** A place at a console. */
export type Seat = {
  /** Passes input on; resolves once it is taken. */
  readonly write: (bytes: Uint8Array) => Promise<void>
  readonly leave: () => void
}

type Channel = { seat: Seat | undefined; window: ChannelWindow; inputBytes: number }

/** Keeps the channels of one end. */
export class ChannelRelay {
  readonly #send: (message: ToController) => void
  readonly #channels = new Map<string, Channel>()

  /** `send` may throw Fault `unavailable`. */
  constructor(send: (message: ToController) => void) {
    this.#send = send
  }

  get channels(): number {
    return this.#channels.size
  }

  /** Opens a channel to what `attach` gives a place at; its Fault closes the channel again. */
  open(id: string, attach: (viewer: Viewer) => Seat): void {
    if (this.#channels.has(id)) return
    if (this.#channels.size >= channelsMax) {
      this.#say({
        type: 'channel-close',
        channel: id,
        because: `cannot open the console: ${channelsMax} are open on this host`
      })
      return
    }
    const channel: Channel = {
      seat: undefined,
      window: openWindow(channelWindowBytes),
      inputBytes: 0
    }
    this.#channels.set(id, channel)
    try {
      channel.seat = attach({
        output: bytes => {
          channel.window = offer(channel.window, bytes)
          this.#flush(id, channel)
        },
        ended: because => this.#close(id, because)
      })
    } catch (thrown) {
      if (!isFault(thrown)) throw thrown
      this.#close(id, sentence(thrown))
    }
  }

  /** Takes in what the controller says about a channel. */
  take(message: ChannelMessage): void {
    const { channel: id } = message
    const channel = this.#channels.get(id)
    // It may have been closed from here while this was on its way.
    if (channel === undefined) return
    if (message.type === 'channel-data') this.#input(id, channel, message.bytes)
    else if (message.type === 'channel-taken') {
      const { bytes } = message
      channel.window = granted(channel.window, { bytes, limitBytes: channelWindowBytes })
      this.#flush(id, channel)
    } else {
      this.#channels.delete(id)
      channel.seat?.leave()
    }
  }

  /** Closes all channels: who opened them is gone. */
  closeAll(because: string): void {
    for (const id of [...this.#channels.keys()]) this.#close(id, because)
  }

  #input(id: string, channel: Channel, bytes: Uint8Array): void {
    channel.inputBytes += bytes.length
    if (channel.inputBytes > channelWindowBytes) {
      this.#close(id, `more than ${channelWindowBytes} bytes were sent that were not taken`)
      return
    }
    void channel.seat?.write(bytes).then(() => {
      channel.inputBytes -= bytes.length
      if (!this.#channels.has(id)) return
      this.#say({ type: 'channel-taken', channel: id, bytes: bytes.length })
    })
  }

  #flush(id: string, channel: Channel): void {
    for (;;) {
      const next = nextChunk(channel.window)
      if (next === undefined || this.#channels.get(id) !== channel) return
      channel.window = next.window
      const bytes = new Uint8Array(next.chunk)
      if (!this.#say({ type: 'channel-data', channel: id, bytes })) return
    }
  }

  #close(id: string, because: string): void {
    const channel = this.#channels.get(id)
    if (channel === undefined) return
    this.#channels.delete(id)
    channel.seat?.leave()
    this.#say({ type: 'channel-close', channel: id, because: because.slice(0, 2048) })
  }

  /** Says it, or lets the channel go when nobody listens. */
  #say(message: ToController & { readonly channel: string }): boolean {
    try {
      this.#send(message)
      return true
    } catch (thrown) {
      if (!isFault(thrown)) throw thrown
      const channel = this.#channels.get(message.channel)
      this.#channels.delete(message.channel)
      channel?.seat?.leave()
      return false
    }
  }
}
