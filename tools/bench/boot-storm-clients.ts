/**
 * Machines that all boot at once, as far as a server sees it: each asks for an address by DHCP,
 * fetches its first file by TFTP and its root by HTTP. Run by itself in a namespace, with one JSON
 * argument; writes one JSON line. Its interface has all addresses already, so that each machine
 * speaks from its own.
 */
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { connect } from 'node:net'
import { discoverPacket } from '../../bootd/core/dhcp-packet.ts'

/** What is to be done. */
export type StormWish = {
  readonly machines: number
  readonly server: string
  /** Own address, that of no machine. */
  readonly own: string
  readonly port: number
  readonly tftpFile: string
  /** Path of what is fetched; left out: it is asked for with a boot script, as bootd wants it. */
  readonly path?: string
}

/** What came of it. Units: ms from the beginning of all to the last byte of each; bytes. */
export type StormOutcome = {
  readonly doneMs: readonly number[]
  readonly dhcpMs: readonly number[]
  readonly tftpMs: readonly number[]
  readonly errors: readonly string[]
  readonly bytes: number
}

const triesMax = 20
const patienceMs = 2_000
const stillMsMax = 120_000

async function storm(wish: StormWish): Promise<StormOutcome> {
  const [doneMs, dhcpMs, tftpMs]: [number[], number[], number[]] = [[], [], []]
  const errors: string[] = []
  let bytes = 0
  const exchange = await dhcpExchange(wish)
  const startedAt = performance.now()
  const since = () => performance.now() - startedAt
  const one = async (index: number): Promise<void> => {
    const address = await exchange.lease(index)
    dhcpMs.push(since())
    await tftp(wish, address)
    tftpMs.push(since())
    const path = wish.path ?? (await pathOf(wish, index, address))
    const got = await get({ ...wish, path, address })
    bytes += got
    doneMs.push(since())
  }
  const runs = Array.from({ length: wish.machines }, (_, index) =>
    one(index).catch(thrown => void errors.push(String(thrown)))
  )
  await Promise.all(runs)
  exchange.close()
  return { doneMs, dhcpMs, tftpMs, errors: errors.slice(0, 20), bytes }
}

const macOf = (index: number): string =>
  `02:00:00:00:${[index >> 8, index & 255].map(one => one.toString(16).padStart(2, '0')).join(':')}`

async function bound(address: string, port: number): Promise<Socket> {
  const socket = createSocket({ type: 'udp4', reuseAddr: true, recvBufferSize: 4 * 1024 * 1024 })
  socket.bind({ address, port, exclusive: true })
  await once(socket, 'listening')
  return socket
}

/** DHCP of all machines over one pair of sockets; servers answer to all. */
async function dhcpExchange({ own }: StormWish) {
  const [hearing, asking] = [await bound('0.0.0.0', 68), await bound(own, 68)]
  asking.setBroadcast(true)
  const waits = new Map<number, (packet: Buffer) => void>()
  hearing.on('message', packet => waits.get(packet.readUInt32BE(4))?.(packet))
  const say = async (transaction: number, packet: Uint8Array, type: number): Promise<Buffer> => {
    for (let attempt = 0; attempt < triesMax; attempt += 1) {
      const heard = new Promise<Buffer | undefined>(resolve => {
        const timer = setTimeout(() => resolve(undefined), patienceMs)
        waits.set(transaction, answer => {
          if (answer[0] !== 2 || !answer.includes(Buffer.of(53, 1, type), 240)) return
          clearTimeout(timer)
          resolve(answer)
        })
      })
      asking.send(packet, 67, '255.255.255.255')
      const answer = await heard
      if (answer) return answer
    }
    throw new Error(`no DHCP answer of type ${type} after ${triesMax} tries`)
  }
  return {
    lease: async (index: number): Promise<string> => {
      const transaction = 0x52000000 + index
      const discover = discoverPacket(transaction, macOf(index))
      const offer = await say(transaction, discover, 2)
      const request = Buffer.from(discover)
      const offered = offer.subarray(16, 20)
      const server = offer.subarray(offer.indexOf(Buffer.of(54, 4), 240) + 2).subarray(0, 4)
      Buffer.concat([
        ...[Buffer.of(53, 1, 3, 50, 4), offered, Buffer.of(54, 4), server],
        Buffer.of(55, 3, 1, 3, 6, 255)
      ]).copy(request, 240)
      const answer = await say(transaction, request, 5)
      waits.delete(transaction)
      return [...answer.subarray(16, 20)].join('.')
    },
    close: () => {
      hearing.close()
      asking.close()
    }
  }
}

/** Fetches a file by TFTP (RFC 1350, 2348) with blocks as PXE asks for them. */
async function tftp({ server, tftpFile }: StormWish, address: string): Promise<void> {
  const socket = await bound(address, 0)
  const size = 1_468
  const wish = `\0\u0001${tftpFile}\0octet\0blksize\0${size}\0`
  try {
    await new Promise<void>((resolve, reject) => {
      let [wanted, tries] = [1, 0]
      let last: { readonly packet: Buffer; readonly port: number } = {
        ...{ packet: Buffer.from(wish, 'latin1'), port: 69 }
      }
      const send = () => socket.send(last.packet, last.port, server)
      const timer = setInterval(() => {
        tries += 1
        if (tries <= triesMax) return send()
        clearInterval(timer)
        reject(new Error('no TFTP answer'))
      }, patienceMs)
      socket.on('message', (packet, { port }) => {
        const [type, block] = [packet.readUInt16BE(0), packet.readUInt16BE(2)]
        const isNext = type === 3 && block === wanted
        if (type === 5) {
          clearInterval(timer)
          reject(new Error(`TFTP: ${packet.subarray(4).toString()}`))
          return
        }
        if (!isNext && type !== 6) return
        const acknowledged = type === 6 ? 0 : block
        last = { packet: Buffer.of(0, 4, acknowledged >> 8, acknowledged & 255), port }
        tries = 0
        send()
        if (type === 6) return
        wanted += 1
        if (packet.length - 4 >= size) return
        clearInterval(timer)
        resolve()
      })
      send()
    })
  } finally {
    socket.close()
  }
}

/** Asks for its script as iPXE does, and gives the path of the root that it names. */
async function pathOf(wish: StormWish, index: number, address: string): Promise<string> {
  const uuid = `10000000-0000-4000-8000-${index.toString(16).padStart(12, '0')}`
  const path = `/boot.ipxe?uuid=${uuid}&mac=${macOf(index)}&arch=x86_64&platform=efi`
  let script = ''
  await get({ ...wish, path, address }, chunk => {
    script += chunk.toString()
  })
  const [, version, token] = /images\/([0-9a-f]+)\/vmlinuz\?token=(\S+)/.exec(script) ?? []
  if (version === undefined) throw new Error(`no image in the script: ${script.slice(0, 200)}`)
  return `/images/${version}/root.squashfs?token=${token}`
}

/** Fetches over HTTP and throws away what comes, unless it is told to somebody. */
function get(
  wish: {
    readonly server: string
    readonly port: number
    readonly path: string
    readonly address: string
  },
  tell: (chunk: Buffer) => void = () => {}
): Promise<number> {
  const { server, port, path, address } = wish
  return new Promise((resolve, reject) => {
    const socket = connect({ host: server, port, localAddress: address })
    let head = ''
    let [wanted, bytes] = [-1, 0]
    const took = (chunk: Buffer): void => {
      bytes += chunk.length
      tell(chunk)
      if (bytes < wanted) return
      socket.destroy()
      resolve(bytes)
    }
    socket.setTimeout(stillMsMax, () => socket.destroy(new Error(`${path} stands still`)))
    socket.on('error', reject)
    socket.on('close', () => reject(new Error(`closed after ${bytes} of ${wanted} bytes`)))
    socket.on('connect', () => {
      socket.write(`GET ${path} HTTP/1.1\r\nhost: ${server}\r\nconnection: close\r\n\r\n`)
    })
    socket.on('data', chunk => {
      if (wanted >= 0) return took(chunk)
      head += chunk.toString('latin1')
      const end = head.indexOf('\r\n\r\n')
      if (end < 0) return
      if (!head.startsWith('HTTP/1.1 200')) {
        socket.destroy(new Error(head.slice(0, 40)))
        return
      }
      wanted = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? -1)
      took(Buffer.from(head.slice(end + 4), 'latin1'))
    })
  })
}

if (import.meta.main) {
  const outcome = await storm(JSON.parse(process.argv[2] ?? '{}') as StormWish)
  process.stdout.write(`${JSON.stringify(outcome)}\n`)
}
