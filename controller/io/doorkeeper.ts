import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import { isFault, sentence } from '#shared/fault.ts'
import { newId } from '#shared/ids.ts'
import type { Host } from '#shared/model/host.ts'
import { createPrivateFile, readPrivateFile } from '#shared/private-file.ts'
import type { Join, Joined } from '#shared/wire/messages.ts'
import { type HostWish, isLetIn, passOf } from '../core/admission/host.ts'
import type { View } from '../core/view.ts'
import type { Service } from './api/service.ts'
import { hashOf } from './api/tokens.ts'
import { DoorAudit } from './door-audit.ts'

/** Hosts that may wait for approval at once; more are turned away until some are judged. */
const pendingMax = 1_000

/** What a doorkeeper stands on. */
export type DoorkeeperOptions = {
  /** The token of this controller's own machine; any number of its hosts may use it. */
  readonly tokenFile: string
  readonly controllerKeys: readonly string[]
}

/** A doorkeeper that may be told that another candidate knows the token that was brought. */
export type Judge = (join: Join, vouched?: boolean) => Promise<Joined>

/** Judges who knocks: a host with a valid token comes in, another one waits for the operator. */
export function doorkeeperOf(service: Service, options: DoorkeeperOptions): Judge {
  const audit = new DoorAudit(service)
  return async (join, vouched = false) => {
    const { reign } = service
    const cloud = reign.view.cloud?.id ?? ''
    const refused = (because: string): Joined => {
      audit.note(join, { reason: 'host-refused', because })
      return { type: 'joined', verdict: 'refused', because, cloud: '', controllerKeys: [] }
    }
    try {
      const isOurs = vouched || (await isTrusted(join.token, options.tokenFile))
      const wish = wishOf(join, isOurs)
      const context = { by: `host/${join.hostname}`, now: reign.now(), newId }
      const pass = isLetIn(reign.view, wish) ? undefined : passOf(reign.view, wish, context)
      if (pass?.trusted === false) {
        const { objection, because } = pass
        if (objection !== undefined) audit.note(join, { reason: objection, because })
        if (tooManyWait(service, join)) {
          return refused(`${pendingMax} hosts wait to be let in already`)
        }
      }
      const { resource } = await reign.submit({ verb: 'join', wish }, context.by)
      const host = resource as Host
      if (host.decided.approval === 'pending') {
        const { uuid, claims } = join
        if (claims) reign.view.fold({ type: 'claims', uuid, claims })
        const why = pass?.trusted === false && pass.objection ? `${pass.because}; it ` : ''
        const because = `${why}waits for: remuda host approve ${host.name}`
        return { type: 'joined', verdict: 'pending', because, cloud, controllerKeys: [] }
      }
      service.briefings.noteVersion(join.bootstrapVersion ?? 0)
      return approvedBy(reign.view, options.controllerKeys)
    } catch (thrown) {
      if (!isFault(thrown)) throw thrown
      // Who cannot write at the moment has refused nobody.
      if (thrown.code === 'unavailable') throw thrown
      return refused(sentence(thrown))
    }
  }
}

/** What the core judges: hashes instead of secrets. */
function wishOf(join: Join, trusted: boolean): HostWish {
  const { uuid, hostname, publicKey, endpoint, token } = join
  const wish = { uuid, hostname, publicKey, endpoint, trusted }
  return trusted || token === undefined ? wish : { ...wish, tokenSha256: hashOf(token) }
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

const tooManyWait = (service: Service, join: Join): boolean => {
  const { view } = service.reign
  if (view.indexes.of('host-uuid', join.uuid).size > 0) return false
  const hosts = [...view.all('host').values()]
  return hosts.filter(host => host.decided.approval === 'pending').length >= pendingMax
}

/** The token is compared by its hash, so that the time taken tells nothing. */
export async function isTrusted(brought: string | undefined, tokenFile: string): Promise<boolean> {
  if (brought === undefined) return false
  const token = (await readPrivateFile(tokenFile))?.trim()
  if (!token) return false
  const hash = (text: string): Buffer => createHash('sha256').update(text).digest()
  return timingSafeEqual(hash(token), hash(brought))
}

/** Makes the join token of this controller where there is none. */
export async function makeJoinToken(path: string): Promise<void> {
  if ((await readPrivateFile(path)) !== undefined) return
  await createPrivateFile(path, `rmj_${randomBytes(24).toString('base64url')}\n`)
}
