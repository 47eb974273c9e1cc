/** How a connection begins: the socket, the log-in, the driver. */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { Fault, sentence } from '#shared/fault.ts'
import { Connection, type ConnectionLimits, type RemoteEvent } from './connection.ts'
import { authType } from './constants.ts'

/** The bounds that hold when nobody says otherwise. */
const connectionLimits: ConnectionLimits = {
  openMs: 10_000,
  callMs: 30_000,
  pingMs: 3_000,
  pingsUnansweredMax: 5,
  callsInFlightMax: 4,
  callsWaitingMax: 20_000 // a first listing asks for each domain, and libvirt holds up to 16,384
}

/** Where a connection leads, and what it may do. */
export type ConnectionOptions = {
  readonly socketPath: string
  /** Which driver to open, such as qemu:///system. */
  readonly uri: string
  readonly limits?: Partial<ConnectionLimits>
  /** Takes each event as it comes; it must only note it, and may not throw. */
  readonly onEvent?: (event: RemoteEvent) => void
  /** Ends the connection, from the first moment on. */
  readonly signal?: AbortSignal
}

/** Connects, logs in and opens a driver. Faults: `unavailable`, `unauthenticated`, `deadline` … */
export async function openConnection(options: ConnectionOptions): Promise<Connection> {
  const { socketPath, signal } = options
  const limits = { ...connectionLimits, ...options.limits }
  const socket = await connectSocket(socketPath, limits.openMs, signal)
  const connection = new Connection(socket, limits, options.onEvent ?? (() => {}))
  const close = (): void => connection.close()
  signal?.addEventListener('abort', close)
  void connection.ended.then(() => signal?.removeEventListener('abort', close))
  try {
    await logIn(connection, options, limits.openMs)
    return connection
  } catch (thrown) {
    close()
    throw thrown
  }
}

async function connectSocket(
  path: string,
  deadlineMs: number,
  signal?: AbortSignal
): Promise<Socket> {
  const deadline = AbortSignal.timeout(deadlineMs)
  const socket = connect(path)
  try {
    await once(socket, 'connect', {
      signal: AbortSignal.any([deadline, ...(signal ? [signal] : [])])
    })
    return socket
  } catch (thrown) {
    socket.destroy()
    const cannot = `cannot connect to libvirt at ${path}`
    if (signal?.aborted) throw new Fault('closed', `${cannot}: we are closing`)
    const next = ['start libvirtd']
    if (deadline.aborted)
      throw new Fault('deadline', `${cannot}: ${deadlineMs} ms passed`, { next })
    throw new Fault('unavailable', `${cannot}: ${sentence(thrown)}`, { next, cause: thrown })
  }
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
