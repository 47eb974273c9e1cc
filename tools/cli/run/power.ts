/** The power of hosts, switched through their fence devices and read back. */
import { setTimeout as sleep } from 'node:timers/promises'
import { Fault } from '#shared/fault.ts'
import type { ResourceDocument } from '#shared/model/index.ts'
import { listResources, readResource, sayVerb } from '../api/resources.ts'
import type { Invocation } from '../invocation.ts'
import type { Reference } from '../kinds.ts'
import { renderRaw, renderRows } from '../output/results.ts'
import { oneLine } from '../terminal.ts'
import { confirmName } from './ask.ts'
import { readFence } from './fence.ts'
import { historyOf } from './history.ts'
import { referenceTo } from './outcome.ts'

/** How often it is looked whether it is done. Unit: ms. */
const lookMs = 300
/** How long it is waited for where nobody says. Unit: ms. */
const waitMsUnsaid = 300_000

/** Shows what the devices of hosts read. */
export async function showPower(invocation: Invocation): Promise<void> {
  const { given, signal } = invocation
  const api = await invocation.connect()
  const wanted = given.positional('HOST')
  const all =
    wanted === undefined
      ? (await listResources(api, 'host', { sort: 'name' }, signal)).items
      : [await readResource(api, referenceTo(invocation, 'host', wanted), signal)]
  const said = await Promise.all(
    all.map(async ({ name, status }) => {
      const fence = await readFence(invocation, referenceTo(invocation, 'host', name), signal)
      const devices = fence.devices.map(({ name: device, power, reachable, because }) => ({
        ...{ device, power: reachable === false ? 'unknown' : power },
        ...(because !== undefined && { because })
      }))
      return { host: name, phase: String(status['phase']), devices, state: fence.state }
    })
  )
  const raw = await renderRaw(invocation, { kind: 'list', items: said })
  if (raw !== undefined) return invocation.write(raw)
  const rows = said.flatMap(({ host, phase, devices }) =>
    devices.length === 0
      ? [[host, phase, 'unknown', 'no device: remuda host fence set', '-']]
      : devices.map(({ device, power, because }) => [
          host,
          phase,
          power,
          oneLine(device),
          oneLine(because ?? '-')
        ])
  )
  invocation.write(renderRows(invocation, ['HOST', 'PHASE', 'POWER', 'DEVICE', 'WHY'], rows))
}

/** Switches the power of a host, and waits until its devices read what was wanted. */
export async function switchPower(invocation: Invocation): Promise<number> {
  const { given, signal, command } = invocation
  const want = command.verb
  const reference = referenceTo(invocation, 'host', given.positional('NAME')!)
  const force = want !== 'on' && given.flag('force')
  const api = await invocation.connect()
  const asked = { body: { want, force }, signal }
  if (want !== 'on') {
    // What would be refused is refused before anybody is asked.
    await sayVerb(api, reference, 'power', { ...asked, dryRun: true })
    if (given.flag('dry-run')) {
      invocation.write(`host/${reference.name} may be switched (nothing was done)\n`)
      return 0
    }
    const loses = force ? ' What runs on it loses its power, and starts elsewhere.' : ''
    const question = `Cut the power of ${reference.name}?${loses}`
    await confirmName(invocation, { question, name: reference.name })
  }
  const begun = new Date().toISOString()
  await sayVerb(api, reference, 'power', asked)
  if (given.flag('no-wait')) {
    invocation.write(`host/${reference.name} is switched: remuda power status ${reference.name}\n`)
    return 0
  }
  await untilSwitched(invocation, reference)
  const last = (await historyOf(api, reference)).findLast(
    ({ verb, at }) => verb.startsWith('power') && verb !== 'power' && at >= begun.slice(0, 19)
  )
  // One that was fenced is switched on by what follows its fence, which is told there.
  if (want === 'on' && last === undefined) {
    const next = `remuda power status ${reference.name}`
    invocation.write(`host/${reference.name} is switched on after its fence: ${next}\n`)
    return 0
  }
  const isDone = last?.verb.startsWith('powered') ?? false
  invocation.write(`host/${reference.name}: ${oneLine(last?.because ?? 'nothing is told')}\n`)
  return isDone ? 0 : 1
}

async function untilSwitched(invocation: Invocation, reference: Reference): Promise<void> {
  const { given, signal } = invocation
  const until = performance.now() + (given.number('timeout') ?? waitMsUnsaid)
  const api = await invocation.connect()
  const told = new Set<string>()
  for (;;) {
    const { status }: ResourceDocument = await readResource(api, reference, signal)
    const power = status['power'] as { readonly step: string; readonly since: string } | undefined
    if (!power) return
    const fence = await readFence(invocation, reference, signal)
    for (const sentence of fence.underway?.story ?? []) {
      if (!told.has(sentence)) invocation.note(`${oneLine(sentence)}\n`)
      told.add(sentence)
    }
    if (performance.now() > until) {
      throw new Fault('deadline', `cannot see host ${reference.name} switched in time`, {
        reasons: [`it is switched ${power.step} since ${power.since}, and goes on`],
        next: [`remuda host fence show ${reference.name} -w`]
      })
    }
    await sleep(lookMs, undefined, { signal })
  }
}
