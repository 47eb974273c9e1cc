/** What a lab's cloud begins with: images, a pool and a network that all hosts share. */
import { join } from 'node:path'
import { isFault } from '#shared/fault.ts'
import { createResource, patchResource, readResource } from '../cli/api/resources.ts'
import { ensureImages } from '../up/demo.ts'
import { layoutOf } from '../up/layout.ts'
import type { Say } from '../up/say.ts'
import { bmcSecret, fenceDeviceOf, readBmcPassword } from './bmc/place.ts'
import { folderOf } from './folder.ts'
import { hostLinks } from './keeper/links.ts'
import type { Lab } from './lab.ts'
import { bmcsOf, fencedBy, lastOfInstances } from './plan.ts'

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
    const { shared: path, locks: lockFolder } = folderOf(plan.folder)
    const locks = plan.locks ? { locks: 'virtlockd', lockFolder } : {}
    if (!isThere) await createResource(api, pool, { spec: { path, shared: true, ...locks } })
  })
  if (isFenced) {
    await say.step('fence devices', async tell => tell(await giveDevices(lab)))
  }
  await say.step('images', async tell => {
    await ensureImages(api, { ...layoutOf(plan.folder), images: imageFolder }, tell)
  })
}

/** Gives each host the device that cuts its power, and the cloud the password of those. */
async function giveDevices({ api, plan }: Lab): Promise<string> {
  if (bmcsOf(plan).length > 0) {
    const body = { value: await readBmcPassword(plan.folder) }
    const doing = `set secret ${bmcSecret}`
    await api.ask({ method: 'PUT', path: `/v1/secrets/${bmcSecret}`, body, doing })
  }
  for (const { name } of plan.hosts) {
    const device = await fenceDeviceOf(plan, name, fencedBy(plan, name))
    const spec = { fence: [{ devices: [device] }] }
    await patchResource(api, { kind: 'host', name }, { spec })
  }
  return plan.hosts.map(({ name }) => `${name} ${fencedBy(plan, name)}`).join(', ')
}
