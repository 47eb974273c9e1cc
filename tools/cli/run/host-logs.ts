/** What a host has said in its log, as the bootds keep it; the host itself may be dead. */
import { setTimeout as sleep } from 'node:timers/promises'
import { isFault } from '#shared/fault.ts'
import type { HostLogPage } from '#shared/wire/bootd-question.ts'
import type { Api } from '../api/client.ts'
import { pathOf, readJson } from '../api/resources.ts'
import type { Invocation } from '../invocation.ts'
import { renderRaw, renderRows } from '../output/results.ts'
import { writeAge } from '../output/values.ts'
import { printable } from '../terminal.ts'

/** How often a log that is followed is read. Unit: ms. */
const lookMs = 1_000

type Boots = readonly {
  readonly boot: string
  readonly begunAt: string
  readonly lastAt: string
  readonly bytes: number
  readonly bootd: string
}[]
type Page = Omit<HostLogPage, 'next'> & {
  readonly boot: string
  readonly begunAt: string
  readonly bootd: string
  readonly place: string
  /** The boot that is under way or runs, where nothing was heard of it yet. */
  readonly unheard?: string
}

/** Writes the last lines; with --follow also what comes, over boots. */
export async function showHostLogs(invocation: Invocation): Promise<void> {
  const { given, signal, terminal } = invocation
  const name = given.positional('NAME')!
  const api = await invocation.connect()
  if (given.flag('boots')) {
    await showBoots(invocation, await bootsOf(api, name, signal))
    return
  }
  const first = await begin(invocation, api, name)
  if (!first) return
  const raw = await renderRaw(invocation, first)
  if (raw !== undefined && !given.flag('follow')) {
    terminal.output.write(raw)
    return
  }
  if (first.unheard !== undefined && (given.text('boot') ?? 'current') === 'current') {
    const words = `nothing was heard yet of boot ${first.unheard}; this is boot ${first.boot}`
    invocation.note(`${words}, the newest that was heard\n`)
  }
  if (first.isCut) terminal.errors.write('older lines are left out: --lines N shows more\n')
  terminal.output.write(first.items.map(textOf).join(''))
  let before = first
  while (given.flag('follow') && !signal.aborted) {
    await sleep(lookMs, undefined, { signal }).catch(() => {})
    if (signal.aborted) break
    before = await next(api, name, { before, invocation })
  }
}

/** The first lines; with --follow it is waited for them. Undefined: nobody waits any longer. */
async function begin(invocation: Invocation, api: Api, name: string): Promise<Page | undefined> {
  const { given, signal } = invocation
  const since = given.number('since')
  const boot = given.text('boot')
  const lines = given.number('lines')
  const query = {
    ...(boot !== undefined && { boot }),
    ...(lines !== undefined && { lines: String(lines) }),
    ...(since !== undefined && { since: new Date(Date.now() - since).toISOString() })
  }
  const canWait = given.flag('follow') && (boot ?? 'current') === 'current'
  let isTold = false
  while (!signal.aborted) {
    try {
      return await read(api, name, { signal, query })
    } catch (thrown) {
      if (signal.aborted) return undefined
      if (!canWait || !isFault(thrown, 'not-found')) throw thrown
      // It is thrown as well where there is no such host.
      await requireHost(api, name, signal)
    }
    if (!isTold) invocation.note(`nothing was heard yet of host ${name}: waiting for it\n`)
    isTold = true
    await sleep(lookMs, undefined, { signal }).catch(() => {})
  }
  return undefined
}

/** Nobody would ever hear of a host that is not there, or no longer. */
async function requireHost(api: Api, name: string, signal: AbortSignal): Promise<void> {
  const doing = `read host/${name}`
  await api.ask({ method: 'GET', path: pathOf('host', name), doing, signal })
}

/** What has come since; while nobody answers, what was there. */
async function next(
  api: Api,
  name: string,
  { before, invocation }: { readonly before: Page; readonly invocation: Invocation }
): Promise<Page> {
  const { signal, terminal } = invocation
  try {
    const page = await read(api, name, { signal, query: { after: before.place } })
    if (page.boot !== before.boot) terminal.output.write(`-- boot ${page.boot} --\n`)
    if (page.isCut) terminal.errors.write('lines are left out here: they came too fast\n')
    terminal.output.write(page.items.map(textOf).join(''))
    return page
  } catch (thrown) {
    // The controller, or bootd, may be another one in a moment.
    if (signal.aborted || isFault(thrown, 'unavailable') || isFault(thrown, 'deadline')) {
      return before
    }
    if (!isFault(thrown, 'not-found')) throw thrown
    // The bootd that keeps it may be away, and another one has nothing.
    await requireHost(api, name, signal)
    return before
  }
}

async function read(
  api: Api,
  name: string,
  { query, signal }: { readonly query: Readonly<Record<string, string>>; signal: AbortSignal }
): Promise<Page> {
  const doing = `read the log of host/${name}`
  const path = `${pathOf('host', name)}/log`
  const answer = await api.ask({ method: 'GET', path, query, doing, signal })
  return readJson(answer, doing) as Page
}

const textOf = ({ received, at, source, text }: HostLogPage['items'][number]): string =>
  `${at ?? received} ${source === 'journal' ? '' : `${source}: `}${lineOf(text)}\n`

/** Room within a line is kept: traces of a stack are read by it. */
const lineOf = (text: string): string => printable(text).replaceAll('\n', ' ').trimEnd()

/** Of which boots there is a log; nothing of what is in them is asked for. */
async function bootsOf(
  api: Api,
  name: string,
  signal: AbortSignal
): Promise<{ readonly items: Boots; readonly unheard?: string }> {
  const doing = `list the logs of host/${name}`
  const path = `${pathOf('host', name)}/logs`
  const answer = await api.ask({ method: 'GET', path, doing, signal })
  return readJson(answer, doing) as { readonly items: Boots; readonly unheard?: string }
}

async function showBoots(
  invocation: Invocation,
  said: { readonly items: Boots; readonly unheard?: string }
): Promise<void> {
  const raw = await renderRaw(invocation, said)
  if (raw !== undefined) return invocation.write(raw)
  const now = Date.now()
  const rows = said.items.map(({ boot, begunAt, lastAt, bytes, bootd }) => [
    ...[boot, begunAt.replace(/\.\d+/, ''), `${writeAge(lastAt, now)} ago`],
    ...[`${Math.ceil(bytes / 1_024)} KiB`, bootd]
  ])
  const heads = [
    { title: 'BOOT', keeps: true },
    { title: 'BEGUN', keeps: true },
    { title: 'LAST LINE', keeps: true },
    { title: 'SIZE', right: true, keeps: true },
    { title: 'BOOTD', wraps: true }
  ]
  if (rows.length > 0) invocation.write(renderRows(invocation, heads, rows))
  if (said.unheard !== undefined) {
    invocation.note(`nothing was heard yet of boot ${said.unheard}, which is the last one\n`)
  } else if (rows.length === 0) invocation.note('no bootd that is heard has a log of it\n')
}
