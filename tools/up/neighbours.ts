/**
 * Who else runs Remuda on this machine. Bridges and packet filter are one for all of a machine's
 * network, so there is room for one agent in it: `up` refuses to start a second, and `down` leaves
 * the networks alone while another cloud's agent runs. And the daemons of our own cloud may come
 * from another checkout: those are ours to stop.
 */
import { readdir, readFile, readlink } from 'node:fs/promises'
import { basename } from 'node:path'
import { type DaemonSpec, stopDaemon } from '#shared/daemon.ts'
import { Fault } from '#shared/fault.ts'

/** A daemon of Remuda in our network. */
export type Neighbour = {
  readonly part: 'controller' | 'agent'
  readonly pid: number
  /** Its state folder: what makes it one cloud's or another's. */
  readonly state: string
  /** The file of its program. */
  readonly program: string
}

/** Finds all daemons of Remuda in our network, whoever started them. */
export async function findNeighbours(proc = '/proc'): Promise<readonly Neighbour[]> {
  const network = await readlink(`${proc}/self/ns/net`).catch(() => '')
  const found: Neighbour[] = []
  for (const entry of await readdir(proc)) {
    if (!/^\d+$/.test(entry)) continue
    const text = await readFile(`${proc}/${entry}/cmdline`, 'utf8').catch(() => '')
    const daemon = readCommandLine(text.split('\0'))
    if (!daemon) continue
    const theirs = await readlink(`${proc}/${entry}/ns/net`).catch(() => undefined)
    if (theirs === network) found.push({ ...daemon, pid: Number(entry) })
  }
  return found
}

/** Reads which daemon a process is by its command line; undefined: none of Remuda's. */
export function readCommandLine(words: readonly string[]): Omit<Neighbour, 'pid'> | undefined {
  const program = words[1] ?? ''
  const part = /^remuda-(controller|agent)\.js$/.exec(basename(program))?.[1]
  const at = words.indexOf('--state')
  const state = at < 0 ? undefined : words[at + 1]
  if (part === undefined || !state) return undefined
  return { part: part as Neighbour['part'], state, program }
}

/** Refuses to go on beside the agent of another cloud. Fault `conflict`. */
export function refuseOthers(found: readonly Neighbour[], state: string): void {
  const others = found.filter(each => each.part === 'agent' && each.state !== state)
  const [first] = others
  if (!first) return
  throw new Fault('conflict', 'cannot bring a second cloud up on this machine', {
    reasons: [
      ...others.map(each => `the agent of the one in ${each.state} runs, process ${each.pid}`),
      'bridges and packet filter are one for both'
    ],
    next: [
      `use that one: remuda --state ${first.state} status`,
      `or stop it first: REMUDA_STATE=${first.state} npm run down`
    ]
  })
}

/** Stops a daemon of our cloud that comes from another checkout; gives the file of its program. */
export async function stopForeignBuild(
  spec: DaemonSpec,
  state: string
): Promise<string | undefined> {
  const [own = ''] = spec.args
  const found = (await findNeighbours()).find(
    each => each.state === state && each.program !== own && basename(each.program) === basename(own)
  )
  if (!found) return undefined
  await stopDaemon({ ...spec, args: [found.program, ...spec.args.slice(1)] })
  return found.program
}
