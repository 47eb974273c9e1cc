/** Ganeti's own programs on a file, and how much processor time each takes. */
import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { promisify } from 'node:util'

const run = promisify(execFile)
const hail = '/usr/lib/ganeti/iallocators/hail'

/** What a program printed. */
export type Printed = { readonly text: string; readonly cpuMs: number }

/** Lets hail place so many of one size in one request; how many it did. */
export async function runHail(file: string, count: number) {
  const request = `${file}.request.json`
  await writeFile(request, JSON.stringify(requestOf(count)))
  const { text, cpuMs } = await timed(hail, ['-t', file, request])
  const [, placed = '0'] = /(\d+) were allocated successfully/.exec(text) ?? []
  return { placed: Number(placed), cpuMs }
}

/** How many more of 4 GiB, 2 processors and 40 GiB fit by hspace. */
export async function runHspace(args: readonly string[]) {
  const { text, cpuMs } = await timed('hspace', [...args, '--disk-template', 'ext'])
  const [, count = ''] = /(\d+) instances allocated/.exec(text) ?? []
  return { count: Number(count), cpuMs }
}

/** What hcheck finds: hosts that are not N+1 happy, and those that it cannot empty by its rule. */
export async function runHcheck(file: string) {
  const { text, cpuMs } = await timed('hcheck', ['-t', file, '--no-simulation'])
  const figure = (name: string) => Number(new RegExp(`${name}: (\\d+)`).exec(text)?.[1] ?? 'NaN')
  return {
    unhappy: figure('Nodes not N\\+1 happy'),
    stuck: figure('Nodes not directly evacuateable'),
    cpuMs
  }
}

async function timed(program: string, args: readonly string[]): Promise<Printed> {
  const script = 'TIMEFORMAT="cpu %U %S"; time "$@"'
  const words = ['--norc', '-c', script, 'bash', program, ...args]
  // A cloud that is not healthy is told by the exit code as well.
  const { stdout, stderr } = await run('bash', words, { maxBuffer: 1 << 26 }).catch(
    (error: { readonly stdout: string; readonly stderr: string }) => error
  )
  const [, user = '0', system = '0'] = /^cpu (\S+) (\S+)$/m.exec(stderr) ?? []
  return { text: stdout, cpuMs: (Number(user) + Number(system)) * 1_000 }
}

const requestOf = (count: number) => ({
  ...{ version: 2, cluster_name: 'c', cluster_tags: [], enabled_hypervisors: ['kvm'] },
  ...{ ipolicy: {}, nodegroups: {}, nodes: {}, instances: {} },
  request: {
    type: 'multi-allocate',
    instances: Array.from({ length: count }, (_, number) => ({
      ...{ type: 'allocate', name: `new${number}`, memory: 4096, vcpus: 2 },
      ...{ disk_space_total: 40960, disks: [{ size: 40960, mode: 'rw', spindles: 1 }] },
      ...{ disk_template: 'ext', os: 'x', tags: [], nics: [], required_nodes: 1 },
      ...{ spindle_use: 1, hypervisor: 'kvm' }
    }))
  }
})
