/**
 * Throws packets that nobody honest sends at dnsmasq, from a machine on a boot network that bootd
 * serves, and looks that the same dnsmasq goes on to give addresses and files.
 * By itself: `node test/lab/netboot/packets.ts 100000 [SEED]`.
 */
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { setImmediate } from 'node:timers/promises'
import { run } from '../../../shared/process.ts'
import { dhcpInput, random, tftpInput } from '../../bootd/boot/boot-inputs.ts'
import { type Machine, ownAddress, range, Segment } from './segment.ts'

const perTurn = 20

/** Throws them from a machine that has an address; resolves when all were sent. */
export async function throwPackets(
  { client: { netns } }: Machine,
  wish: { readonly own: string; readonly count: number; readonly seed: number }
): Promise<void> {
  const inside = [`--net=/run/netns/${netns.name}`, '--', process.execPath, import.meta.filename]
  const { own, count, seed } = wish
  const line = [...inside, 'throw', own, String(count), String(seed)]
  await run('nsenter', line, { deadlineMs: 1_800_000 })
}

async function send(own: string, count: number, seed: number): Promise<void> {
  const pick = random(seed)
  const sockets = await Promise.all(
    [68, 0].map(async port => {
      const socket = createSocket({ type: 'udp4', reuseAddr: true })
      socket.bind({ address: own, port, exclusive: true })
      await once(socket, 'listening')
      // Some are longer than a packet may be, or meet a queue that is full.
      socket.on('error', () => {})
      return socket
    })
  )
  const [dhcp, tftp] = sockets
  dhcp!.setBroadcast(true)
  for (let number = 0; number < count; number += 1) {
    const isDhcp = pick(4) > 0
    const [bytes, socket] = isDhcp ? [dhcpInput(pick), dhcp!] : [tftpInput(pick), tftp!]
    const port = isDhcp ? 67 : 69
    socket.send(bytes, port, isDhcp && pick(2) === 0 ? '255.255.255.255' : ownAddress, () => {})
    if (number % perTurn === 0) await new Promise(resolve => setTimeout(resolve, 5))
  }
  await setImmediate()
  for (const socket of sockets) socket.close()
}

async function main(count: number, seed: number): Promise<boolean> {
  await using segment = await Segment.make()
  segment.start('--boot-mode', 'full', '--boot-range', range)
  await segment.logged(/dnsmasq of network boot runs/)
  await using machine = await segment.machine()
  const given = await machine.boot('bios')
  const pid = await segment.dnsmasq()
  await throwPackets(machine, { own: given?.address ?? '', count, seed })
  const after = await machine.boot('bios', 20)
  const isSame = (await segment.dnsmasq()) === pid
  process.stdout.write(`${count} packets from seed ${seed}: address ${after?.address}, `)
  process.stdout.write(`file ${after?.file}, ${isSame ? 'the same dnsmasq' : 'ANOTHER dnsmasq'}\n`)
  return isSame && after?.file === 'undionly.kpxe'
}

if (import.meta.main) {
  const [first = '100000', ...rest] = process.argv.slice(2)
  if (first === 'throw') await send(rest[0] ?? '', Number(rest[1]), Number(rest[2]))
  else process.exitCode = (await main(Number(first), Number(rest[0] ?? 1))) ? 0 : 1
}
