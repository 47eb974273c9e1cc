/** What libvirt says of all domains of one driver, with as few calls as the driver allows. */

import { Fault, isFault } from '#shared/fault.ts'
import type { Domain, DomainStats, Driver } from '../../core/ports.ts'
import { listActive, stateWords, statsKind, statsNoWait } from './constants.ts'
import type { Description } from './description.ts'
import type { Session } from './link.ts'
import type { RemoteDomain } from './procedures.ts'
import { formatUuid } from './uuid.ts'
import type { TypedValue } from './xdr.ts'

type Survey = { readonly driver: Driver; readonly session: Session }
type Seen = { readonly dom: RemoteDomain; readonly state: number; readonly reason: number }

/** Lists all domains, running or not. One that goes away meanwhile is left out. */
export async function listDomains(survey: Survey): Promise<readonly Domain[]> {
  const seen = survey.driver === 'qemu' ? await seeAllAtOnce(survey) : await seeOneByOne(survey)
  survey.session.descriptions.keepOnly(new Set(seen.map(({ dom }) => formatUuid(dom.uuid))))
  const domains = seen.map(each =>
    unlessGone(async () => toDomain(survey, each, await describe(survey, each.dom)))
  )
  return present(await Promise.all(domains))
}

/** Reads the counters of the domains that run. */
export async function readStats(
  survey: Survey,
  which: 'all' | 'processors'
): Promise<readonly DomainStats[]> {
  if (survey.driver === 'qemu') return await readStatsAtOnce(survey, which)
  const { connection } = survey.session
  const { domains } = await connection.call('connectListAllDomains', {
    needResults: 1,
    flags: listActive
  })
  const stats = domains.map(dom => unlessGone(() => readStatsOfOne(survey, dom, which)))
  return present(await Promise.all(stats))
}

function toDomain({ driver }: Survey, { dom, state, reason }: Seen, known: Description): Domain {
  const { metadata, memoryMib, vcpus, guestAgent, devices, cell } = known
  const uuid = formatUuid(dom.uuid)
  const words = stateWords(state, reason)
  const rest = {
    ...(guestAgent && { guestAgent }),
    ...(devices.length > 0 && { devices }),
    ...(cell !== undefined && { cell })
  }
  return { uuid, name: dom.name, driver, ...words, metadata, memoryMib, vcpus, ...rest }
}

const describe = ({ session }: Survey, dom: RemoteDomain): Promise<Description> =>
  session.descriptions.of({ uuid: formatUuid(dom.uuid), id: dom.id }, async () => {
    const what = `read the description of domain ${dom.name}`
    return (await session.connection.call('domainGetXmlDesc', { dom, flags: 0 }, { what })).xml
  })

async function seeAllAtOnce({ session }: Survey): Promise<readonly Seen[]> {
  const args = { doms: [], stats: statsKind.state, flags: 0 }
  const { retStats } = await session.connection.call('connectGetAllDomainStats', args)
  return retStats.map(({ dom, params }) => {
    const values = new Map(params.map(({ field, value }) => [field, value]))
    return {
      dom,
      state: countOf(values, 'state.state'),
      reason: countOf(values, 'state.reason')
    }
  })
}

async function seeOneByOne({ session }: Survey): Promise<readonly Seen[]> {
  const { connection } = session
  const args = { needResults: 1, flags: 0 }
  const { domains } = await connection.call('connectListAllDomains', args)
  const seen = domains.map(dom =>
    unlessGone(async () => ({
      dom,
      ...(await connection.call('domainGetState', { dom, flags: 0 }))
    }))
  )
  return present(await Promise.all(seen))
}

async function readStatsAtOnce(
  { session }: Survey,
  which: 'all' | 'processors'
): Promise<readonly DomainStats[]> {
  const { cpuTotal, balloon, interface: card, block } = statsKind
  const stats = cpuTotal | card | (which === 'all' ? balloon | block : 0)
  const flags = listActive | statsNoWait
  const args = { doms: [], stats, flags }
  const { retStats } = await session.connection.call('connectGetAllDomainStats', args)
  return retStats.map(({ dom, params }) => {
    const values = new Map(params.map(({ field, value }) => [field, value]))
    return {
      uuid: formatUuid(dom.uuid),
      cpuNs: countOf(values, 'cpu.time'),
      balloonMib: Math.round(countOf(values, 'balloon.current') / 1024),
      netReceivedBytes: sumOf(values, 'net', 'rx.bytes'),
      netSentBytes: sumOf(values, 'net', 'tx.bytes'),
      diskReadBytes: sumOf(values, 'block', 'rd.bytes'),
      diskWrittenBytes: sumOf(values, 'block', 'wr.bytes')
    }
  })
}

async function readStatsOfOne(
  survey: Survey,
  dom: RemoteDomain,
  which: 'all' | 'processors'
): Promise<DomainStats> {
  const { connection } = survey.session
  const { memory, cpuTime } = await connection.call('domainGetInfo', { dom })
  const { interfaces } = await describe(survey, dom)
  const cards = await Promise.all(
    interfaces.map(device =>
      unlessRefused(connection.call('domainInterfaceStats', { dom, device }))
    )
  )
  // An empty path means all devices together; where the host does not count it, libvirt refuses.
  const disk =
    which === 'all'
      ? await unlessRefused(connection.call('domainBlockStats', { dom, path: '' }))
      : undefined
  const sum = (counts: readonly (bigint | undefined)[]): number =>
    counts.reduce((total: number, count) => total + Math.max(0, Number(count ?? 0n)), 0)
  return {
    uuid: formatUuid(dom.uuid),
    cpuNs: Number(cpuTime),
    balloonMib: Math.round(Number(memory) / 1024),
    netReceivedBytes: sum(cards.map(card => card?.rxBytes)),
    netSentBytes: sum(cards.map(card => card?.txBytes)),
    diskReadBytes: sum([disk?.rdBytes]),
    diskWrittenBytes: sum([disk?.wrBytes])
  }
}

type Values = ReadonlyMap<string, TypedValue>

const countOf = (values: Values, field: string): number => Number(values.get(field)?.value ?? 0)

/** Adds up a field over devices that libvirt numbers: net.0.rx.bytes, net.1.rx.bytes … */
function sumOf(values: Values, kind: string, field: string): number {
  let total = 0
  const count = countOf(values, `${kind}.count`)
  for (let index = 0; index < count; index++) total += countOf(values, `${kind}.${index}.${field}`)
  return total
}

/** Gives undefined for a domain that ended between being listed and being looked at. */
async function unlessGone<Value>(look: () => Promise<Value>): Promise<Value | undefined> {
  try {
    return await look()
  } catch (thrown) {
    if (isFault(thrown, 'not-found')) return undefined
    throw thrown
  }
}

async function unlessRefused<Value>(answer: Promise<Value>): Promise<Value | undefined> {
  try {
    return await answer
  } catch (thrown) {
    if (thrown instanceof Fault && thrown.code === 'hypervisor') return undefined
    throw thrown
  }
}

const present = <Value>(values: readonly (Value | undefined)[]): readonly Value[] =>
  values.filter(value => value !== undefined)
