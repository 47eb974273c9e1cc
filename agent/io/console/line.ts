/**
 * The console of one domain, shared by all who look at it: libvirt lets only one in. A VM's is
 * opened for its first viewer and closed after the last; a container's stays open as long as the
 * container lives, since its output is logged here.
 */
import type { Duplex } from 'node:stream'
import { type Fault, isFault, sentence } from '#shared/fault.ts'
import type { Viewer } from '#shared/wire/channel-relay.ts'
import type { LogFile } from './log-file.ts'

/** One console: opened when it is needed, ended once. */
export class Line {
  readonly #open: () => Promise<Duplex>
  readonly #log: LogFile | undefined
  readonly #onEnded: (because: string) => void
  readonly #viewers = new Set<Viewer>()
  #stream: Promise<Duplex> | undefined
  #over = false

  constructor(given: {
    readonly open: () => Promise<Duplex>
    /** A container's log; undefined: libvirt writes it. */
    readonly log: LogFile | undefined
    /** Told once: this line is of no use any more. */
    readonly onEnded: (because: string) => void
  }) {
    this.#open = given.open
    this.#log = given.log
    this.#onEnded = given.onEnded
  }

  get viewers(): number {
    return this.#viewers.size
  }

  /** Opens it where it is not open; failures end the line. */
  connect(): void {
    this.#stream ??= this.#connect()
    this.#stream.catch(() => {})
  }

  attach(viewer: Viewer): void {
    this.#viewers.add(viewer)
    this.connect()
  }

  /** Lets a viewer go; the last one of a VM closes its line. */
  detach(viewer: Viewer): void {
    this.#viewers.delete(viewer)
    if (this.#viewers.size === 0 && this.#log === undefined) this.end('nobody looks at it')
  }

  /** Passes input on; resolves once the instance's side has taken it; none: once it is open. */
  async write(bytes: Uint8Array): Promise<void> {
    const stream = await this.#stream?.catch(() => undefined)
    if (stream === undefined || stream.destroyed || bytes.length === 0) return
    await new Promise<void>(resolve => {
      stream.once('close', resolve)
      stream.write(bytes, () => {
        stream.off('close', resolve)
        resolve()
      })
    })
  }

  /** Closes it and tells the viewers why. */
  end(because: string): void {
    if (this.#over) return
    this.#over = true
    this.#stream?.then(
      stream => stream.destroy(),
      () => {}
    )
    for (const viewer of this.#viewers) viewer.ended(because)
    this.#viewers.clear()
    this.#onEnded(because)
  }

  async #connect(): Promise<Duplex> {
    let stream: Duplex
    try {
      stream = await this.#open()
    } catch (thrown) {
      this.end(sentence(thrown))
      throw thrown
    }
    if (this.#over) stream.destroy()
    stream.on('data', (bytes: Uint8Array) => {
      this.#log?.append(bytes)
      for (const viewer of this.#viewers) viewer.output(bytes)
    })
    stream.once('error', (thrown: Error | Fault) => {
      this.end(isFault(thrown) ? sentence(thrown) : `the console broke: ${sentence(thrown)}`)
    })
    stream.once('end', () => this.end('the instance has ended'))
    stream.once('close', () => this.end('the console was closed'))
    return stream
  }
}
