/** Founds the cloud where there is none. */
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import type { Clock } from '#shared/clock.ts'
import { newId } from '#shared/ids.ts'
import type { Log } from '#shared/log.ts'
import { makeStateFolder } from '#shared/make-state-folder.ts'
import { createPrivateFile, readPrivateFile } from '#shared/private-file.ts'
import { makeSigningKeys } from '#shared/wire/bootstrap.ts'
import { firstCommit } from '../core/first-commit.ts'
import { hashOf, makeToken } from './api/tokens.ts'
import type { ControllerConfig } from './config.ts'
import type { Ledger } from './ledger.ts'

/** Founds the cloud unless the ledger has one, and keeps its admin token in a file. */
export async function found(
  config: ControllerConfig,
  parts: { readonly ledger: Ledger; readonly clock: Clock; readonly log: Log }
): Promise<void> {
  const { ledger, clock, log } = parts
  if (ledger.view.cloud) return
  const moment = { monotonic: clock.monotonic(), wall: clock.wall() }
  const createdAt = new Date(moment.wall).toISOString()
  const { token, stored } = makeToken({ name: 'admin', role: 'admin', createdAt })
  const path = join(config.state, 'admin.token')
  await makeStateFolder(config.state)
  const kept = (await createPrivateFile(path, `${token}\n`))
    ? stored
    : await keptToken(path, stored)
  const wish = {
    cloudId: newCloudId(),
    signing: makeSigningKeys(),
    adminToken: kept,
    ...(config.cidr !== undefined && { cidr: config.cidr })
  }
  await ledger.commit(
    firstCommit({ overhead: 'counted', ...wish }, { by: 'controller', now: moment, newId })
  )
  log.info('founded a new cloud', { cloud: wish.cloudId, tokenFile: path })
}

/** A start that was cut short has left the token's file: it is the token. */
async function keptToken(
  path: string,
  stored: ReturnType<typeof makeToken>['stored']
): Promise<ReturnType<typeof makeToken>['stored']> {
  const text = await readPrivateFile(path)
  return { ...stored, sha256: hashOf((text ?? '').trim()) }
}

const newCloudId = (): string => `c-${randomUUID()}`
