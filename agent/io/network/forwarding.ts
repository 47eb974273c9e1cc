import fs from 'node:fs/promises'
import type { Log } from '#shared/log.ts'
import type { Place } from './place.ts'

const setting = '/proc/sys/net/ipv4/ip_forward'

/**
 * Lets the host forward packets, which NAT needs, and remembers what was set before. The record is
 * written first: after a crash in between, the old value is known.
 */
export async function enableForwarding(
  place: Place,
  options: { readonly recordFile: string; readonly log: Log }
): Promise<void> {
  const value = (await place.run('cat', [setting])).stdout.trim()
  if (value === '1') return
  await fs.writeFile(options.recordFile, `${value}\n`, { mode: 0o600 })
  await place.run('tee', [setting], '1\n')
  options.log.info('forwarding of packets switched on', { setting: 'net.ipv4.ip_forward' })
}

/** Gives the setting back the value from before us, if we changed it. */
export async function restoreForwarding(place: Place, recordFile: string): Promise<void> {
  const value = await fs.readFile(recordFile, 'utf8').catch(() => undefined)
  if (value === undefined) return
  await place.run('tee', [setting], value)
  await fs.rm(recordFile, { force: true })
}
