/** Another DHCP server on a boot network, which gives addresses from 10.77.0.160 on. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Segment } from './segment.ts'

/** Where it is on the segment. */
export const foreignAddress = '10.77.0.9'

/** Starts it in a machine of the segment; it ends when it is disposed of. */
export async function foreignServer(
  segment: Segment,
  { client }: Awaited<ReturnType<Segment['machine']>>
): Promise<AsyncDisposable> {
  await client.configure(`${foreignAddress}/24`)
  const conf = join(segment.folder, 'other.conf')
  const lines = [
    ...['port=0', 'interface=eth0', 'bind-dynamic', 'except-interface=lo', 'no-ping', 'user=root'],
    ...['pid-file=', 'leasefile-ro', 'dhcp-range=10.77.0.160,10.77.0.190,255.255.255.0,2m']
  ]
  await writeFile(conf, lines.join('\n'))
  const line = [`--net=/run/netns/${client.netns.name}`, '--', 'dnsmasq', '-k', '-C', conf]
  const server = spawn('nsenter', line, { stdio: 'ignore' })
  const ended = once(server, 'exit')
  return {
    async [Symbol.asyncDispose]() {
      server.kill('SIGKILL')
      await ended
    }
  }
}
