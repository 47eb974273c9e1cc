import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import { Fault, sentence } from '#shared/fault.ts'
import type { Host } from '#shared/model/host.ts'
import { createPrivateFile, readPrivateFile } from '#shared/private-file.ts'
import type { Join, Joined } from '#shared/wire/messages.ts'
import type { Doorkeeper } from '../core/ports.ts'
import type { View } from '../core/view.ts'
import type { Service } from './api/service.ts'

/** Hosts that may wait for approval at once; more are turned away until some are judged. */
const pendingMax = 1_000

/** Judges who knocks: a host with the join token comes in, another one waits for the operator. */
export function doorkeeperOf(
  service: Service,
  options: { readonly tokenFile: string; readonly controllerKeys: readonly string[] }
): Doorkeeper {
  return async join => {
    const { reign, log } = service
    const cloud = reign.view.cloud?.id ?? ''
    const refused = (because: string): Joined => {
      log.warn('turned a host away', { uuid: join.uuid, hostname: join.hostname, because })
      return { type: 'joined', verdict: 'refused', because, cloud: '', controllerKeys: [] }
    }
    try {
      const trusted = await isTrusted(join, options.tokenFile)
      if (!trusted && tooManyWait(service, join)) {
        return refused(`${pendingMax} hosts wait to be let in already`)
      }
      const { uuid, hostname, publicKey, endpoint } = join
      const wish = { uuid, hostname, publicKey, endpoint, trusted }
      const { resource } = await reign.submit({ verb: 'join', wish }, `host/${hostname}`)
      const host = resource as Host
      if (host.decided.approval === 'pending') {
        const because = `waits for: remuda host approve ${host.name}`
        return { type: 'joined', verdict: 'pending', because, cloud, controllerKeys: [] }
      }
      return approvedBy(reign.view, options.controllerKeys)
    } catch (thrown) {
      if (thrown instanceof Fault) return refused(sentence(thrown))
      throw thrown
    }
  }
}

/** What a host that is let in is told: the cloud's key, and the newest list that is signed. */
function approvedBy(view: View, controllerKeys: readonly string[]): Joined {
  const { id = '', signing, bootstrap } = view.cloud ?? {}
  return {
    type: 'joined',
    verdict: 'approved',
    because: 'known',
    cloud: id,
    controllerKeys: [...controllerKeys],
    ...(signing && { cloudKey: signing.publicKey }),
    ...(bootstrap && { bootstrap })
  }
}

/**
 * The door of a candidate that does not lead: it knows whom the cloud knows, and lets nobody in.
 * Who is known learns from it where the others are.
 */
export function standbyDoorkeeperOf(view: () => View, because: () => string): Doorkeeper {
  return async ({ uuid, publicKey, endpoint }) => {
    const [id] = view().indexes.of('host-uuid', uuid)
    const host = id === undefined ? undefined : view().get('host', id)
    const known = host?.decided
    const isKnown = known?.approval === 'approved' && known.publicKey === publicKey
    const list = view().cloud?.bootstrap?.bootstrap
    if (isKnown && known.endpoint === endpoint && list) {
      return approvedBy(
        view(),
        list.candidates.map(({ meshKey }) => meshKey)
      )
    }
    const cloud = view().cloud?.id ?? ''
    return { type: 'joined', verdict: 'pending', because: because(), cloud, controllerKeys: [] }
  }
}

const tooManyWait = (service: Service, join: Join): boolean => {
  const { view } = service.reign
  if (view.indexes.of('host-uuid', join.uuid).size > 0) return false
  const hosts = [...view.all('host').values()]
  return hosts.filter(host => host.decided.approval === 'pending').length >= pendingMax
}

/** The token is compared by its hash, so that the time taken tells nothing. */
async function isTrusted(join: Join, tokenFile: string): Promise<boolean> {
  if (join.token === undefined) return false
  const token = (await readPrivateFile(tokenFile))?.trim()
  if (!token) return false
  const hash = (text: string): Buffer => createHash('sha256').update(text).digest()
  return timingSafeEqual(hash(token), hash(join.token))
}

/** Makes the join token of this controller where there is none. */
export async function makeJoinToken(path: string): Promise<void> {
  if ((await readPrivateFile(path)) !== undefined) return
  await createPrivateFile(path, `rmj_${randomBytes(24).toString('base64url')}\n`)
}
