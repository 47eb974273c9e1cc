/** Shuts the instances of a cloud down; whatever else runs in libvirt is not touched. */
import { readdir, readFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { isFault } from '#shared/fault.ts'
import { uuidOf } from '#shared/ids.ts'
import type { Order } from '#shared/wire/order.ts'
import { domainName } from '../../agent/core/domain-plan.ts'
import { isAlive, type SortedDomains, sortDomains } from '../../agent/core/own-domains.ts'
import { readAdmission } from '../../agent/io/admission.ts'
import { makeLibvirt } from '../../agent/io/libvirt/hypervisor.ts'
import type { Layout } from '../up/layout.ts'
import { answers, ensureLibvirt } from '../up/libvirt.ts'
import type { Tell } from '../up/say.ts'

/** Instances may take so long to shut down before their plugs are pulled. Unit: ms. */
const graceMs = 15_000

/** What this machine was last told to hold, as far as it is known. */
export type LastKnown = {
  readonly cloud: string | undefined
  readonly instances: Order['instances']
}

/** Reads what the agent was last ordered; what cannot be read is not known. */
export async function readLastKnown(state: string): Promise<LastKnown> {
  const folder = join(state, 'agent')
  const text = await readFile(join(folder, 'order.json'), 'utf8').catch(() => '')
  const order = parseOrder(text)
  const admission = await readAdmission(join(folder, 'admission.json')).catch(() => undefined)
  return { cloud: order?.cloud ?? admission?.cloud, instances: order?.instances ?? [] }
}

function parseOrder(text: string): Order | undefined {
  try {
    return (JSON.parse(text) as { readonly order?: Order }).order
  } catch {
    return undefined
  }
}

/**
 * Shuts the instances of our cloud down, by force after a while. Gives the names of the domains
 * that are not of our cloud and run on.
 */
export async function stopInstances(layout: Layout, tell: Tell): Promise<readonly string[]> {
  const known = await readLastKnown(layout.state)
  if (!(await answers(layout.libvirtd.readyFile))) {
    // They outlive a libvirtd that was killed, and without one nobody can end them in order.
    if ((await liveProcesses(known)).length === 0) {
      tell('none run')
      return []
    }
    tell('libvirtd has ended before them: it is started again')
    await ensureLibvirt(layout)
  }
  await using hypervisor = makeLibvirt()
  const sorted = async (): Promise<SortedDomains> => {
    const { own, foreign } = sortDomains(await hypervisor.domains(), known.cloud ?? '')
    const live = own.filter(({ domain }) => isAlive(domain))
    return { own: live, foreign: foreign.filter(isAlive) }
  }
  const first = await sorted()
  for (const { domain } of first.own) {
    if (domain.state === 'paused') await quietly(hypervisor.resume(domain))
    await quietly(hypervisor.shutdown(domain))
  }
  const until = performance.now() + graceMs
  let left = first.own
  while (left.length > 0 && performance.now() < until) {
    tell(`${left.length} of ${first.own.length} still shut down`)
    await sleep(100)
    left = (await sorted()).own
  }
  for (const { domain } of left) await quietly(hypervisor.destroy(domain))
  const total = first.own.length
  tell(total === 0 ? 'none run' : `${total} stopped, ${left.length} by force`)
  return first.foreign.map(({ name }) => name)
}

/** An instance may end by itself between two looks. */
async function quietly(work: Promise<void>): Promise<void> {
  try {
    await work
  } catch (thrown) {
    if (!isFault(thrown)) throw thrown
  }
}

/** Finds the processes of instances, with no libvirt to ask. */
async function liveProcesses({ instances }: LastKnown): Promise<readonly number[]> {
  const found: number[] = []
  for (const entry of await readdir('/proc')) {
    if (!/^\d+$/.test(entry)) continue
    const text = await readFile(`/proc/${entry}/cmdline`, 'utf8').catch(() => '')
    const words = text.split('\0')
    if (instances.some(instance => runsInstance(words, instance))) found.push(Number(entry))
  }
  return found
}

/** Says whether a command line is that of the process which runs an instance. */
export function runsInstance(
  words: readonly string[],
  instance: Pick<Order['instances'][number], 'id' | 'tenant' | 'name'>
): boolean {
  const program = basename(words[0] ?? '')
  if (program.startsWith('qemu-system-')) return words.includes(uuidOf(instance.id))
  return program === 'libvirt_lxc' && words[words.indexOf('--name') + 1] === domainName(instance)
}
