/**
 * What a lab has written down of what happened: the cloud in its journal, daemons in their logs.
 */
import { cp, mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { sentence } from '#shared/fault.ts'
import { listResources } from '../cli/api/resources.ts'
import { folderOf, hostFolderOf } from '../lab/folder.ts'
import type { Lab } from '../lab/lab.ts'
import type { DaemonName } from '../lab/protocol.ts'
import { runsOf } from '../lab/runs.ts'

/** One decision about a resource. */
export type Recorded = {
  readonly at: string
  readonly verb: string
  readonly because: string
  readonly by: string
}

/** What was decided about a resource, the oldest first. */
export async function historyOf(
  lab: Lab,
  plural: 'hosts' | 'instances',
  name: string
): Promise<readonly Recorded[]> {
  const path = `/v1/${plural}/${name}/history`
  const answer = await lab.api.ask({ method: 'GET', path, doing: `read the history of ${name}` })
  return (JSON.parse(answer.bytes.toString()) as { readonly items: readonly Recorded[] }).items
}

/** Hosts that were taken for dead since a moment, once for each time. */
export async function fencesSince(lab: Lab, since: number): Promise<readonly string[]> {
  const fences: string[] = []
  for (const { name } of lab.plan.hosts) {
    const history = await historyOf(lab, 'hosts', name)
    const own = history.filter(({ verb, at }) => verb === 'fencing' && Date.parse(at) >= since)
    fences.push(...own.map(() => name))
  }
  return fences
}

/** A line of a daemon's log. */
export type LogLine = Readonly<Record<string, unknown>> & { readonly time: number }

/** Lines with a message in the logs of a daemon on all hosts, by time. */
export async function logLines(
  lab: Lab,
  daemon: DaemonName,
  message: string
): Promise<readonly (LogLine & { readonly on: string })[]> {
  const all = await Promise.all(
    lab.plan.hosts.map(async ({ name: on }) => {
      const text = await readFile(lab.logOf(on, daemon), 'utf8').catch(() => '')
      const lines = text.split('\n').filter(line => line.includes(`"${message}"`))
      return lines.flatMap(line => {
        const read = parsed(line)
        return read?.['message'] === message
          ? [{ ...read, on, time: Date.parse(String(read['time'])) }]
          : []
      })
    })
  )
  return all.flat().sort((a, b) => a.time - b.time)
}

/** Undefined: a power cut ended it half-way. */
function parsed(line: string): Readonly<Record<string, unknown>> | undefined {
  try {
    return JSON.parse(line) as Readonly<Record<string, unknown>>
  } catch {
    return undefined
  }
}

/** Copies all logs of a lab, what runs and what was decided, out of its folder. */
export async function keepRecords(lab: Lab, folder: string): Promise<void> {
  await mkdir(folder, { recursive: true })
  const { keeperLog, bmc } = folderOf(lab.folder)
  await cp(keeperLog, join(folder, 'keeper.log')).catch(() => {})
  await cp(join(bmc, 'service.log'), join(folder, 'bmc.log')).catch(() => {})
  const histories: Record<string, unknown> = {}
  for (const { name } of lab.plan.hosts) {
    const { log } = hostFolderOf(lab.folder, name)
    await cp(log, join(folder, name), { recursive: true }).catch(() => {})
    histories[name] = await historyOf(lab, 'hosts', name).catch(sentence)
  }
  const seen = {
    status: await lab.status().catch(sentence),
    runs: Object.fromEntries(await runsOf(lab)),
    hosts: await shown(lab).catch(sentence),
    histories
  }
  await writeFile(join(folder, 'seen.json'), `${JSON.stringify(seen, undefined, 2)}\n`)
}

/** How each host is shown, with what its peers say of it. */
async function shown(lab: Lab): Promise<unknown> {
  const { items } = await listResources(lab.api, 'host')
  return items.map(({ name, status, conditions }) => ({ name, status, conditions }))
}
