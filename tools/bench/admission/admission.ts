/**
 * Admission with a proof for the loss of every host, against Ganeti's hail and hspace on the same
 * files, in one run on one machine, by processor time; hcheck audits what came of it. Then a trace
 * of VMs (`--traces FOLDER`, else it is left out) and clouds of up to 10,000 hosts with every rule
 * on, by many seeds (`--seeds COUNT`). `--long` lets hspace and hcheck work where they take long.
 */
import { execFile } from 'node:child_process'
import { glob, mkdtemp, rm, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { median } from '../measure.ts'
import { generateCluster } from '../placement/generate.ts'
import { installHbal } from '../placement/hbal.ts'
import type { Ours } from './ours.ts'
import { runHail, runHcheck, runHspace } from './peers.ts'

type Print = (line: string) => void
type Place = { readonly folder: string; readonly print: Print }

const run = promisify(execFile)
const orders = ['level', 'pack'] as const
/** Hosts of a cluster, how many hail is asked for, and whether hcheck takes but seconds. */
const clusters = [
  { nodes: 10, asked: 20, checked: true },
  { nodes: 40, asked: 4, checked: true },
  { nodes: 100, asked: 1, checked: true },
  { nodes: 1_000, asked: 0, checked: false }
] as const
const full = 0.85
const extents = [
  { hosts: 100, demands: 100_000 },
  { hosts: 1_000, demands: 100_000 },
  { hosts: 10_000, demands: 100_000 }
] as const
const batches = [1, 500] as const

/** Measures and prints. */
export async function admissionBench(print: Print): Promise<void> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'remuda-admission-'))
  try {
    print(`${await installHbal()}; Node ${process.version}`)
    for (const { nodes } of clusters) {
      await writeFile(fileOf(folder, nodes), generateCluster({ nodes, template: 'ext' }))
    }
    await againstHail({ folder, print })
    await capacities({ folder, print })
    await traces(print)
    await scales(print)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

const fileOf = (folder: string, nodes: number): string => path.join(folder, `ext-${nodes}.data`)
const isLong = (): boolean => process.argv.includes('--long')

async function againstHail({ folder, print }: Place): Promise<void> {
  print(`come and go at ${full * 100} % of all memory but the largest host's, groups kept apart:`)
  for (const { nodes, asked, checked } of clusters) {
    const file = fileOf(folder, nodes)
    if (asked > 0) {
      const { placed, cpuMs } = await runHail(file, asked)
      print(`  ${nodes} hosts, hail: ${rateOf((placed / cpuMs) * 1_000)} (${placed} of ${asked})`)
    }
    for (const order of orders) {
      const made = await ours('churn', [file, order, full])
      const { rate, p99Ms, newcomers, refused, stuck, stranded } = made
      const slow = `99 in 100 below ${p99Ms.toPrecision(2)} ms by the wall, the least of three`
      const state = `${newcomers} newcomers at the end, ${refused} wishes refused`
      const proof = `without a plan ${stranded}, without one by the plainest rule ${stuck}`
      print(`  ${nodes} hosts, ${order}: ${rateOf(rate)}, ${slow}; ${state}; ${proof}`)
      if (checked || isLong()) print(`    ${await audited(`${file}.${order}`)}`)
    }
  }
}

async function audited(file: string): Promise<string> {
  const { unhappy, stuck, cpuMs } = await runHcheck(file)
  const time = `${Math.round(cpuMs / 100) / 10} s`
  return `hcheck (${time}): not N+1 happy ${unhappy}, not directly evacuateable ${stuck}`
}

async function capacities({ folder, print }: Place): Promise<void> {
  print('until the first refusal, 4 GiB each, and on ten equal empty hosts of 192 GiB 8 GiB each:')
  const spec = '--standard-alloc'
  const equal = await runHspace(['--simulate', 'p,10,6t,192g,24', spec, '40g,8g,2'])
  print(`  equal hosts, hspace: ${equal.count}, ${Math.round(equal.cpuMs)} ms`)
  if (isLong()) {
    const { count, cpuMs } = await runHspace(['-t', fileOf(folder, 10), spec, '40g,4g,2'])
    print(`  10 hosts, hspace: ${count}, ${Math.round(cpuMs)} ms`)
  } else print('  10 hosts, hspace *: 124, 13700 ms (once measured on a quiet machine)')
  for (const nodes of [0, ...clusters.map(each => each.nodes)]) {
    const file = nodes === 0 ? 'equal' : fileOf(folder, nodes)
    for (const order of orders) {
      const { count, cpuMs, loose, tight, stuck } = await ours('capacity', [file, order])
      const share = (bound: number) => `${((count / bound) * 100).toFixed(1)} %`
      const tighter = `${share(tight)} of the tight one ${tight}`
      const bounds = `${share(loose)} of the bound ${loose}, ${tighter}`
      const name = nodes === 0 ? 'equal hosts' : `${nodes} hosts`
      const rest = `${stuck} hosts stuck by the plainest rule`
      print(`  ${name}, ${order}: ${count}, ${bounds}; ${Math.round(cpuMs)} ms; ${rest}`)
      if (nodes === 10 || nodes === 40) print(`    ${await audited(`${file}.full`)}`)
    }
  }
}

async function traces(print: Print): Promise<void> {
  const folder = optionOf('--traces')
  if (folder === undefined) {
    print('no trace: --traces FOLDER, where a file *.csv.gz is')
    return
  }
  for await (const file of glob('*.csv.gz', { cwd: folder })) {
    for (const { shape, bound, vms, peak, tries } of await ours('trace', [
      path.join(folder, file)
    ])) {
      const hosts = `${shape.vcpus} processors and ${shape.memoryMib / 1024} GiB`
      const rates = tries.map(({ rate }) => rate)
      const counts = tries.map(({ hosts, refused }) => `${refused} refused on ${hosts}`)
      print(`${file}: ${vms} VMs, ${peak} at once, hosts of ${hosts}, bound ${bound}`)
      print(`  ${counts.join(', ')}; ${rateOf(median(rates))}`)
    }
  }
}

async function scales(print: Print): Promise<void> {
  const seeds = Number(optionOf('--seeds') ?? 20)
  if (seeds === 0) return
  print(`every rule on, filled to 90 % or ${extents[0].demands} demands; ${seeds} seeds:`)
  for (const { hosts, demands } of extents) {
    for (const order of orders) {
      for (const batch of batches) {
        const all: Ours['scale'][] = []
        for (let seed = 1; seed <= seeds; seed += 1) {
          all.push(await ours('scale', [hosts, demands, batch, order, seed]))
        }
        const of = (value: (one: Ours['scale']) => number) => all.map(value)
        const middle = `${rateOf(median(of(({ rate }) => rate)))}`
        const worst = `worst ${rateOf(Math.min(...of(({ rate }) => rate)))}`
        const filling = `filled at ${rateOf(median(of(({ fillRate }) => fillRate)))}`
        const slow = `99 in 100 below ${median(of(({ p99Ms }) => p99Ms)).toPrecision(2)} ms`
        const there = `${median(of(({ newcomers }) => newcomers))} demands`
        const memory = `${median(of(({ rssMib }) => rssMib))} MiB`
        const stranded = Math.max(...of(each => each.stranded))
        const how = batch === 1 ? 'one by one' : `${batch} at once`
        const figures = [middle, worst, filling, slow, there, memory, `stranded ${stranded}`]
        print(`  ${hosts} hosts, ${order}, ${how}: ${figures.join('; ')}`)
      }
    }
  }
}

async function ours<What extends keyof Ours>(
  what: What,
  args: readonly (string | number)[]
): Promise<Ours[What]> {
  const program = path.join(import.meta.dirname, 'ours.ts')
  const words = [program, what, ...args.map(String)]
  const { stdout } = await run(process.execPath, words, { maxBuffer: 1 << 26 })
  return JSON.parse(stdout) as Ours[What]
}

function optionOf(option: string): string | undefined {
  const at = process.argv.indexOf(option)
  return at < 0 ? undefined : process.argv[at + 1]
}

const rateOf = (rate: number): string =>
  rate >= 100 ? `${Math.round(rate)}/s` : `${rate.toPrecision(2)}/s`
