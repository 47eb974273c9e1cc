/**
 * The keeper of a lab: a process that holds everything that the lab is. It makes the switch and
 * starts and ends the hosts, all as its own children, so that when it ends, however that comes
 * about, the kernel takes the lab away, and only names are left for `remuda lab down` to remove.
 *
 * Bound, it ends as soon as its standard input does: the lab of a test dies with the test.
 */
import { readFile, rm, writeFile } from 'node:fs/promises'
import { folderOf } from '../folder.ts'
import { boundVariable } from '../keeper-process.ts'
import type { LabPlan } from '../plan.ts'
import type { Ask } from '../protocol.ts'
import { Keeper } from './keeper.ts'
import { LabServer } from './server.ts'

async function main(folder: string, isBound: boolean): Promise<void> {
  const paths = folderOf(folder)
  const plan = JSON.parse(await readFile(paths.plan, 'utf8')) as LabPlan
  const ending = Promise.withResolvers<string>()
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => ending.resolve(signal))
  }
  if (isBound) {
    process.stdin.once('end', () => ending.resolve('who started it has ended'))
    process.stdin.resume()
  }
  await using keeper = await Keeper.open(plan)
  const serve = async (ask: Ask): Promise<unknown> => {
    const answer = await keeper.do(ask)
    if (ask.verb === 'down') setImmediate(() => ending.resolve('told to'))
    return answer
  }
  await using _server = await LabServer.listen(paths.socket, serve)
  await writeFile(paths.keeperReady, `${process.pid}\n`)
  console.log(`the keeper of ${folder} is ready, process ${process.pid}`)
  console.log(`the keeper ends: ${await ending.promise}`)
  await rm(paths.keeperReady, { force: true })
}

await main(process.argv[2]!, process.env[boundVariable] !== undefined)
