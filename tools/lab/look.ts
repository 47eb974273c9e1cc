/** Looks at a lab from both sides: what its keeper says, and what its cloud says. */
import { isFault, sentence } from '#shared/fault.ts'
import type { ResourceDocument } from '#shared/model/index.ts'
import { Api } from '../cli/api/client.ts'
import { listResources } from '../cli/api/resources.ts'
import { statusOf } from './client.ts'
import { adminSocketOf } from './folder.ts'
import type { HostStatus, LabStatus } from './protocol.ts'
import { labServers } from './servers.ts'

/** How a candidate says that it stands; `silent`: it does not answer. */
export type CandidateLooked = { readonly state: string; readonly because: string }

/** What was seen of a lab. */
export type Seen = {
  readonly status: LabStatus
  /** Host whose controller leads, as it says itself; undefined: nobody does. */
  readonly leader: string | undefined
  /** How each candidate stands, by the name of its host. */
  readonly candidates: Readonly<Record<string, CandidateLooked>>
  /** Phase of each host as the cloud says it. */
  readonly phases: Readonly<Record<string, string>>
  /** Instances that are placed on each host. Unit: count. */
  readonly instances: Readonly<Record<string, number>>
  /** Why nobody answers what is recorded. */
  readonly cloudFault: string | undefined
}

/** Of a lab whose cloud is silent for so long, the rest is still to be looked at. Unit: ms. */
const cloudMsMax = 3_000
/** A candidate says how it stands from what it knows itself. Unit: ms. */
const candidateMsMax = 2_000

/** Looks once. Fault `unavailable`: there is no lab. */
export async function lookAround(folder: string): Promise<Seen> {
  const status = await statusOf(folder)
  const [candidates, cloud] = await Promise.all([
    askCandidates(folder, status.hosts),
    askCloud(folder).catch(thrown => ({
      ...{ phases: {}, instances: {} },
      cloudFault: sentence(thrown)
    }))
  ])
  const leader = Object.keys(candidates).find(name => candidates[name]?.state === 'leads')
  return { status, leader, candidates, ...cloud }
}

async function askCandidates(
  folder: string,
  hosts: readonly HostStatus[]
): Promise<Seen['candidates']> {
  const all = hosts
    .filter(({ isCandidate }) => isCandidate)
    .map(async host => [host.name, await askCandidate(folder, host)] as const)
  return Object.fromEntries(await Promise.all(all))
}

async function askCandidate(folder: string, host: HostStatus): Promise<CandidateLooked> {
  if (host.power === 'off') return { state: 'silent', because: 'its power is off' }
  await using api = new Api({ via: 'socket', path: adminSocketOf(folder, host.name) })
  const signal = AbortSignal.timeout(candidateMsMax)
  const asked = { method: 'GET', path: '/v1/cluster?own=1', signal } as const
  try {
    const answer = await api.ask({ ...asked, doing: 'ask how it stands' })
    return JSON.parse(answer.bytes.toString()) as CandidateLooked
  } catch (thrown) {
    if (!isFault(thrown)) throw thrown
    const paused = host.daemons.find(({ name }) => name === 'controller')?.state === 'paused'
    const because = host.isPaused || paused ? 'it stands still' : 'it does not answer'
    return { state: 'silent', because }
  }
}

async function askCloud(folder: string): Promise<Omit<Seen, 'status' | 'leader' | 'candidates'>> {
  const paths = labServers(folder).map(server => server.slice('unix:'.length))
  await using api = new Api(paths.map(path => ({ via: 'socket' as const, path })))
  const signal = AbortSignal.timeout(cloudMsMax)
  const hosts = await listResources(api, 'host', {}, signal)
  const instances = await listResources(api, 'instance', { tenant: '*' }, signal)
  const counts: Record<string, number> = {}
  for (const { status: said } of instances.items) {
    const on = said['host']
    if (typeof on === 'string') counts[on] = (counts[on] ?? 0) + 1
  }
  return {
    phases: Object.fromEntries(
      hosts.items.map((host: ResourceDocument) => [host.name, String(host.status['phase'])])
    ),
    instances: counts,
    cloudFault: undefined
  }
}
