/**
 * How a VM gets from this libvirt to another one. The two speak with each other; who asked for it
 * may go away meanwhile, and it goes on.
 */
import { isFault } from '#shared/fault.ts'
import type { Arrival, MigrationWay, Transfer } from '../../core/ports.ts'
import type { Connection } from './connection.ts'
import { jobStatsCompleted, jobTypeNone, migrateFlags, xmlMigratable } from './constants.ts'
import type { RemoteDomain } from './procedures.ts'
import type { TypedValue } from './xdr.ts'

/** As long as a step may take; it is called back, not given up. */
const sendMs = 12 * 60 * 60_000

/** Sends a domain, and returns once it runs there. */
export async function sendDomain(
  connection: Connection,
  dom: RemoteDomain,
  way: MigrationWay
): Promise<void> {
  const { live, peerToPeer, unsafe, abortOnError, autoConverge, tls } = migrateFlags
  // Where libvirt's own words are encrypted, the instance's memory is too.
  const secret = way.uri.startsWith('qemu+tls:') ? tls : 0
  const flags = live | peerToPeer | unsafe | abortOnError | autoConverge | secret
  const host = way.address.includes(':') ? `[${way.address}]` : way.address
  const params: Parameter[] = [parameter('migrate_uri', `tcp://${host}`)]
  if (way.folders.here !== way.folders.there) {
    const { xml } = await connection.call('domainGetXmlDesc', { dom, flags: xmlMigratable })
    params.push(parameter('destination_xml', inFolder(xml, way.folders)))
  }
  const { bandwidthMib, downtimeMs } = way.pace ?? {}
  if (bandwidthMib !== undefined) params.push(bandwidth(bandwidthMib))
  if (downtimeMs !== undefined) {
    const downtime = BigInt(downtimeMs)
    await connection.call('domainMigrateSetMaxDowntime', { dom, downtime, flags: 0 })
  }
  const args = { dom, dconnuri: way.uri, params, cookieIn: Buffer.alloc(0), flags }
  const options = { deadlineMs: sendMs, what: `send domain ${dom.name} to ${way.uri}` }
  await connection.call('domainMigratePerform3Params', args, options)
}

type Parameter = { readonly field: string; readonly value: TypedValue }

const parameter = (field: string, value: string): Parameter => ({
  field,
  value: { type: 'string', value }
})

/** VIR_MIGRATE_PARAM_BANDWIDTH, in MiB a second. */
const bandwidth = (mib: number): Parameter => ({
  field: 'bandwidth',
  value: { type: 'uhyper', value: BigInt(mib) }
})

/** The description with the paths of the agent's own files as they are on the other host. */
export function inFolder(xml: string, folders: MigrationWay['folders']): string {
  const { here, there } = folders
  return xml.replaceAll(`'${escaped(here)}/`, `'${escaped(there)}/`)
}

const escaped = (text: string): string =>
  text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll("'", '&apos;')

/** How far the sending of a domain is; undefined: nothing goes on. */
export async function readTransfer(
  connection: Connection,
  dom: RemoteDomain
): Promise<Transfer | undefined> {
  const { type, params } = await connection.call('domainGetJobStats', { dom, flags: 0 })
  if (type === jobTypeNone) return undefined
  const values = new Map(params.map(({ field, value }) => [field, value]))
  const total = mibOf(values.get('memory_total'))
  return { totalMib: total, remainingMib: mibOf(values.get('memory_remaining')) }
}

/** What the way of a domain to this host has cost; undefined: it has not come from another one. */
export async function readArrival(
  connection: Connection,
  dom: RemoteDomain
): Promise<Arrival | undefined> {
  const flags = jobStatsCompleted
  try {
    const { type, params } = await connection.call('domainGetJobStats', { dom, flags })
    if (type === jobTypeNone) return undefined
    const downtime = params.find(({ field }) => field === 'downtime')?.value
    return { downtimeMs: downtime === undefined ? undefined : Number(downtime.value) }
  } catch (thrown) {
    // Not of a domain that is still coming in.
    if (isFault(thrown, 'hypervisor')) return undefined
    throw thrown
  }
}

const mibOf = (value: TypedValue | undefined): number =>
  Math.round(Number(value?.value ?? 0) / 2 ** 20)
