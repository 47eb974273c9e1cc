import type { Kind, ResourceDocument } from '#shared/model/index.ts'
import { formatMs } from '#shared/units.ts'
import { deleteResource, readResource } from '../api/resources.ts'
import type { Run } from '../command.ts'
import type { Invocation } from '../invocation.ts'
import { type Reference, writeReference } from '../kinds.ts'
import { confirm } from './ask.ts'
import { referenceTo, tellOutcome } from './outcome.ts'
import { judgeGone, waitMsOf, waitUntil } from './settle.ts'

/** Deletes resources of a kind. All are looked up first, so that a slip of the pen deletes none. */
export const deleteKind =
  (kind: Kind): Run =>
  async invocation => {
    const names = [...new Set(invocation.given.positionals('NAME'))]
    const references = names.map(name => referenceTo(invocation, kind, name))
    const api = await invocation.connect()
    const started = performance.now()
    const documents: ResourceDocument[] = []
    for (const reference of references) {
      documents.push(await readResource(api, reference, invocation.signal, 'delete'))
    }
    const dryRun = invocation.given.flag('dry-run')
    const asks = !dryRun && !invocation.given.flag('yes')
    const force = kind === 'host' && invocation.given.flag('force')
    if (asks) await confirm(invocation, questionOf(documents, force))
    const waitMs = waitMsOf(invocation)
    const going: Reference[] = []
    for (const [index, reference] of references.entries()) {
      const written = await deleteResource(api, reference, {
        dryRun,
        signal: invocation.signal,
        force,
        ...(asks ? { generation: documents[index]!.generation } : {})
      })
      if (dryRun) {
        const verb = 'deleted'
        await tellOutcome(invocation, written, { reference, verb, started, waitMs: undefined })
      } else if (written.document === undefined || waitMs === undefined) {
        tell(invocation, reference, written.document === undefined ? 'deleted' : 'deleting')
      } else going.push(reference)
    }
    for (const reference of going) {
      await waitUntil(invocation, reference, {
        judge: judgeGone,
        timeoutMs: waitMs!,
        expected: 'gone'
      })
      tell(invocation, reference, `deleted (${formatMs(performance.now() - started)})`)
    }
  }

function tell(invocation: Invocation, reference: Reference, verb: string): void {
  const { format } = invocation.settings
  const name = format === 'name'
  invocation.write(
    name ? `${reference.kind}/${reference.name}\n` : `${writeReference(reference)} ${verb}\n`
  )
}

function questionOf(documents: readonly ResourceDocument[], force: boolean): string {
  const named = documents.map(document => {
    const { phase, host } = document.status
    const where = typeof host === 'string' ? ` on ${host}` : ''
    return `${document.kind}/${document.name} (${String(phase)}${where})`
  })
  const loses = {
    instance: ' with its root volume',
    volume: ' with all that it holds',
    ...(force && { host: ' with every instance and volume on it, for good' })
  }
  const { kind } = documents[0]!
  return `Delete ${named.join(', ')}${kind in loses ? loses[kind as keyof typeof loses] : ''}?`
}
