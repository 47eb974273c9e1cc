/**
 * Rolling reboots against Ganeti's hroller: how many batches each makes of the same file, under
 * hroller's own rule, with pairs running meanwhile and with all shut down. Every batch of ours is
 * judged from the instances alone.
 */
import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { promisify } from 'node:util'
import type { Batch } from '../../../controller/core/engine/reboots.ts'
import { type Cluster, readCluster } from './ganeti-text.ts'
import { generateCluster, type Recipe } from './generate.ts'
import { ours, short } from './ours-run.ts'
import type { Part } from './parts.ts'

/** What hroller once made of those that take it a minute, with instances running. */
type Trial = { readonly recipe: Recipe; readonly known?: number }

const trials: readonly Trial[] = [
  { recipe: { nodes: 100, template: 'drbd' } },
  { recipe: { nodes: 400, template: 'drbd' }, known: 92 },
  { recipe: { nodes: 100, template: 'ext' } },
  { recipe: { nodes: 400, template: 'ext' } }
]

const run = promisify(execFile)

/** Measures and prints. */
export async function rebootsBench(folder: string, part: Part): Promise<void> {
  for (const { recipe, known } of trials) {
    const name = `${recipe.template}-${recipe.nodes}`
    const file = path.join(folder, `${name}-reboots.data`)
    await writeFile(file, withMaster(generateCluster(recipe)))
    const cluster = readCluster(generateCluster(recipe))
    for (const mode of ['live', 'offline'] as const) {
      await part(`${name} reboots, ${mode}`, async () => {
        const made = await ours(file, ['reboots', mode])
        const batches = made.batches!
        judge(cluster, batches, mode === 'live')
        const isKnown = known !== undefined && mode === 'live' && !process.argv.includes('--long')
        const theirs = isKnown ? `${known}*` : await hrollerBatches(file, mode)
        const times = `${short(made.firstMs)} ms at first, ${short(made.warmMs)} ms warm`
        return `${batches.length} batches; ${times}; hroller: ${theirs}`
      })
    }
  }
}

/** hroller wants to know the master; it is the first node, and comes last on both sides. */
const withMaster = (text: string): string => text.replace('|N|fake-uuid-01|', '|M|fake-uuid-01|')

async function hrollerBatches(file: string, mode: 'live' | 'offline'): Promise<string> {
  const script = 'TIMEFORMAT="cpu %U"; time hroller "$@"'
  const options = mode === 'offline' ? ['--offline-maintenance'] : []
  const args = ['--norc', '-c', script, 'bash', '-t', file, ...options]
  const { stdout, stderr } = await run('bash', args, { maxBuffer: 1 << 26 })
  const [, seconds = '?'] = /^cpu (\S+)$/m.exec(stderr) ?? []
  const batches = stdout.split('\n').filter(line => line.startsWith('node')).length
  return `${batches}, ${seconds} s`
}

/** Throws where a batch does not keep the rule, or its moves leave somebody behind. */
function judge(cluster: Cluster, batches: readonly Batch[], live: boolean): void {
  const hosts = batches.flatMap(batch => batch.hosts)
  if (new Set(hosts).size !== cluster.nodes.length || hosts.length !== cluster.nodes.length) {
    throw new Error(`${hosts.length} reboots of ${cluster.nodes.length} nodes`)
  }
  for (const batch of batches) judgeBatch(cluster, batch, live)
}

function judgeBatch({ nodes, instances }: Cluster, { hosts, moves }: Batch, live: boolean): void {
  const down = new Set(hosts)
  const ends = new Map(moves.map(({ demand, first }) => [demand, first]))
  const takers = new Map<number, number>()
  const memory = nodes.map(({ ownMemory }) => ownMemory)
  for (const [number, { name, primary, secondary, memory: size }] of instances.entries()) {
    const end = ends.get(number) ?? primary
    memory[end]! += size
    if (!down.has(primary)) continue
    if (secondary < 0 && down.has(end)) throw new Error(`${name} stays behind`)
    if (secondary < 0) continue
    if (down.has(secondary)) throw new Error(`${name} loses both its nodes`)
    if (live && (takers.get(secondary) ?? primary) !== primary) {
      throw new Error(`${nodes[secondary]!.name} takes over from two nodes at once`)
    }
    takers.set(secondary, primary)
  }
  const full = nodes.find((node, number) => !down.has(number) && memory[number]! >= node.memory)
  if (full) throw new Error(`${full.name} has too little memory`)
}
