/**
 * Looks for other DHCP servers on the boot network: asks for an address as a new machine would, and
 * hears who offers one. Nothing is taken. Two authoritative servers on one segment give the same
 * address twice, and a stranger's would have machines boot what it likes.
 *
 * A broadcast goes out where its source address lives, so the socket that asks is bound to our own;
 * what is answered to all comes to the second socket, which is bound to none.
 */
import { randomBytes, randomInt } from 'node:crypto'
import { createSocket, type Socket } from 'node:dgram'
import { readFile } from 'node:fs/promises'
import type { Clock } from '#shared/clock.ts'
import { Fault } from '#shared/fault.ts'
import type { Ms } from '#shared/units.ts'
import { discoverPacket, offeringServer } from '../../core/dhcp-packet.ts'
import type { OtherServer } from '../../core/step-back.ts'

const [serverPort, clientPort] = [67, 68]
const everyone = '255.255.255.255'
/** How often it asks, and how long it listens after each. Servers that ping first need seconds. */
const [rounds, listenMs]: readonly [number, Ms] = [3, 1_500]
/** No more servers are told. */
const serversMax = 16

/**
 * Gives all servers that offer an address, but our own. Fault `network`: it cannot ask,
 * such as where a DHCP client of this machine holds the port.
 */
export async function probeDhcp(given: {
  readonly own: string
  readonly clock: Clock
  readonly signal: AbortSignal
  /** The MAC that it asks with; one that no machine has when left out. */
  readonly mac?: string
  /** It ends as soon as so many were found; left out: it listens to its end. */
  readonly enough?: number
}): Promise<readonly OtherServer[]> {
  const { own, clock, signal, enough = serversMax } = given
  const found = new Map<string, OtherServer>()
  const transaction = randomInt(2 ** 32)
  const packet = discoverPacket(transaction, given.mac ?? probeMac())
  const sockets: Socket[] = []
  try {
    for (const address of ['0.0.0.0', own]) {
      const socket = await bound(address)
      sockets.push(socket)
      socket.on('message', message => {
        const server = offeringServer(message, transaction)
        if (server === undefined || server.address === own || found.size >= serversMax) return
        found.set(server.address, server)
      })
    }
    const asking = sockets[1]!
    asking.setBroadcast(true)
    for (let round = 0; round < rounds && found.size < enough; round += 1) {
      if (signal.aborted) break
      await sent(asking, packet)
      await clock.sleep(listenMs, signal).catch(() => undefined)
    }
    return [...found.values()]
  } finally {
    for (const socket of sockets) socket.close()
  }
}

/** A MAC of nobody: such are given by whoever likes. */
const probeMac = (): string =>
  [0x02, ...randomBytes(5)].map(octet => octet.toString(16).padStart(2, '0')).join(':')

function bound(address: string): Promise<Socket> {
  const socket = createSocket({ type: 'udp4', reuseAddr: true })
  const { promise, resolve, reject } = Promise.withResolvers<Socket>()
  socket.once('error', cause => {
    socket.close()
    reject(cannot(cause))
  })
  socket.bind({ address, port: clientPort, exclusive: true }, () => {
    socket.removeAllListeners('error')
    socket.on('error', () => {})
    resolve(socket)
  })
  return promise
}

function sent(socket: Socket, packet: Uint8Array): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  socket.send(packet, serverPort, everyone, cause => (cause ? reject(cannot(cause)) : resolve()))
  return promise
}

const cannot = (cause: unknown): Fault =>
  new Fault('network', 'cannot look for other DHCP servers', { cause })

/** The MAC that the kernel knows for an address; undefined: none. */
export const macOfNeighbour = async (address: string): Promise<string | undefined> =>
  (await neighbours()).get(address)

/** The MACs that the kernel knows, by address. */
export async function neighbours(): Promise<ReadonlyMap<string, string>> {
  const text = await readFile('/proc/net/arp', 'utf8').catch(() => '')
  const found = new Map<string, string>()
  for (const line of text.split('\n')) {
    const [ip, , , mac] = line.trim().split(/\s+/)
    if (ip === undefined || mac === undefined || mac === '00:00:00:00:00:00') continue
    if (!found.has(ip)) found.set(ip, mac.toLowerCase())
  }
  return found
}
