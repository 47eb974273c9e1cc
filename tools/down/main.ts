/**
 * `npm run down`: stops everything that `npm run up` has started and removes what it has made
 * outside of the state folder. The state folder stays, so that the next `up` brings the same cloud
 * back, unless `--purge` is given.
 */
import { readFile, rm, stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { stopDaemon } from '#shared/daemon.ts'
import { Fault, sentence } from '#shared/fault.ts'
import { silentLog } from '#shared/log.ts'
import { stateDefault } from '#shared/state-folder.ts'
import type { Order } from '#shared/wire/order.ts'
import { domainName } from '../../agent/core/domain-plan.ts'
import type { OwnDomain } from '../../agent/core/metadata.ts'
import { isAlive, sortDomains } from '../../agent/core/own-domains.ts'
import { makeLibvirt } from '../../agent/io/libvirt/hypervisor.ts'
import { removeAll } from '../../agent/io/network/flat.ts'
import { type Layout, layoutOf } from '../up/layout.ts'
import { answers, stopLibvirt } from '../up/libvirt.ts'
import { closeDevices } from '../up/outside.ts'
import { makeSay, type Tell } from '../up/say.ts'

/** Instances may take so long to shut down before their plugs are pulled. Unit: ms. */
const graceMs = 15_000

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { purge: { type: 'boolean', default: false } } })
  const say = makeSay(process.stdout)
  const layout = layoutOf(resolve(process.env['REMUDA_STATE'] || stateDefault))
  if (!(await stat(layout.state).catch(() => undefined))) {
    say.line(`Nothing to stop: there is no ${layout.state}`)
    return
  }
  await say.step('the agent', async () => await stopDaemon(layout.agent))
  await say.step('the controller', async () => await stopDaemon(layout.controller))
  await say.step('instances', async tell => await stopInstances(layout, tell))
  await removeLogs(layout)
  await say.step('networks', async () => {
    await removeAll({ state: layout.state, log: silentLog })
  })
  await say.step('libvirtd', async tell => {
    tell((await stopLibvirt(layout)) ? 'stopped' : 'was not started by us: left alone')
  })
  await closeDevices(layout)
  await rm(layout.ledger, { force: true })
  await rm(layout.run, { recursive: true, force: true })
  if (values.purge) {
    await say.step('state', async tell => {
      await rm(layout.state, { recursive: true, force: true })
      tell(`${layout.state} removed`)
    })
    return
  }
  say.line(`All is stopped. ${layout.state} is kept: npm run up brings the same cloud back.`)
  say.line('To remove it too: npm run down -- --purge')
}

/** Shuts the instances of this cloud down; whatever else runs in libvirt is not touched. */
async function stopInstances(layout: Layout, tell: Tell): Promise<void> {
  const cloud = (await lastOrder(layout))?.cloud
  if (cloud === undefined || !(await answers(layout.libvirtd.readyFile))) {
    tell('none run')
    return
  }
  await using hypervisor = makeLibvirt()
  const ours = async (): Promise<readonly OwnDomain[]> =>
    sortDomains(await hypervisor.domains(), cloud).own.filter(({ domain }) => isAlive(domain))
  const first = await ours()
  for (const { domain } of first) {
    if (domain.state === 'paused') await quietly(hypervisor.resume(domain))
    await quietly(hypervisor.shutdown(domain))
  }
  const until = performance.now() + graceMs
  let left = first
  while (left.length > 0 && performance.now() < until) {
    tell(`${left.length} of ${first.length} still shut down`)
    await sleep(100)
    left = await ours()
  }
  for (const { domain } of left) await quietly(hypervisor.destroy(domain))
  tell(first.length === 0 ? 'none run' : `${first.length} stopped, ${left.length} by force`)
}

/** An instance may end by itself between two looks. */
async function quietly(work: Promise<void>): Promise<void> {
  try {
    await work
  } catch (thrown) {
    if (!(thrown instanceof Fault)) throw thrown
  }
}

/** libvirt keeps a log of each domain that it has started. */
async function removeLogs(layout: Layout): Promise<void> {
  for (const instance of (await lastOrder(layout))?.instances ?? []) {
    for (const driver of ['qemu', 'lxc']) {
      await rm(join('/var/log/libvirt', driver, `${domainName(instance)}.log`), { force: true })
    }
  }
}

/** What this machine's agent was last ordered. */
async function lastOrder(layout: Layout): Promise<Order | undefined> {
  const text = await readFile(join(layout.state, 'agent', 'order.json'), 'utf8').catch(() => '{}')
  return (JSON.parse(text) as { readonly order?: Order }).order
}

try {
  await main()
} catch (thrown) {
  process.stderr.write(`error: ${sentence(thrown)}\n`)
  process.exitCode = 1
}
