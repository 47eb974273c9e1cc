/** What `doctor` asks the controller and the agent. */
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { type Fault, isFault } from '#shared/fault.ts'
import type { Kind, ResourceDocument } from '#shared/model/index.ts'
import { formatMib } from '#shared/units.ts'
import type { Answer, Api } from '../api/client.ts'
import { listResources, readJson } from '../api/resources.ts'
import type { Invocation } from '../invocation.ts'
import { agentSocket, connectAgent } from './agent.ts'
import type { Check } from './doctor.ts'
import { endOf } from './doctor-end.ts'
import { judgeLocks } from './doctor-locks.ts'
import type { CloudStatus } from './status.ts'

/** Time for one answer: a patient doctor is of no use. */
const answerMsMax = 3_000
/** Share of a pool that should be free. */
const freeShare = { warn: 0.1, fail: 0.01 }

/** What was learned on the way, for the checks that come after. */
export type Cloud = {
  /** Set once the controller lets us ask. */
  api?: Api
  clock?: { readonly wall: number; readonly here: number }
  kvm?: { readonly works: boolean; readonly because: string }
  agentAnswers?: boolean
}

const ok = (name: string, found: string): Check => ({ name, state: 'ok', found })
const broken = (name: string, fault: Fault, fix?: string): Check => ({
  name,
  state: 'fail',
  found: [fault.message, ...fault.reasons].join('; '),
  ...(fix === undefined ? {} : { fix })
})
const skipped = (name: string, because: string): Check => ({ name, state: 'skip', found: because })

const ask = (api: Api, where: string, doing: string): Promise<Answer> =>
  api.ask({ method: 'GET', path: where, deadlineMs: answerMsMax, doing })

/** Gives what the attempt gives, or the Fault that it ends in. */
async function attempt<Found>(
  act: () => Promise<Found>
): Promise<{ readonly found: Found } | { readonly fault: Fault }> {
  try {
    return { found: await act() }
  } catch (error) {
    if (isFault(error)) return { fault: error }
    throw error
  }
}

/** Whether a controller answers, leads, lets us in, and records. */
export async function checkControllers(
  invocation: Invocation,
  cloud: Cloud
): Promise<readonly Check[]> {
  const rest = ['leading', 'access', 'journal']
  const skip = (names: readonly string[], because: string) =>
    names.map(name => skipped(name, because))
  const reached = await attempt(async () => {
    const api = await invocation.connect()
    const answer = await ask(api, '/healthz', 'reach the controller')
    return { api, answer }
  })
  if ('fault' in reached) {
    const fix = 'start it here with npm run up, or name where it is: --server URL'
    return [broken('controller', reached.fault, fix), ...skip(rest, 'no controller answers')]
  }
  const { api, answer } = reached.found
  const wall = Date.parse(answer.headers.date ?? '')
  if (!Number.isNaN(wall)) cloud.clock = { wall, here: Date.now() }
  const checks = [ok('controller', 'it answers')]
  const ready = await attempt(() => ask(api, '/readyz', 'use the controller'))
  if ('fault' in ready) {
    checks.push(broken('leading', ready.fault, ready.fault.next[0] ?? 'look into its log'))
  } else checks.push(ok('leading', 'it leads and records changes'))
  const status = await attempt(async () =>
    readJson(await ask(api, '/v1/status', 'read the status'), 'read the status')
  )
  if ('fault' in status) {
    const fix = status.fault.next[0] ?? 'look into its log'
    return [...checks, broken('access', status.fault, fix), skipped('journal', 'not allowed in')]
  }
  cloud.api = api
  const found = status.found as CloudStatus
  checks.push(ok('access', `cloud ${found.cloud}, remuda ${found.version}, epoch ${found.epoch}`))
  checks.push(
    found.recording
      ? ok('journal', `it records, at position ${found.position}`)
      : {
          name: 'journal',
          state: 'fail',
          found: found.recordingBecause,
          fix: 'make room on the disk of its state folder, or look into its log'
        }
  )
  return checks
}

/** Whether the agent of this machine answers. */
export async function checkAgent(invocation: Invocation, cloud: Cloud): Promise<Check> {
  const { state } = invocation.settings
  const name = 'agent'
  const fix = 'start it: npm run up; if it runs, look into its log'
  if (!fs.existsSync(agentSocket(state))) {
    const wasHere = fs.existsSync(path.join(state, 'agent'))
    const found = endOf(state, 'agent') ?? `no agent runs here: there is no ${agentSocket(state)}`
    return { name, state: wasHere ? 'fail' : 'warn', found, fix }
  }
  await using api = connectAgent(invocation)
  const status = await attempt(() => ask(api, '/status', 'reach the agent'))
  if ('fault' in status) {
    const { fault } = status
    const found = endOf(state, 'agent') ?? [fault.message, ...fault.reasons].join('; ')
    return { name, state: 'fail', found, fix: isFault(fault, 'forbidden') ? 'run it as root' : fix }
  }
  cloud.agentAnswers = true
  return ok(name, 'it answers')
}

/** Whether the controller hears this machine, and what it knows of its processor. */
export async function checkHere(invocation: Invocation, cloud: Cloud): Promise<Check> {
  const name = 'host'
  const { api } = cloud
  if (!api) return skipped(name, 'no controller to ask')
  const hosts = await list(api, 'host', invocation)
  if ('fault' in hosts) return broken(name, hosts.fault)
  const here = hosts.found.find(host => isThisMachine(host))
  if (!here) {
    const found = `the controller knows no host ${os.hostname()}`
    return cloud.agentAnswers
      ? { name, state: 'fail', found, fix: 'look into the log of the agent: why does it not join?' }
      : { name, state: 'warn', found, fix: 'start an agent here if it shall be one: npm run up' }
  }
  const kvm = here.conditions.find(condition => condition.type === 'kvm')
  if (kvm) cloud.kvm = { works: kvm.status === 'true', because: kvm.message }
  const phase = String(here.status['phase'])
  if (phase === 'online') return ok(name, `${here.name} is online`)
  const ready = here.conditions.find(condition => condition.type === 'ready')
  const fix = nextFor(here.name, { phase, reason: ready?.reason })
  return { name, state: 'fail', found: `${here.name} is ${phase}: ${ready?.message ?? ''}`, fix }
}

function nextFor(host: string, seen: { phase: string; reason: string | undefined }): string {
  if (seen.phase === 'pending') return `remuda host approve ${host}`
  return seen.reason === 'not-let-in'
    ? 'see in the log of its agent what cloud it belongs to, and whether it shall leave that one'
    : 'look into the log of its agent'
}

function isThisMachine(host: ResourceDocument): boolean {
  const facts = host.status['facts'] as { readonly hostname?: string } | undefined
  return host.name === os.hostname() || facts?.hostname === os.hostname()
}

const list = (api: Api, kind: Kind, { signal }: Invocation, tenant?: string) =>
  attempt(async () => (await listResources(api, kind, { tenant }, signal)).items)

/** Whether pools have room, networks stand, and there is something to start instances from. */
export async function checkCloud(invocation: Invocation, cloud: Cloud): Promise<readonly Check[]> {
  const { api } = cloud
  if (!api)
    return ['pools', 'networks', 'images'].map(name => skipped(name, 'no controller to ask'))
  const pools = await list(api, 'pool', invocation)
  const networks = await list(api, 'network', invocation, '*')
  const images = await list(api, 'image', invocation, '*')
  const hosts = await list(api, 'host', invocation)
  return [
    ...('fault' in hosts ? [] : judgeMigration(hosts.found)),
    'fault' in pools ? broken('pools', pools.fault) : judgePools(pools.found),
    ...('fault' in pools || 'fault' in hosts ? [] : judgeLocks(pools.found, hosts.found)),
    'fault' in networks ? broken('networks', networks.fault) : judgeNetworks(networks.found),
    'fault' in images ? broken('images', images.fault) : judgeImages(images.found)
  ]
}

/** Whether running instances can come to every host; with one host there is nowhere to go. */
export function judgeMigration(hosts: readonly ResourceDocument[]): readonly Check[] {
  const name = 'migration'
  const online = hosts.filter(({ status }) => status['phase'] === 'online')
  if (online.length < 2) return []
  const closed = online.flatMap(host => {
    const { fault } = (host.status['migration'] ?? { fault: 'its agent does not say where' }) as {
      readonly fault?: string
    }
    return fault === undefined ? [] : [`${host.name}: ${fault}`]
  })
  if (closed.length === 0) {
    return [withoutPostCopy(online) ?? ok(name, 'running instances can come to every host')]
  }
  const fix = 'let libvirt listen there, with certificates: docs/hosts.md, "Moving instances"'
  return [{ name, state: 'warn', found: closed.join('; '), fix }]
}

/** Those that write faster than they are sent can leave for such a host only slowed down. */
function withoutPostCopy(hosts: readonly ResourceDocument[]): Check | undefined {
  const found = hosts.flatMap(({ name, status }) => {
    const { postCopyFault } = status['migration'] as { readonly postCopyFault?: string }
    return postCopyFault === undefined ? [] : [`${name}: ${postCopyFault}`]
  })
  if (found.length === 0) return undefined
  const fix = 'docs/hosts.md, "When an instance writes faster than it is sent"'
  const words = `none can go on before all of its memory has come: ${found.join('; ')}`
  return { name: 'migration', state: 'warn', found: words, fix }
}

const readyOf = (document: ResourceDocument) =>
  document.conditions.find(condition => condition.type === 'ready')

function judgePools(pools: readonly ResourceDocument[]): Check {
  const name = 'pools'
  if (pools.length === 0) {
    return { name, state: 'fail', found: 'there is none', fix: 'remuda pool create local' }
  }
  const failed = pools.find(pool => pool.status['phase'] === 'failed')
  if (failed) {
    const found = `${failed.name}: ${readyOf(failed)?.message ?? 'failed'}`
    return { name, state: 'fail', found, fix: `remuda why pool/${failed.name}` }
  }
  const rooms = pools.map(pool => {
    const [free, capacity] = [Number(pool.status['freeMib']), Number(pool.status['capacityMib'])]
    return { pool, free, capacity, share: capacity > 0 ? free / capacity : undefined }
  })
  const found = rooms
    .map(({ pool, free, capacity, share }) =>
      share === undefined
        ? `${pool.name} not reported by any host`
        : `${pool.name} ${formatMib(free)} of ${formatMib(capacity)} free`
    )
    .join(', ')
  const least = Math.min(...rooms.map(({ share }) => share ?? 0))
  const fix = 'delete volumes or images, or give the pool a larger disk'
  if (rooms.some(({ share }) => share === undefined)) return { name, state: 'warn', found }
  if (least < freeShare.fail) return { name, state: 'fail', found, fix }
  return least < freeShare.warn ? { name, state: 'warn', found, fix } : ok(name, found)
}

function judgeNetworks(networks: readonly ResourceDocument[]): Check {
  const name = 'networks'
  if (networks.length === 0) {
    const fix = 'remuda network create default --cidr 10.66.0.0/24'
    return { name, state: 'warn', found: 'there is none', fix }
  }
  const failed = networks.find(network => network.status['phase'] === 'failed')
  if (failed) {
    const found = `${failed.name}: ${readyOf(failed)?.message ?? 'failed'}`
    return { name, state: 'fail', found, fix: `remuda why network/${failed.name}` }
  }
  const standing = networks.map(network => `${network.name} ${readyOf(network)?.message ?? ''}`)
  return ok(name, `${standing.join(', ')}; ${bridgesHere()} bridges on this machine`)
}

function bridgesHere(): number {
  const folder = '/sys/class/net'
  try {
    return fs.readdirSync(folder).filter(one => fs.existsSync(path.join(folder, one, 'bridge')))
      .length
  } catch {
    return 0
  }
}

function judgeImages(images: readonly ResourceDocument[]): Check {
  const name = 'images'
  const ready = images.filter(image => image.status['phase'] === 'ready')
  if (ready.length > 0) return ok(name, ready.map(image => image.name).join(', '))
  const fix = 'remuda image import debian --file PATH'
  const found = images.length === 0 ? 'there is none' : `none of ${images.length} is ready`
  return { name, state: 'warn', found, fix }
}
