/**
 * `npm run down`: stops everything that `npm run up` has started and removes what it has made
 * outside of the state folder. The state folder stays, so that the next `up` brings the same cloud
 * back, unless `--purge` is given.
 */
import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { type DaemonSpec, stopDaemon } from '#shared/daemon.ts'
import { exists } from '#shared/files.ts'
import { silentLog } from '#shared/log.ts'
import { domainName } from '../../agent/core/domain-plan.ts'
import { removeAll } from '../../agent/io/network/flat.ts'
import { refuseStrange, removeBelongings } from '../up/belongings.ts'
import { type Layout, layoutOf } from '../up/layout.ts'
import { answers, isOurLibvirt, stopLibvirt } from '../up/libvirt.ts'
import { findNeighbours, stopForeignBuild } from '../up/neighbours.ts'
import { closeDevices } from '../up/outside.ts'
import { runProgram, stateFolder } from '../up/program.ts'
import { makeSay, type Say } from '../up/say.ts'
import { takeTurn } from '../up/turn.ts'
import { readLastKnown, stopInstances } from './instances.ts'

async function down(flags: ReadonlySet<string>): Promise<void> {
  const say = makeSay(process.stdout)
  const layout = layoutOf(stateFolder())
  await using _turn = await takeTurn({
    state: layout.state,
    holder: 'npm run down',
    waiting: holder => say.line(`  … waits until ${holder}, is done`)
  })
  if (!(await exists(layout.state))) {
    say.line(`Nothing to stop: there is no ${layout.state}`)
    for (const state of new Set((await findNeighbours()).map(each => each.state))) {
      say.line(`A cloud with its state in ${state} runs here: REMUDA_STATE=${state} npm run down`)
    }
    return
  }
  await refuseStrange(layout.state)
  await endDaemon(say, layout, layout.agent)
  await endDaemon(say, layout, layout.controller)
  const foreign = await say.step('instances', async tell => await stopInstances(layout, tell))
  await removeLogs(layout)
  await removeNetworks(say, layout)
  const kept = await endLibvirt(say, layout, foreign)
  if (flags.has('purge')) return await purge(say, layout, kept)
  say.line(`All is stopped. ${layout.state} is kept: npm run up brings the same cloud back.`)
  say.line('To remove it too: npm run down -- --purge')
}

async function endDaemon(say: Say, layout: Layout, spec: DaemonSpec): Promise<void> {
  await say.step(spec.name, async tell => {
    const foreign = await stopForeignBuild(spec, layout.state)
    if (foreign !== undefined) tell(`stopped ${foreign}`)
    await stopDaemon(spec)
  })
}

/** libvirt keeps a log of each domain that it has started. */
async function removeLogs(layout: Layout): Promise<void> {
  for (const instance of (await readLastKnown(layout.state)).instances) {
    for (const driver of ['qemu', 'lxc']) {
      await rm(join('/var/log/libvirt', driver, `${domainName(instance)}.log`), { force: true })
    }
  }
}

async function removeNetworks(say: Say, layout: Layout): Promise<void> {
  await say.step('networks', async tell => {
    const other = (await findNeighbours()).find(
      ({ part, state }) => part === 'agent' && state !== layout.state
    )
    if (other) tell(`left alone: they belong to the cloud in ${other.state}, which runs`)
    else await removeAll({ state: layout.state, log: silentLog })
  })
}

/**
 * Ends libvirtd if it was us who started it. Under a libvirtd that ends, domains run on, but what
 * is known of them is lost: so it stays as long as others use it. Gives what must then be kept.
 */
async function endLibvirt(
  say: Say,
  layout: Layout,
  foreign: readonly string[]
): Promise<readonly string[]> {
  const isKept = await say.step('libvirtd', async tell => {
    if (!(await isOurLibvirt(layout))) {
      const runs = await answers(layout.libvirtd.readyFile)
      tell(runs ? 'was not started by us: left alone' : 'does not run')
      return false
    }
    if (foreign.length > 0) {
      tell(`left running, under it run others: ${foreign.join(', ')}`)
      return true
    }
    await stopLibvirt(layout)
    tell('stopped')
    return false
  })
  if (isKept) {
    const others = /^(libvirtd|virtlogd)/
    for (const name of await readdir(layout.run).catch(() => [])) {
      if (!others.test(name)) await rm(join(layout.run, name), { force: true })
    }
    return [layout.ledger, layout.run, layout.logs]
  }
  await closeDevices(layout)
  await rm(layout.ledger, { force: true })
  await rm(layout.run, { recursive: true, force: true })
  return []
}

async function purge(say: Say, layout: Layout, kept: readonly string[]): Promise<void> {
  await say.step('state', async tell => {
    const removal = await removeBelongings(layout.state, kept)
    if (typeof removal === 'string') tell(`${layout.state} ${removal}`)
    else tell(`${layout.state} keeps ${removal.left.join(', ')}`)
  })
  if (kept.length > 0) {
    say.line('Once the others have ended, run it again: npm run down -- --purge')
  }
}

await runProgram({
  name: 'down',
  flags: ['purge'],
  interrupted: 'npm run down goes on from here',
  main: down
})
