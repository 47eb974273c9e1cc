/** What a lab's cloud begins with: images, a pool and a network that all hosts share. */
import { join } from 'node:path'
import { isFault } from '#shared/fault.ts'
import { createResource, patchResource, readResource } from '../cli/api/resources.ts'
import { ensureImages } from '../up/demo.ts'
import { layoutOf } from '../up/layout.ts'
import type { Say } from '../up/say.ts'
import { folderOf } from './folder.ts'
import { hostLinks } from './keeper/switch.ts'
import type { Lab } from './lab.ts'
import { lastOfInstances } from './plan.ts'

/** Images are built once for all labs of this checkout. */
const imageFolder = join(import.meta.dirname, '../../node_modules/.cache/remuda-images')

/** Gives the cloud what it has not yet. */
export async function furnish(
  lab: Lab,
  say: Say,
  { isFenced }: { readonly isFenced: boolean }
): Promise<void> {
  const { api, plan } = lab
  await say.step('network over all hosts', async () => {
    const network = { kind: 'network' as const, name: 'default' }
    await patchResource(api, network, { spec: { uplink: hostLinks.instances } })
    const subnet = { kind: 'subnet' as const, name: 'default' }
    await patchResource(api, subnet, { spec: { last: lastOfInstances(plan) } })
  })
  await say.step('pool shared', async () => {
    const pool = { kind: 'pool' as const, name: 'shared' }
    const isThere = await readResource(api, pool).then(
      () => true,
      thrown => {
        if (isFault(thrown, 'not-found')) return false
        throw thrown
      }
    )
    const path = folderOf(plan.folder).shared
    if (!isThere) await createResource(api, pool, { spec: { path, shared: true } })
  })
  if (isFenced) await say.step('fence devices', () => giveSwitches(lab))
  await say.step('images', async tell => {
    await ensureImages(api, { ...layoutOf(plan.folder), images: imageFolder }, tell)
  })
}

/** Each host is fenced by the power switch that the keeper of the lab holds. */
async function giveSwitches({ api, plan }: Lab): Promise<void> {
  const { socket } = folderOf(plan.folder)
  for (const { name } of plan.hosts) {
    const fence = [{ devices: [{ type: 'lab', socket, host: name }] }]
    await patchResource(api, { kind: 'host', name }, { spec: { fence } })
  }
}
