/**
 * The power switch of a host in a lab, over the socket of its keeper: a line with what to do, a
 * line back. The switch is not the host: the keeper reads it from the kernel, which has ended every
 * process of a host that is off.
 */
import { connect } from 'node:net'
import { createInterface } from 'node:readline'
import { Fault } from '#shared/fault.ts'
import { deviceName, type LabDevice } from '#shared/model/fence.ts'
import type { Power } from '#shared/wire/fence.ts'
import type { FenceDevice } from '../../core/ports.ts'

/** No answer about power is longer. Unit: characters. */
const answerCharsMax = 16 * 1024

/** The switch of one host. */
export function labDevice(device: LabDevice): FenceDevice {
  const { socket, host } = device
  const ask = async (signal: AbortSignal, to?: 'on' | 'off'): Promise<Power> => {
    const line = await exchange(socket, JSON.stringify({ verb: 'power', host, to }), signal)
    return readAnswer(line)
  }
  return {
    name: deviceName(device),
    power: signal => ask(signal),
    off: async signal => void (await ask(signal, 'off')),
    on: async signal => void (await ask(signal, 'on')),
    [Symbol.asyncDispose]: async () => {}
  }
}

async function exchange(path: string, line: string, signal: AbortSignal): Promise<string> {
  signal.throwIfAborted()
  const socket = connect(path)
  const quit = () => void socket.destroy()
  signal.addEventListener('abort', quit, { once: true })
  try {
    return await new Promise<string>((resolve, reject) => {
      const give = (because: string, cause?: unknown) =>
        reject(new Fault('unavailable', `cannot ask the keeper at ${path}: ${because}`, { cause }))
      socket.once('error', thrown => give('the connection failed', thrown))
      socket.once('close', () => give(signal.aborted ? 'given up' : 'it hung up'))
      let chars = 0
      socket.on('data', bytes => {
        chars += bytes.length
        if (chars > answerCharsMax) socket.destroy(new Error(`more than ${answerCharsMax} bytes`))
      })
      createInterface({ input: socket })
        .on('error', () => {})
        .once('line', resolve)
      socket.write(`${line}\n`)
    })
  } finally {
    signal.removeEventListener('abort', quit)
    socket.destroy()
  }
}

/** Reads the keeper's line. Faults: `unavailable`: it refuses; `protocol`: it says nonsense. */
export function readAnswer(line: string): Power {
  const reply = parse(line) as {
    readonly ok?: { readonly power?: unknown }
    readonly fault?: { readonly message?: unknown }
  } | null
  const power = reply?.ok?.power
  if (power === 'on' || power === 'off') return power
  if (typeof reply?.fault?.message === 'string') throw new Fault('unavailable', reply.fault.message)
  throw new Fault('protocol', `cannot read the power: the keeper says "${line.slice(0, 80)}"`)
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    return null
  }
}
