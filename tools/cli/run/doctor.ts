/**
 * Finds the first broken link. The checks go along the chain on which everything hangs, from the
 * configuration to the images, so that the first that fails is the one to mend: what comes after
 * it may only be its consequence. Nothing is changed, and nothing needs to run.
 */
import fs from 'node:fs'
import { machineQemu } from '../../qemu/version.ts'
import type { Invocation } from '../invocation.ts'
import { renderRaw } from '../output/results.ts'
import { colourOf } from '../output/values.ts'
import { oneLine } from '../terminal.ts'
import { type Cloud, checkAgent, checkCloud, checkControllers, checkHere } from './doctor-cloud.ts'
import { checkEnsemble, checkEnsembleOf } from './doctor-ensemble.ts'
import { checkHealing } from './doctor-healing.ts'
import {
  checkClock,
  checkConfiguration,
  checkDisk,
  checkKvm,
  checkLibvirt,
  checkPrograms,
  checkSocket,
  ensembleOf
} from './doctor-machine.ts'

/** What one look found. A check that hangs on a broken one is skipped. */
export type Check = {
  readonly name: string
  readonly state: 'ok' | 'warn' | 'fail' | 'skip'
  readonly found: string
  /** What to do about it. */
  readonly fix?: string
}

/** Makes all checks, writes them, and gives 1 if one failed. */
export async function examine(invocation: Invocation): Promise<number> {
  const checks = await makeChecks(invocation)
  const first = checks.find(check => check.state === 'fail')
  const raw = await renderRaw(invocation, {
    healthy: first === undefined,
    ...(first ? { firstBroken: first.name } : {}),
    checks
  })
  invocation.write(raw ?? describe(invocation, checks, first))
  return first === undefined ? 0 : 1
}

async function makeChecks(invocation: Invocation): Promise<readonly Check[]> {
  const { settings, terminal } = invocation
  const { state, servers } = settings
  const isElsewhere = servers.length > 0
  // Who asks about a controller elsewhere wants to hear about this machine only if it takes part.
  const isHere = !isElsewhere || fs.existsSync(state)
  const cloud: Cloud = {}
  const checks: Check[] = []
  const add = (...more: readonly Check[]) => checks.push(...more)
  if (isHere) add(await checkConfiguration(state, terminal.environment))
  if (!isElsewhere) add(await checkSocket(state))
  add(...(await checkControllers(invocation, cloud)))
  const ensemble = isHere ? await ensembleOf(state, terminal.environment) : { servers: [] }
  const isNamed = ensemble.servers.length > 0
  add(...(isNamed ? await checkEnsemble(ensemble) : await checkEnsembleOf(cloud.api)))
  if (isHere) {
    add(await checkDisk(state))
    const agent = await checkAgent(invocation, cloud)
    add(agent, await checkHere(invocation, cloud))
    const searchPath = terminal.environment['PATH'] ?? ''
    const machine = [
      checkPrograms(searchPath),
      await checkLibvirt(),
      checkKvm(cloud.kvm, await qemuHere())
    ]
    // A machine that was never a host need not be able to be one.
    add(...(agent.state === 'warn' ? machine.map(softened) : machine))
  }
  add(...(await checkCloud(invocation, cloud)))
  add(...(await checkHealing(invocation, cloud)))
  add(checkClock({ theirs: cloud.clock, now: Date.now(), root: '/' }))
  return checks
}

/** Undefined: there is none, or it does not run. */
const qemuHere = async (): Promise<string | undefined> => await machineQemu().catch(() => undefined)

const softened = (check: Check): Check =>
  check.state === 'fail' ? { ...check, state: 'warn' } : check

function describe(
  { paint }: Invocation,
  checks: readonly Check[],
  first: Check | undefined
): string {
  const width = Math.max(...checks.map(check => check.name.length)) + 2
  const lines = checks.flatMap(({ name, state, found, fix }) => {
    const colour = state === 'skip' ? 'dim' : colourOf(state)
    const mark = state.padEnd(6)
    return [
      `${colour === undefined ? mark : paint(colour, mark)}${name.padEnd(width)}${oneLine(found)}`,
      ...(fix === undefined
        ? []
        : [`${' '.repeat(6 + width)}${paint('cyan', `→ ${oneLine(fix)}`)}`])
    ]
  })
  const warnings = checks.filter(check => check.state === 'warn').length
  const fix = first?.fix === undefined ? '' : `: ${oneLine(first.fix)}`
  const end =
    first === undefined
      ? `nothing is broken${warnings === 0 ? '' : `; ${warnings} warnings`}`
      : `the first broken link is ${first.name}${fix}`
  return `${[...lines, '', end].join('\n')}\n`
}
