/** How a connection begins: the socket, the log-in, the driver. */
import { connect, type Socket } from 'node:net'
import { Fault, sentence } from '#shared/fault.ts'
import { Connection, type ConnectionLimits, type RemoteEvent } from './connection.ts'
import { authType } from './constants.ts'

/** The bounds that hold when nobody says otherwise. */
export const connectionLimits: ConnectionLimits = {
  openMs: 10_000,
  callMs: 30_000,
  pingMs: 3_000,
  pingsUnansweredMax: 5,
  callsInFlightMax: 4,
  callsWaitingMax: 1_000
}

export type ConnectionOptions = {
  readonly socketPath: string
  /** Which driver to open, such as qemu:///system. */
  readonly uri: string
  readonly limits?: Partial<ConnectionLimits>
  /** Takes each event as it comes; it must only note it, and may not throw. */
  readonly onEvent?: (event: RemoteEvent) => void
}

/** Connects, logs in and opens a driver. Faults: `unavailable`, `unauthenticated`, `deadline` … */
export async function openConnection(options: ConnectionOptions): Promise<Connection> {
  const limits = { ...connectionLimits, ...options.limits }
  const socket = await connectSocket(options.socketPath, limits.openMs)
  const connection = new Connection(socket, limits, options.onEvent ?? (() => {}))
  try {
    await logIn(connection, options, limits.openMs)
    return connection
  } catch (thrown) {
    connection.close()
    throw thrown
  }
}

function connectSocket(path: string, deadlineMs: number): Promise<Socket> {
  const { promise, resolve, reject } = Promise.withResolvers<Socket>()
  const socket = connect(path)
  const refuse = (code: 'deadline' | 'unavailable', why: string, cause?: Error): void => {
    clearTimeout(timer)
    socket.destroy()
    const options = { next: ['start libvirtd'], ...(cause && { cause }) }
    reject(new Fault(code, `cannot connect to libvirt at ${path}: ${why}`, options))
  }
  const timer = setTimeout(() => refuse('deadline', `${deadlineMs} ms have passed`), deadlineMs)
  const fail = (error: Error): void => refuse('unavailable', sentence(error), error)
  socket.once('error', fail)
  socket.once('connect', () => {
    clearTimeout(timer)
    socket.off('error', fail)
    resolve(socket)
  })
  return promise
}

async function logIn(
  connection: Connection,
  { socketPath, uri }: ConnectionOptions,
  deadlineMs: number
): Promise<void> {
  const what = `open ${uri} at ${socketPath}`
  const { types } = await connection.call('authList', undefined, { deadlineMs, what })
  if (types.length > 0 && !types.includes(authType.none)) {
    if (!types.includes(authType.polkit)) {
      throw new Fault('unauthenticated', `cannot ${what}: it wants a password`, {
        reasons: [`libvirt offers the authentication types ${types.join(', ')}`],
        next: ['run as root, or set auth_unix_rw = "none" in libvirtd.conf']
      })
    }
    await connection.call('authPolkit', undefined, { deadlineMs, what })
  }
  await connection.call('connectOpen', { name: uri, flags: 0 }, { deadlineMs, what })
}
