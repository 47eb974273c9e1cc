/**
 * How a VM gets from this libvirt to another one. The two speak with each other; who asked for it
 * may go away meanwhile, and it goes on.
 */
import { Fault, isFault } from '#shared/fault.ts'
import type { Arrival, MigrationWay, Transfer } from '../../core/ports.ts'
import type { Connection } from './connection.ts'
import {
  errorCode,
  jobStatsCompleted,
  jobTypeNone,
  migrateFlags,
  xmlMigratable
} from './constants.ts'
import type { RemoteDomain } from './procedures.ts'
import { isStillSent, refusalCode } from './refusal.ts'
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
  const { postCopy, postCopyResume } = migrateFlags
  // Where libvirt's own words are encrypted, the instance's memory is too.
  const secret = way.uri.startsWith('qemu+tls:') ? tls : 0
  const crossing = (way.postCopy ? postCopy : 0) | (way.resume ? postCopyResume : 0)
  const flags = live | peerToPeer | unsafe | abortOnError | autoConverge | secret | crossing
  const host = way.address.includes(':') ? `[${way.address}]` : way.address
  const params: Parameter[] = [parameter('migrate_uri', `tcp://${host}`)]
  if (way.folders.here !== way.folders.there) {
    const { xml } = await connection.call('domainGetXmlDesc', { dom, flags: xmlMigratable })
    params.push(parameter('destination_xml', inFolder(xml, way.folders)))
  }
  const { bandwidthMib, downtimeMs } = way.pace ?? {}
  const standstillMs = way.standstillMs ?? downtimeMs
  if (bandwidthMib !== undefined) {
    params.push(bandwidth('bandwidth', bandwidthMib))
    if (way.postCopy) params.push(bandwidth('bandwidth.postcopy', bandwidthMib))
  }
  if (standstillMs !== undefined && !way.resume) {
    const downtime = BigInt(standstillMs)
    await connection.call('domainMigrateSetMaxDowntime', { dom, downtime, flags: 0 })
  }
  const args = { dom, dconnuri: way.uri, params, cookieIn: Buffer.alloc(0), flags }
  const options = { deadlineMs: sendMs, what: `send domain ${dom.name} to ${way.uri}` }
  await connection.call('domainMigratePerform3Params', args, options).catch(thrown => {
    if (!way.resume || !isStillSent(thrown)) throw thrown
    const message = `cannot send the rest of domain ${dom.name}: its emulator does so already`
    throw new Fault('conflict', message, { cause: thrown })
  })
}

type Parameter = { readonly field: string; readonly value: TypedValue }

const parameter = (field: string, value: string): Parameter => ({
  field,
  value: { type: 'string', value }
})

/** VIR_MIGRATE_PARAM_BANDWIDTH and …_BANDWIDTH_POSTCOPY, in MiB a second. */
const bandwidth = (field: string, mib: number): Parameter => ({
  field,
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
  const job = await connection.call('domainGetJobStats', { dom, flags: 0 }).catch(thrown => {
    const code = refusalCode(thrown)
    // So it answers for what comes in, and for what has just left.
    if (code === errorCode.operationUnsupported) return undefined
    if (code === errorCode.operationInvalid) return undefined
    throw thrown
  })
  if (job === undefined || job.type === jobTypeNone) return undefined
  const { params } = job
  const flags = 0
  // It may have come to its end since.
  const allowed = await connection.call('domainMigrateGetMaxDowntime', { dom, flags }).catch(ended)
  const values = new Map(params.map(({ field, value }) => [field, value]))
  const written =
    numberOf(values.get('memory_dirty_rate')) * numberOf(values.get('memory_page_size'))
  return {
    totalMib: mibOf(values.get('memory_total')),
    remainingMib: mibOf(values.get('memory_remaining')),
    mibPerSecond: mibOf(values.get('memory_bps')),
    writtenMibPerSecond: Math.round(written / 2 ** 20),
    round: numberOf(values.get('memory_iteration')),
    ...(allowed && { standstillMs: Number(allowed.downtime) })
  }
}

function ended(thrown: unknown): undefined {
  if (!isFault(thrown, 'hypervisor') && !isFault(thrown, 'not-found')) throw thrown
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

const numberOf = (value: TypedValue | undefined): number => Number(value?.value ?? 0)

const mibOf = (value: TypedValue | undefined): number => Math.round(numberOf(value) / 2 ** 20)
