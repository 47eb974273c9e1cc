/** Looks at a lab from both sides: what its keeper says, and what its cloud says. */
import { sentence } from '#shared/fault.ts'
import type { ResourceDocument } from '#shared/model/index.ts'
import { Api } from '../cli/api/client.ts'
import { listResources } from '../cli/api/resources.ts'
import { statusOf } from './client.ts'
import type { LabStatus } from './protocol.ts'
import { labServers } from './servers.ts'

/** What was seen of a lab. */
export type Seen = {
  readonly status: LabStatus
  /** Host whose controller leads, as far as that is known. */
  readonly leader: string | undefined
  /** Phase of each host as the cloud says it. */
  readonly phases: Readonly<Record<string, string>>
  /** Instances that are placed on each host. Unit: count. */
  readonly instances: Readonly<Record<string, number>>
  readonly cloudFault: string | undefined
}

/** Of a lab whose cloud is silent for so long, the rest is still to be looked at. Unit: ms. */
const cloudMsMax = 3_000

/** Looks once. Fault `unavailable`: there is no lab. */
export async function lookAround(folder: string): Promise<Seen> {
  const status = await statusOf(folder)
  try {
    return { status, ...(await askCloud(folder)), cloudFault: undefined }
  } catch (thrown) {
    const cloudFault = sentence(thrown)
    return { status, leader: undefined, phases: {}, instances: {}, cloudFault }
  }
}

async function askCloud(folder: string) {
  const paths = labServers(folder).map(server => server.slice('unix:'.length))
  await using api = new Api(paths.map(path => ({ via: 'socket' as const, path })))
  const signal = AbortSignal.timeout(cloudMsMax)
  const hosts = await listResources(api, 'host', {}, signal)
  const instances = await listResources(api, 'instance', { tenant: '*' }, signal)
  const answer = await api.ask({
    method: 'GET',
    path: '/v1/cluster',
    doing: 'ask who leads',
    signal
  })
  const { leader } = JSON.parse(answer.bytes.toString()) as { leader?: { name: string } }
  const counts: Record<string, number> = {}
  for (const { status: said } of instances.items) {
    const on = said['host']
    if (typeof on === 'string') counts[on] = (counts[on] ?? 0) + 1
  }
  return {
    leader: leader?.name,
    phases: Object.fromEntries(
      hosts.items.map((host: ResourceDocument) => [host.name, String(host.status['phase'])])
    ),
    instances: counts
  }
}
