import type { Api } from '../api/client.ts'
import { pathOf, readJson } from '../api/resources.ts'
import type { Reference } from '../kinds.ts'

/** One thing that was decided of a resource. */
export type Told = { readonly at: string; readonly verb: string; readonly because: string }

/** What was decided of a resource, the oldest first. */
export async function historyOf(
  api: Api,
  { kind, name }: Pick<Reference, 'kind' | 'name'>
): Promise<readonly Told[]> {
  const doing = `read the history of ${kind} ${name}`
  const answer = await api.ask({ method: 'GET', path: `${pathOf(kind, name)}/history`, doing })
  return (readJson(answer, doing) as { readonly items: readonly Told[] }).items
}
