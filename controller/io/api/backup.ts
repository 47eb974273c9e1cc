/** The route by which a backup of all that is recorded is taken. */
import { Readable } from 'node:stream'
import Type from 'typebox'
import { takeBackup } from '../backup/take.ts'
import type { Route } from './route.ts'
import type { Service } from './service.ts'

/** Answered by each candidate of what it has; the content of images is not in it. */
export const backupRoutes = (service: Service): readonly Route[] => [
  {
    method: 'GET',
    path: '/v1/cluster/backup',
    operation: 'take-backup',
    summary:
      'Take a backup of all that is recorded at this moment, without the content of images and ' +
      'volumes. It holds secrets.',
    tag: 'cloud',
    role: 'admin',
    replies: { 200: Type.String() },
    answer: async call => {
      const { ledger, version, clock, log } = service
      const backup = await takeBackup({
        view: ledger.view,
        epoch: ledger.epoch,
        version,
        now: clock.wall(),
        durable: () => ledger.durable()
      })
      log.info('a backup is taken', { by: call.caller.name, position: ledger.view.position })
      return {
        type: 'application/octet-stream',
        headers: { 'cache-control': 'no-store' },
        body: Readable.from(backup, { objectMode: false })
      }
    }
  }
]
