import { readJson } from '../api/resources.ts'
import type { Invocation } from '../invocation.ts'
import { renderRaw, renderRows } from '../output/results.ts'

type List = {
  readonly version: number
  readonly candidates: readonly {
    readonly name: string
    readonly apiUrl: string
    readonly doorEndpoint: string
    readonly meshKey: string
  }[]
  readonly out: readonly { readonly name: string; readonly meshKey: string; readonly at: string }[]
  readonly hosts: { readonly current: number; readonly behind: readonly string[] }
}

const path = '/v1/cluster/candidates'

/** Lists who may be controller, who was taken out, and how many hosts have this list. */
export async function listCandidates(invocation: Invocation): Promise<void> {
  const api = await invocation.connect()
  const doing = 'list candidates'
  const { signal } = invocation
  const list = readJson(await api.ask({ method: 'GET', path, doing, signal }), doing) as List
  await write(invocation, list)
}

/** Takes one out of the list. */
export async function removeCandidate(invocation: Invocation): Promise<void> {
  const name = invocation.given.positional('NAME')!
  await say(invocation, { method: 'DELETE', at: encodeURIComponent(name), verb: 'remove' })
}

/** Lets one come in again. */
export async function allowCandidate(invocation: Invocation): Promise<void> {
  const name = invocation.given.positional('NAME')!
  await say(invocation, { method: 'POST', at: `${encodeURIComponent(name)}/allow`, verb: 'allow' })
}

async function say(
  invocation: Invocation,
  { method, at, verb }: { readonly method: 'DELETE' | 'POST'; at: string; verb: string }
): Promise<void> {
  const api = await invocation.connect()
  const doing = `${verb} candidate ${invocation.given.positional('NAME')!}`
  const { signal } = invocation
  const answer = await api.ask({ method, path: `${path}/${at}`, doing, signal })
  await write(invocation, readJson(answer, doing) as List)
}

async function write(invocation: Invocation, list: List): Promise<void> {
  const raw = await renderRaw(invocation, list)
  if (raw !== undefined) return invocation.write(raw)
  const rows = [
    ...list.candidates.map(one => [one.name, 'trusted', one.apiUrl, one.doorEndpoint, one.meshKey]),
    ...list.out.map(({ name, meshKey }) => [name, 'out', '', '', meshKey])
  ]
  invocation.write(renderRows(invocation, ['NAME', 'STATE', 'API', 'DOOR', 'MESH KEY'], rows))
  const { current, behind } = list.hosts
  const waits = behind.length === 0 ? '' : `, ${behind.length} not yet: ${behind.join(', ')}`
  invocation.note(`version ${list.version}; ${current} hosts have it${waits}\n`)
}
