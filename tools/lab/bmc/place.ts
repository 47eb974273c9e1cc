/** Where the baseboard controllers of a lab are, and how one is let in. */
import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { exists } from '#shared/files.ts'
import type { FenceDevice } from '#shared/model/fence.ts'
import { writePrivateFile } from '#shared/private-file.ts'
import { folderOf } from '../folder.ts'
import { bmcsOf, type LabPlan } from '../plan.ts'
import { cipherSuite } from './ipmi.ts'

/** Their ports are the usual ones. */
export const bmcPorts = { ipmi: 623, redfish: 443 } as const
/** Their one user. */
export const bmcUser = 'admin'
/** Name under which the cloud is given their password. */
export const bmcSecret = 'bmc'

/** Makes the password of all controllers of a lab, once; IPMI knows no more than 16 characters. */
export async function makeBmcPassword(folder: string): Promise<void> {
  const { bmcPassword } = folderOf(folder)
  if (await exists(bmcPassword)) return
  await writePrivateFile(bmcPassword, `${randomBytes(9).toString('base64url')}\n`)
}

/** The password of all controllers of a lab. */
export const readBmcPassword = async (folder: string): Promise<string> =>
  (await readFile(folderOf(folder).bmcPassword, 'utf8')).trim()

/** What can cut the power of a host of a lab. */
export type Switchboard = 'lab' | 'ipmi' | 'redfish'

/** The fence device of a host, as an operator would say it to the cloud. */
export async function fenceDeviceOf(
  plan: LabPlan,
  host: string,
  type: Switchboard
): Promise<FenceDevice> {
  const { socket, authority: signer } = folderOf(plan.folder)
  if (type === 'lab') return { type, socket, host }
  const address = bmcsOf(plan).find(one => one.host === host)?.address
  if (address === undefined) throw new TypeError(`${host} has no baseboard controller`)
  const login = { user: bmcUser, secret: bmcSecret } as const
  if (type === 'ipmi') {
    return { type, address, port: bmcPorts.ipmi, ...login, cipherSuite, privilege: 'operator' }
  }
  const authority = await readFile(join(signer, 'ca.pem'), 'utf8')
  return { type, url: `https://${address}`, ...login, auth: 'session', authority }
}
