/**
 * What `doctor` asks the servers of the ensemble: one check for all of them together, whether they
 * can write anything down, and one for each of those that something is wrong with. A server that
 * merely serves is no proof: one that has lost writes for good goes on answering, and only a
 * counter that nobody looks at tells.
 */
import { isFault } from '#shared/fault.ts'
import { formatMib } from '#shared/units.ts'
import type { Tls } from '#shared/zookeeper/connection.ts'
import { askServer, readMonitor } from '#shared/zookeeper/four-letters.ts'
import { isAtLeast, versionMin } from '#shared/zookeeper/version.ts'
import type { Api } from '../api/client.ts'
import { readJson } from '../api/resources.ts'
import type { Check } from './doctor.ts'

/** Time for one answer. */
const askMsMax = 2_000
/** Requests that wait in a server: as many as one controller may have under way. */
const outstandingMax = 1_000
/** The heap that our servers have when nobody says otherwise. */
const heapMibDefault = 256
/** A server needs so many times its contents at a restart, or it does not come up again. */
const heapFactor = 4

/** Servers, and how they are spoken to. */
export type Ensemble = { readonly servers: readonly string[]; readonly tls?: Tls }

/** What a server says of itself; `silent`: why it says nothing. */
export type ServerSaid =
  | { readonly server: string; readonly silent: string }
  | {
      readonly server: string
      readonly version: string
      /** Undefined: it answers, and does not serve, for want of a quorum. */
      readonly mode: string | undefined
      readonly figures: ReadonlyMap<string, string>
    }

/** Asks all servers at once and judges them; nothing where there are none. */
export async function checkEnsemble({ servers, tls }: Ensemble): Promise<readonly Check[]> {
  if (servers.length === 0) return []
  return judgeEnsemble(await Promise.all(servers.map(server => askOne(server, tls))))
}

/** The same for servers that a controller elsewhere uses, which may be out of our reach. */
export async function checkEnsembleOf(api: Api | undefined): Promise<readonly Check[]> {
  const servers = api === undefined ? [] : await serversOf(api)
  const said = await Promise.all(servers.map(server => askOne(server)))
  if (said.some(one => !('silent' in one))) return judgeEnsemble(said)
  if (said.length === 0) return []
  const found = `${servers.join(', ')}: none can be reached from here`
  return [{ name: 'ensemble', state: 'skip', found }]
}

/** What each server of the ensemble says that a controller uses; nothing where there is none. */
export const askEnsembleOf = async (api: Api): Promise<readonly ServerSaid[]> =>
  await Promise.all((await serversOf(api)).map(server => askOne(server)))

async function serversOf(api: Api): Promise<readonly string[]> {
  const question = { method: 'GET', path: '/v1/cluster', deadlineMs: askMsMax } as const
  try {
    const answer = await api.ask({ ...question, doing: 'read how the candidates stand' })
    const { ensemble } = readJson(answer, 'read how the candidates stand') as {
      readonly ensemble?: readonly string[]
    }
    return ensemble ?? []
  } catch (thrown) {
    // Whether a controller answers is another check.
    if (isFault(thrown)) return []
    throw thrown
  }
}

async function askOne(server: string, tls?: Tls): Promise<ServerSaid> {
  try {
    const text = await askServer(server, 'mntr', { deadlineMs: askMsMax, ...(tls && { tls }) })
    const figures = readMonitor(text)
    const serves = figures.get('server_state')
    // A server without a quorum says so in a sentence, and nothing of itself.
    const version = figures.get('version') ?? ''
    return { server, version, mode: serves, figures }
  } catch (thrown) {
    if (!isFault(thrown)) throw thrown
    return { server, silent: thrown.message }
  }
}

/** Judges what the servers of one ensemble have said. */
export function judgeEnsemble(said: readonly ServerSaid[]): readonly Check[] {
  const serving = said.filter(one => 'mode' in one && one.mode !== undefined)
  const majority = Math.floor(said.length / 2) + 1
  const leaders = serving.filter(one => 'mode' in one && one.mode === 'leader')
  const stands = said.map(one => `${one.server} ${standOf(one)}`).join(', ')
  const count = `${serving.length} of ${said.length} serve, ${majority} are needed`
  const name = 'ensemble'
  const ensemble: Check =
    serving.length >= majority && (leaders.length === 1 || said.length === 1)
      ? { name, state: 'ok', found: stands }
      : {
          name,
          state: 'fail',
          found: `no quorum: ${count}: ${stands}`,
          fix: 'start the ZooKeeper servers that are down, and look into their logs'
        }
  const hasQuorum = ensemble.state === 'ok'
  return [ensemble, ...said.flatMap(one => judgeServer(one, hasQuorum) ?? [])]
}

const standOf = (one: ServerSaid): string =>
  'silent' in one ? 'is silent' : one.mode === undefined ? 'does not serve' : `is ${one.mode}`

/** The worst that is wrong with a server; undefined: nothing is. */
function judgeServer(said: ServerSaid, hasQuorum: boolean): Check | undefined {
  const name = said.server
  if ('silent' in said) {
    const fix = 'start ZooKeeper there; until then the ensemble survives one loss less'
    return { name, state: hasQuorum ? 'warn' : 'fail', found: said.silent, fix }
  }
  if (said.mode === undefined) {
    const found = 'it answers, and does not serve: it sees no quorum'
    const fix = 'look whether it reaches the other servers, and into its log'
    return { name, state: hasQuorum ? 'warn' : 'fail', found, fix }
  }
  return judgeFigures(name, said.version, said.figures)
}

function judgeFigures(
  name: string,
  version: string,
  figures: ReadonlyMap<string, string>
): Check | undefined {
  const figure = (key: string): number => Number(figures.get(key) ?? 0)
  if (!isAtLeast(version, versionMin)) {
    const number = /^[\d.]+/.exec(version)?.[0] ?? 'an unknown version'
    const found = `it runs ${number}, which may lose acknowledged writes when servers die`
    const fix = `run ZooKeeper ${versionMin} or later on every server`
    return { name, state: 'fail', found, fix }
  }
  const mismatches = figure('digest_mismatches_count')
  if (mismatches > 0) {
    const found = `${mismatches} digest mismatches: it does not hold what the others hold`
    const fix = 'stop it, move its snapshots and log aside, start it: it fetches all it lacks'
    return { name, state: 'fail', found, fix }
  }
  const storedMib = figure('approximate_data_size') / 2 ** 20
  if (storedMib * heapFactor > heapMibDefault) {
    const needed = formatMib(Math.ceil(storedMib * heapFactor))
    const found = `it holds ${formatMib(storedMib)}, for which a restart needs ${needed} of heap`
    const fix = `start each server with a heap of ${needed} at least; look why so much is stored`
    return { name, state: 'warn', found, fix }
  }
  const outstanding = figure('outstanding_requests')
  if (outstanding > outstandingMax) {
    const found = `${outstanding} requests wait in it, more than ${outstandingMax}`
    const fix = 'look at the load of its machine and at how long its disk takes to sync'
    return { name, state: 'warn', found, fix }
  }
  return undefined
}
