import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import path from 'node:path'
import { Fault } from '#shared/fault.ts'
import type { LabFencing, LabWish } from '../../lab/plan.ts'
import type { Invocation } from '../invocation.ts'
import { labFolderOf } from './lab.ts'

/** Brings a lab up: by a program of the checkout, since it builds programs and images. */
export async function labUp(invocation: Invocation): Promise<number> {
  const { given, terminal } = invocation
  const wish: LabWish = {
    folder: labFolderOf(invocation),
    hosts: given.number('hosts') ?? 3,
    subnet: given.text('subnet'),
    instances: given.text('instances'),
    solo: given.flag('solo'),
    kvm: given.flag('kvm'),
    clocks: given.flag('clocks'),
    locks: given.flag('locks'),
    bmc: given.text('bmc') as LabFencing | undefined,
    management: given.text('management'),
    watchdogMs: given.number('watchdog'),
    qemu: folderGiven(given.text('qemu')),
    machines: given.number('netboot') ?? 0,
    hostImages: folderGiven(given.text('host-images'))
  }
  if (process.getuid?.() !== 0) {
    throw new Fault('forbidden', 'cannot make a lab: it needs root', {
      next: ['sudo remuda lab up']
    })
  }
  const child = spawn(process.execPath, [programOf(), JSON.stringify(wish)], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...terminal.environment }
  })
  child.stdout.pipe(terminal.output, { end: false })
  if (!invocation.settings.quiet) child.stderr.pipe(terminal.errors, { end: false })
  const stop = (): boolean => child.kill('SIGTERM')
  invocation.signal.addEventListener('abort', stop)
  const [code] = (await once(child, 'close')) as [number | null]
  invocation.signal.removeEventListener('abort', stop)
  return invocation.signal.aborted ? 130 : (code ?? 1)
}

const folderGiven = (text: string | undefined): string | undefined =>
  text === undefined ? undefined : path.resolve(text)

/** The checkout is above us, whether we run from its sources or from its bundles. */
function programOf(): string {
  for (let folder = import.meta.dirname; folder !== '/'; folder = path.dirname(folder)) {
    const program = path.join(folder, 'tools/lab/main.ts')
    if (existsSync(program)) return program
  }
  throw new Fault('unavailable', 'cannot make a lab: this is no checkout of Remuda', {
    next: ['clone the repository, and run remuda lab up from there']
  })
}
