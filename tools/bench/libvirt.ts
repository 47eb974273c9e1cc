/**
 * What a question to libvirt costs: over our own connection, and by running virsh, which is what
 * we would do without it. Both in one run against one libvirtd, so the ratio means something on
 * any machine. Needs root and what the lab's libvirtd needs, and Debian's libvirt-clients.
 */
import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { promisify } from 'node:util'
import { makeLibvirt } from '../../agent/io/libvirt/hypervisor.ts'
import { openConnection } from '../../agent/io/libvirt/open.ts'
import { guestXml, prepareGuests } from '../../test/lab/guests.ts'
import { startLibvirtd } from '../../test/lab/libvirtd.ts'
import { formatTime, median, timesMs } from './measure.ts'

const containers = 20
const calls = 500
const processes = 20

/** Measures and prints, one line each. */
export async function libvirtBench(print: (line: string) => void): Promise<void> {
  await using libvirtd = await startLibvirtd()
  const { socketPath } = libvirtd
  const files = await prepareGuests(libvirtd.directory)
  await using hypervisor = makeLibvirt({ socketPaths: { qemu: [socketPath], lxc: [socketPath] } })
  for (let index = 0; index < containers; index++) {
    const name = `bench-${index}`
    const guest = { driver: 'lxc', uuid: randomUUID(), name, memoryMib: 32, metadata: 'x' } as const
    await hypervisor.create('lxc', guestXml(guest, files))
  }
  const uri = 'lxc:///system'
  await using connection = await openConnection({ socketPath, uri })
  const list = { needResults: 1, flags: 0 }
  const [dom] = (await connection.call('connectListAllDomains', list)).domains
  const virsh = (...args: readonly string[]): Promise<unknown> =>
    promisify(execFile)('virsh', ['-c', `lxc+unix:///system?socket=${socketPath}`, ...args])

  const compare = async (
    what: string,
    ours: () => Promise<unknown>,
    theirs: () => Promise<unknown>
  ): Promise<void> => {
    const callMs = median(await timesMs(calls, ours))
    const processMs = median(await timesMs(processes, theirs))
    print(
      `${what}: ${formatTime(callMs)} over our connection, ${formatTime(processMs)} by virsh,` +
        ` ${Math.round(processMs / callMs)} times as long`
    )
  }
  await compare(
    `list ${containers} domains`,
    () => connection.call('connectListAllDomains', list),
    () => virsh('list', '--uuid')
  )
  await compare(
    'state and counters of one domain',
    () => connection.call('domainGetInfo', { dom: dom! }),
    () => virsh('dominfo', dom!.name)
  )
  const fullMs = median(await timesMs(50, () => hypervisor.domains()))
  print(`domains() with ${containers} of them, states and metadata: ${formatTime(fullMs)}`)
}
