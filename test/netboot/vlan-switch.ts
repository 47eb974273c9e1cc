/**
 * A switch for emulated machines that knows one VLAN: some of its ports carry frames with their
 * tags, others those of the VLAN alone, without tags. It is a UDP socket for each port, and sends
 * each frame to all other ports.
 */
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'

type Kind = 'tagged' | 'untagged'
type Port = { readonly kind: Kind; readonly socket: Socket; readonly machine: number }

/** Where the type of a frame stands, behind both addresses, and that of a tag (IEEE 802.1Q). */
const [typeAt, tagType] = [12, 0x8100]

export class VlanSwitch implements AsyncDisposable {
  /** Frames that have come in with the tag of the VLAN. */
  taggedFrames = 0
  readonly #vlan: number
  readonly #ports: Port[] = []

  constructor(vlan: number) {
    this.#vlan = vlan
  }

  /** A port; gives the words for an emulator that plug an interface of a machine into it. */
  async plug(kind: Kind, { mac, more = '' }: { mac: string; more?: string }) {
    const socket = createSocket('udp4')
    socket.bind(0, '127.0.0.1')
    await once(socket, 'listening')
    const machine = await freeUdpPort()
    const port = { kind, socket, machine }
    this.#ports.push(port)
    socket.on('message', frame => this.#take(frame, port))
    const end = (name: string, at: number): string =>
      `,${name}.type=inet,${name}.host=127.0.0.1,${name}.port=${at}`
    const id = `port${this.#ports.length}`
    return [
      ...[
        '-netdev',
        `dgram,id=${id}${end('local', machine)}${end('remote', socket.address().port)}`
      ],
      ...['-device', `virtio-net-pci,netdev=${id},mac=${mac}${more}`]
    ]
  }

  #take(frame: Buffer, from: Port): void {
    const bare = from.kind === 'untagged' ? frame : this.#untagged(frame)
    if (bare === undefined) return
    for (const { kind, socket, machine } of this.#ports) {
      if (socket === from.socket) continue
      socket.send(kind === 'untagged' ? bare : this.#tagged(bare), machine, '127.0.0.1')
    }
  }

  /** Without its tag; undefined: it is of no VLAN, or of another one. */
  #untagged(frame: Buffer): Buffer | undefined {
    if (frame.length < typeAt + 6 || frame.readUInt16BE(typeAt) !== tagType) return undefined
    if ((frame.readUInt16BE(typeAt + 2) & 0xfff) !== this.#vlan) return undefined
    this.taggedFrames += 1
    return Buffer.concat([frame.subarray(0, typeAt), frame.subarray(typeAt + 4)])
  }

  #tagged(frame: Buffer): Buffer {
    const tag = Buffer.alloc(4)
    tag.writeUInt16BE(tagType, 0)
    tag.writeUInt16BE(this.#vlan, 2)
    return Buffer.concat([frame.subarray(0, typeAt), tag, frame.subarray(typeAt)])
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { socket } of this.#ports) {
      const closed = once(socket, 'close')
      socket.close()
      await closed
    }
  }
}

/** A UDP port of 127.0.0.1 that nobody has. */
async function freeUdpPort(): Promise<number> {
  const socket = createSocket('udp4')
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  const { port } = socket.address()
  const closed = once(socket, 'close')
  socket.close()
  await closed
  return port
}
