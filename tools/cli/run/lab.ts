import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Fault } from '#shared/fault.ts'
import { statusOf } from '../../lab/client.ts'
import { hostFolderOf } from '../../lab/folder.ts'
import { enter, environmentOf } from '../../lab/place.ts'
import { daemonNames } from '../../lab/protocol.ts'
import { describeStatus } from '../../lab/status-table.ts'
import type { Invocation } from '../invocation.ts'

/** Folder of the lab that is meant; the state folder only when it is named on the line itself. */
export function labFolderOf({ given, settings }: Invocation): string {
  const named = given.text('state')
  return named === undefined ? settings.lab : path.resolve(named)
}

/** Between two looks with --watch. Unit: ms. */
const watchMs = 1_000

/** Shows how the lab is. */
export async function labStatus(invocation: Invocation): Promise<void> {
  const { given, settings, signal, terminal, paint } = invocation
  const folder = labFolderOf(invocation)
  const { lookAround } = await import('../../lab/look.ts')
  for (;;) {
    const seen = await lookAround(folder)
    const text =
      settings.format === 'json'
        ? `${JSON.stringify(seen, undefined, 2)}\n`
        : describeStatus(seen, { width: terminal.output.columns, paint })
    if (!given.flag('watch')) return invocation.write(text)
    invocation.write(terminal.output.isTTY ? `\x1b[H\x1b[2J${text}` : text)
    await sleep(watchMs, undefined, { signal }).catch(() => {})
    if (signal.aborted) return
  }
}

/** Shows the logs of a host, by tail(1). */
export async function labLogs(invocation: Invocation): Promise<number> {
  const { given } = invocation
  const host = given.positional('HOST')!
  const { log } = hostFolderOf(labFolderOf(invocation), host)
  if (!existsSync(log)) throw new Fault('not-found', `cannot find logs of ${host}: no such host`)
  const daemon = given.positional('DAEMON')
  const names = daemon === undefined ? [...daemonNames, 'console'] : [daemon]
  const files = names.map(name => path.join(log, `${name}.log`)).filter(file => existsSync(file))
  const follow = given.flag('follow') ? ['-F'] : []
  const line = ['tail', '-n', String(given.number('lines') ?? 40), ...follow, '--', ...files]
  return await through(invocation, line, process.env)
}

/** Runs a command on a host; its streams and exit code are those of the command. */
export async function labRun(invocation: Invocation): Promise<number> {
  const { given } = invocation
  const host = given.positional('HOST')!
  const prefix = enter(await statusOf(labFolderOf(invocation)), host)
  return await through(
    invocation,
    [...prefix, ...given.positionals('COMMAND')],
    environmentOf(host)
  )
}

/** Takes the lab away. */
export async function labDown(invocation: Invocation): Promise<void> {
  const folder = labFolderOf(invocation)
  const { sweep } = await import('../../lab/sweep.ts')
  const was = await sweep(folder)
  invocation.note(was ? `the lab in ${folder} is gone\n` : `there is no lab in ${folder}\n`)
}

async function through(
  { signal }: Invocation,
  line: readonly string[],
  env: NodeJS.ProcessEnv
): Promise<number> {
  const child = spawn(line[0]!, line.slice(1), { cwd: '/', env, stdio: 'inherit' })
  const stop = (): boolean => child.kill('SIGTERM')
  signal.addEventListener('abort', stop)
  const [code] = (await once(child, 'close')) as [number | null]
  signal.removeEventListener('abort', stop)
  return code ?? (signal.aborted ? 130 : 1)
}
