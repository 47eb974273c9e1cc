/** Ganeti's hbal on a file: what it does, move by move, and how much processor time that takes. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import type { Cluster } from './ganeti-text.ts'
import type { Seated } from './judge.ts'

/** A move of hbal's and the score that it prints with it. */
export type Printed = Seated & { readonly score: number }

/** What hbal printed. */
export type Run = {
  readonly initial: number
  readonly moves: readonly Printed[]
  readonly cpuMs: number
}

const run = promisify(execFile)

/** Installs hbal unless it is there; says its version. */
export async function installHbal(): Promise<string> {
  const shown = (): Promise<{ readonly stdout: string }> => run('hbal', ['--version'])
  const first = await shown().catch(() => undefined)
  if (!first) await run('apt-get', ['install', '-y', 'ganeti-htools'])
  const { stdout } = first ?? (await shown())
  return stdout.split('\n')[0]!.trim()
}

/** Runs hbal on a file. */
export async function runHbal(
  file: string,
  cluster: Cluster,
  options: readonly string[]
): Promise<Run> {
  const script = 'TIMEFORMAT="cpu %U %S"; time hbal "$@"'
  const args = ['-t', file, '--ignore-dynu', ...options]
  const { stdout, stderr } = await run('bash', ['--norc', '-c', script, 'bash', ...args], {
    maxBuffer: 1 << 26
  })
  const [, user = '0', system = '0'] = /^cpu (\S+) (\S+)$/m.exec(stderr) ?? []
  const initial = Number(/^Initial score: (\S+)$/m.exec(stdout)?.[1])
  const cpuMs = (Number(user) + Number(system)) * 1_000
  return { initial, moves: readMoves(stdout, cluster), cpuMs }
}

function readMoves(text: string, cluster: Cluster): readonly Printed[] {
  const nodes = new Map(cluster.nodes.map(({ name }, number) => [name, number]))
  const instances = new Map(cluster.instances.map(({ name }, number) => [name, number]))
  const lines = text.matchAll(/^\s*\d+\. (\S+)\s+\S+\s+=> (\S+)\s+([\d.]+) a=/gm)
  return [...lines].map(([, name, seats, score]) => {
    const [first = '', second] = seats!.split(':')
    return {
      demand: instances.get(name!)!,
      first: nodes.get(first)!,
      second: second === undefined ? -1 : nodes.get(second)!,
      score: Number(score)
    }
  })
}
