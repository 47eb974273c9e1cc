/**
 * Who was to leave a host, has no other one yet, and runs on there, as the host itself says, which
 * was not off after all: they are its own again, with their volumes, and start nowhere else.
 */
import type { Host } from '#shared/model/host.ts'
import type { Resource } from '#shared/model/index.ts'
import { type Context, decision } from './admission/context.ts'
import type { Change, Commit } from './commit.ts'
import { slicesOf } from './commit-slices.ts'
import { volumesOf } from './evacuation.ts'
import { reportedIn } from './reported.ts'
import { subjectOf } from './subject.ts'
import type { View } from './view.ts'

const lives: ReadonlySet<string> = new Set(['running', 'paused', 'stopping', 'starting', 'waiting'])

/** What becomes of them, in commits of which none is long; each worked out when it is asked for. */
export function* staying(view: View, { name }: Host, context: Context): Iterable<Commit> {
  const said = view.heard(name).report?.instances ?? []
  const ids = [...view.indexes.unplaced].filter(id => {
    const { displaced } = view.get('instance', id)?.decided ?? {}
    const seen = displaced?.from === name && reportedIn(said, id)
    return seen && lives.has(seen.power)
  })
  for (const some of slicesOf(ids, id => keptBy(view, name, id))) {
    const resources = some.flatMap(id => keptBy(view, name, id))
    if (resources.length === 0) continue
    const because = `it runs on ${name}, which was not off`
    const instances = resources.filter(({ kind }) => kind === 'instance')
    yield {
      changes: resources.map((resource): Change => ({ op: 'put', resource })),
      decisions: [decision(context, 'stayed', because, ...instances.map(subjectOf))]
    }
  }
}

function keptBy(view: View, host: string, id: string): readonly Resource[] {
  const instance = view.get('instance', id)
  if (instance?.decided.displaced?.from !== host) return []
  const { displaced: _, ...decided } = instance.decided
  const volumes = volumesOf(view, instance).map(volume => {
    return { ...volume, decided: { ...volume.decided, host } }
  })
  return [{ ...instance, decided: { ...decided, host } }, ...volumes]
}
