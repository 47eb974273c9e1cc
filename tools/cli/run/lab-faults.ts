import { parseMs } from '#shared/units.ts'
import { askKeeper } from '../../lab/client.ts'
import type { BmcManner, Cut, DaemonName, Service } from '../../lab/protocol.ts'
import type { Run } from '../command.ts'
import { UsageFault } from '../failure.ts'
import type { Invocation } from '../invocation.ts'
import { labFolderOf } from './lab.ts'

/** Turns power switches, all of them at once. */
export async function labPower(invocation: Invocation): Promise<void> {
  const { given } = invocation
  const to = given.positional('SWITCH') as 'on' | 'off' | 'cycle'
  const folder = labFolderOf(invocation)
  const withBmc = given.flag('with-bmc')
  if (withBmc && to !== 'off') {
    throw new UsageFault('cannot use --with-bmc: it goes with off alone', {
      next: ['whoever is switched on has all power again']
    })
  }
  await Promise.all(
    given.positionals('HOST').map(async host => {
      await askKeeper(folder, { verb: 'power', host, to, ...(withBmc && { withBmc }) })
      invocation.note(`${host} is ${to === 'cycle' ? 'on again' : to}\n`)
    })
  )
}

/** Gives a baseboard controller other manners. */
export async function labBmc(invocation: Invocation): Promise<void> {
  const host = invocation.given.positional('HOST')!
  const manner = invocation.given.positional('MANNER') as BmcManner
  await askKeeper(labFolderOf(invocation), { verb: 'bmc', host, manner })
  invocation.note(`the baseboard controller of ${host} is ${manner}\n`)
}

/** Cuts groups off from each other, or hosts from a service. */
export async function labPartition(invocation: Invocation): Promise<void> {
  const { given } = invocation
  const groups = readGroups(given.positionals('GROUP'))
  const oneWay = given.flag('one-way')
  const from = given.text('from') as Service | undefined
  if (from === undefined && groups.length < 2) {
    throw new UsageFault('cannot cut one group off from itself', {
      next: [`write for example remuda lab partition 'h1,h2 | h3'`]
    })
  }
  const cut: Cut = from === undefined ? { groups, oneWay } : { hosts: groups.flat(), from, oneWay }
  await askKeeper(labFolderOf(invocation), { verb: 'cut', cut })
  const what = groups.map(group => group.join(',')).join(from === undefined ? ' | ' : ',')
  invocation.note(`${what}${from === undefined ? '' : ` from ${from}`}: cut; remuda lab heal\n`)
}

/** Reads groups of hosts as people write them: `h1,h2 | h3`, or each as a word. */
export const readGroups = (words: readonly string[]): readonly (readonly string[])[] =>
  words
    .join(' ')
    .split(/[|\s]+/)
    .map(group => group.split(',').filter(Boolean))
    .filter(group => group.length > 0)

/** Takes all cuts back. */
export async function labHeal(invocation: Invocation): Promise<void> {
  await askKeeper(labFolderOf(invocation), { verb: 'heal' })
  invocation.note('all hosts reach each other\n')
}

/** Makes links slow and lossy. */
export async function labSlow(invocation: Invocation): Promise<void> {
  const { given } = invocation
  const host = given.positional('HOST')!
  const delayMs = given.number('delay') ?? 0
  const loss = readShare(given.text('loss') ?? '0')
  await askKeeper(labFolderOf(invocation), { verb: 'slow', host, delayMs, loss })
  invocation.note(`${host}: ${delayMs} ms later, ${(loss * 100).toFixed(1)} % lost, each way\n`)
}

function readShare(text: string): number {
  const match = /^(\d+(?:\.\d+)?)%?$/.exec(text)
  const share = match ? Number(match[1]) / 100 : Number.NaN
  if (share >= 0 && share <= 1) return share
  throw new UsageFault(`cannot read --loss "${text}"`, { next: ['write for example 5%'] })
}

/** Stops a host or a daemon where it stands, or lets it go on. */
export const labPause =
  (verb: 'pause' | 'resume'): Run =>
  async invocation => {
    const { given } = invocation
    const host = given.positional('HOST')!
    const daemon = given.text('daemon') as DaemonName | undefined
    await askKeeper(labFolderOf(invocation), { verb, host, ...(daemon && { daemon }) })
    const what = daemon === undefined ? host : `${daemon} of ${host}`
    invocation.note(`${what} ${verb === 'pause' ? 'stands still' : 'goes on'}\n`)
  }

/** Ends a daemon, or starts one that was ended. */
export const labDaemon =
  (verb: 'stop' | 'start'): Run =>
  async invocation => {
    const { given } = invocation
    const host = given.positional('HOST')!
    const daemon = given.positional('DAEMON') as DaemonName
    await askKeeper(labFolderOf(invocation), { verb, host, daemon })
    invocation.note(`${daemon} of ${host} ${verb === 'stop' ? 'has ended' : 'is started'}\n`)
  }

/** Moves a wall clock. */
export async function labClock(invocation: Invocation): Promise<void> {
  const { given } = invocation
  const host = given.positional('HOST')!
  const [, sign, amount = ''] = /^([+-]?)(.*)$/.exec(given.positional('BY')!) ?? []
  const byMs = parseMs(amount) * (sign === '-' ? -1 : 1)
  await askKeeper(labFolderOf(invocation), { verb: 'clock', host, byMs })
  invocation.note(`the clock of ${host} has moved by ${byMs / 1000} s\n`)
}
