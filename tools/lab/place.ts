/** How to get into a host of a lab from outside. */
import { Fault } from '#shared/fault.ts'
import { stateDefault } from '#shared/state-folder.ts'
import type { LabStatus } from './protocol.ts'

/** What to put before a command so that it runs on a host, or at the switch. */
export function enter(status: LabStatus, place: string): readonly string[] {
  if (place === 'switch') return ['nsenter', `--net=/proc/${status.switchPid}/ns/net`, '--']
  const host = status.hosts.find(({ name }) => name === place)
  if (host === undefined) {
    const names = [...status.hosts.map(({ name }) => name), 'switch'].join(', ')
    throw new Fault('not-found', `cannot find ${place} in the lab: it has ${names}`)
  }
  if (host.pid === undefined) {
    throw new Fault('unavailable', `cannot run anything on ${place}: its power is off`, {
      next: [`remuda lab power on ${place}`]
    })
  }
  const namespaces = ['mount', 'uts', 'ipc', 'net', 'pid', 'cgroup'].map(name => `--${name}`)
  return ['nsenter', `--target=${host.pid}`, ...namespaces, '--']
}

/** What a program on a host is given; nothing of ours. */
export const environmentOf = (host: string): Readonly<Record<string, string>> => ({
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  TERM: process.env['TERM'] ?? 'dumb',
  HOME: '/root',
  ...(host === 'switch' ? {} : { REMUDA_STATE: stateDefault })
})
