/**
 * The baseboard controllers of a lab, in the namespace of its switch: for each host one address on
 * a network of their own, where it speaks Redfish (HTTPS) and IPMI (by ipmi_sim). The keeper tells
 * manners on standard input, a line of JSON each, and gets the line's number back once it is so;
 * when the input ends, all of it does.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { run } from '#shared/process.ts'
import { folderOf, hostFolderOf } from '../folder.ts'
import { bmcsOf, type LabPlan } from '../plan.ts'
import type { BmcManner } from '../protocol.ts'
import { type Board, boardOf } from './board.ts'
import { ChassisServer, chassisProgram } from './chassis.ts'
import { writeIpmiFiles } from './ipmi.ts'
import { bmcPorts, bmcUser, readBmcPassword } from './place.ts'
import { RedfishBmc } from './redfish-bmc.ts'

/** What the keeper says. */
export type BmcOrder = { readonly id: number; readonly host: string; readonly manner: BmcManner }

const nftMsMax = 20_000

async function main(folder: string): Promise<void> {
  const plan = JSON.parse(await readFile(folderOf(folder).plan, 'utf8')) as LabPlan
  const bmcs = bmcsOf(plan)
  const boards = new Map(bmcs.map(({ host }) => [host, boardOf(folder, host)]))
  await using resources = new AsyncDisposableStack()
  resources.use(await ChassisServer.listen(boards))
  const chassis = join(folderOf(folder).bmc, 'chassis')
  await writeFile(chassis, chassisProgram, { mode: 0o755 })
  const password = await readBmcPassword(folder)
  for (const { host, address } of bmcs) {
    const { bmc } = hostFolderOf(folder, host)
    const [key, certificate] = await Promise.all(
      ['host.key', 'host.pem'].map(name => readFile(join(bmc, name), 'utf8'))
    )
    const place = { address, port: bmcPorts.redfish, password, machine: boards.get(host)! }
    resources.use(await RedfishBmc.start({ ...place, key: key!, certificate: certificate! }))
    await startIpmi(bmc, { address, password, chassis: `${chassis} ${host}` })
  }
  process.stdout.write('ready\n')
  for await (const line of createInterface({ input: process.stdin })) {
    const order = JSON.parse(line) as BmcOrder
    boards.get(order.host)!.manner = order.manner
    await silence(plan, boards)
    process.stdout.write(`${order.id}\n`)
  }
}

async function startIpmi(
  folder: string,
  given: { readonly address: string; readonly password: string; readonly chassis: string }
): Promise<void> {
  const place = { ...given, folder, port: bmcPorts.ipmi, user: bmcUser }
  const line = await writeIpmiFiles(place)
  const log = openSync(join(folder, 'ipmi_sim.log'), 'a', 0o600)
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', ...line], {
    cwd: '/',
    env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' },
    stdio: ['ignore', log, log]
  })
  closeSync(log)
  await once(child, 'spawn')
}

/** Of one that is dead nothing is heard any more: whatever comes for it is dropped. */
async function silence(plan: LabPlan, boards: ReadonlyMap<string, Board>): Promise<void> {
  const dead = bmcsOf(plan)
    .filter(({ host }) => boards.get(host)!.manner === 'dead')
    .map(({ address }) => `    ip daddr ${address} drop\n`)
  const input = `table inet lab_bmc
delete table inet lab_bmc
table inet lab_bmc {
  chain input {
    type filter hook input priority filter; policy accept;
${dead.join('')}  }
}
`
  await run('nft', ['-f', '-'], { deadlineMs: nftMsMax, input })
}

await main(process.argv[2]!)
