/** The serial console of an instance or of a host's machine, on a terminal or piped. */
import { setTimeout as sleep } from 'node:timers/promises'
import { pathOf, tenantQuery } from '../api/resources.ts'
import { makeEscape } from '../escape.ts'
import type { Invocation } from '../invocation.ts'
import { type Reference, writeReference } from '../kinds.ts'
import type { Terminal } from '../terminal.ts'
import { type Channel, faultOfClosing, openChannel } from '../websocket.ts'
import { referenceTo } from './outcome.ts'

/** How long piped input is survived where nothing else is said. */
const lingerMsDefault = 1_000
/** How long the other side may take to say goodbye. */
const goodbyeMsMax = 2_000

/** Attaches to the console of an instance until either side leaves. */
export async function openConsole(invocation: Invocation): Promise<void> {
  const reference = referenceTo(invocation, 'instance', invocation.given.positional('NAME')!)
  await attach(invocation, reference, tenantQuery('instance', reference.tenant))
}

/** Attaches to the serial line of a host's machine, through its baseboard controller. */
export async function openMachine(invocation: Invocation): Promise<void> {
  const { given } = invocation
  const reference = referenceTo(invocation, 'host', given.positional('NAME')!)
  await attach(invocation, reference, given.flag('take') ? { take: '1' } : {})
}

async function attach(
  invocation: Invocation,
  reference: Reference,
  query: Readonly<Record<string, string | undefined>>
): Promise<void> {
  const { terminal, given, signal } = invocation
  const doing = `attach to the console of ${writeReference(reference)}`
  const api = await invocation.connect()
  const path = `${pathOf(reference.kind, reference.name)}/console`
  const channel = await openChannel(api, { path, query, doing, signal })
  const isTerminal = terminal.input.isTTY === true
  if (isTerminal) {
    invocation.note(`attached to ${writeReference(reference)}; Ctrl-] then q leaves\n`)
  }
  const leave = () => channel.close()
  signal.addEventListener('abort', leave, { once: true })
  const restore = isTerminal ? makeRaw(terminal) : () => {}
  try {
    const showing = show(channel, terminal)
    const lingerMs = given.number('linger') ?? lingerMsDefault
    const typing = isTerminal ? type(channel, terminal) : feed(channel, { terminal, lingerMs })
    const closed = await channel.closed
    await Promise.all([showing, typing])
    if (isTerminal) invocation.note(`\nleft ${writeReference(reference)}; it goes on\n`)
    const fault = signal.aborted ? undefined : faultOfClosing(closed, doing)
    if (fault) throw fault
  } finally {
    restore()
    signal.removeEventListener('abort', leave)
    terminal.input.pause()
  }
}

/** Puts the terminal into raw mode and gives the way back, which every exit takes. */
function makeRaw({ input, output }: Terminal): () => void {
  let isRaw = true
  const restore = () => {
    if (!isRaw) return
    isRaw = false
    process.removeListener('exit', restore)
    input.setRawMode?.(false)
    // Colours off, cursor on: whatever the instance left behind.
    output.write('\u001b[0m\u001b[?25h')
  }
  input.setRawMode?.(true)
  process.once('exit', restore)
  return restore
}

async function show({ stream }: Channel, { output }: Terminal): Promise<void> {
  try {
    for await (const chunk of stream) {
      if (!output.write(chunk)) await new Promise(resolve => output.once('drain', resolve))
    }
  } catch {
    // How it ended is told by the closing code.
  }
}

/** Sends what is typed until Ctrl-] q. */
async function type(channel: Channel, { input }: Terminal): Promise<void> {
  const read = makeEscape()
  const onBytes = (bytes: Buffer) => {
    const { send, leave } = read(bytes)
    if (send.length > 0) void sendBytes(channel, send)
    if (leave) channel.close()
  }
  input.on('data', onBytes)
  input.resume()
  try {
    await channel.closed
  } finally {
    input.off('data', onBytes)
    input.pause()
  }
}

/** Sends all input, and leaves some time after its end so that the answers are seen. */
async function feed(
  channel: Channel,
  options: { readonly terminal: Terminal; readonly lingerMs: number }
): Promise<void> {
  const { terminal, lingerMs } = options
  const gone = new AbortController()
  const isGone = channel.closed.then(() => {
    gone.abort()
    terminal.input.destroy()
  })
  try {
    for await (const chunk of terminal.input) {
      await sendBytes(channel, Buffer.from(chunk as Uint8Array))
    }
    await sleep(lingerMs, undefined, { signal: gone.signal })
  } catch {
    // The other side closed first; its closing code is told.
  }
  channel.close()
  const goodbye = sleep(goodbyeMsMax, undefined, { signal: gone.signal }).then(
    () => channel.stream.destroy(),
    () => {}
  )
  await Promise.race([isGone, goodbye])
}

/** Resolves once the bytes are on their way, or once there is nobody to send them to. */
function sendBytes({ stream }: Channel, bytes: Buffer): Promise<void> {
  return new Promise(resolve => {
    if (stream.destroyed || stream.writableEnded) return resolve()
    stream.write(bytes, () => resolve())
  })
}
