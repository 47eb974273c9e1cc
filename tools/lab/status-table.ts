/** A lab as a table for people. */
import { type Cell, renderTable } from '../cli/output/table.ts'
import type { Colour, Paint } from '../cli/terminal.ts'
import type { Seen } from './look.ts'
import type { Cut, DaemonStatus, HostStatus } from './protocol.ts'

const columns = ['HOST', 'ADDRESS', 'POWER', 'DAEMONS', 'CANDIDATE', 'CLOUD', 'INSTANCES', 'LINKS']

/** Writes what was seen of a lab. */
export function describeStatus(
  seen: Seen,
  options: { readonly width?: number | undefined; readonly paint: Paint }
): string {
  const { hosts } = seen.status
  const hasBmcs = hosts.some(({ bmc }) => bmc)
  const rows = hosts.map(host => [...rowOf(host, seen), ...(hasBmcs ? [bmcCell(host)] : [])])
  const titles = [...columns, ...(hasBmcs ? ['BMC'] : [])]
  const table = renderTable(
    titles.map(title => ({ title, right: title === 'INSTANCES' })),
    rows,
    options
  )
  const cuts = seen.status.cuts.map(cut => `cut: ${writeCut(cut)}\n`).join('')
  const cloud =
    seen.cloudFault === undefined ? '' : `the cloud does not answer: ${seen.cloudFault}\n`
  const machines = (seen.status.machines ?? []).map(({ name, firmware, power, isPaused }) => {
    const state = isPaused ? 'paused' : power
    return `machine ${name} (${firmware}): ${state}\n`
  })
  return `${table}${machines.join('')}${cuts}${election(seen)}${cloud}`
}

/** Between two controllers: who is there to become the next one. */
function election({ leader, candidates }: Seen): string {
  if (leader !== undefined) return ''
  const each = Object.entries(candidates).map(
    ([name, { state, because }]) =>
      `  ${name} ${state === 'silent' ? '' : `${state}: `}${because}\n`
  )
  return `no controller leads at the moment; the candidates are\n${each.join('')}`
}

function rowOf(host: HostStatus, { candidates, phases, instances }: Seen): readonly Cell[] {
  const phase = phases[host.name] ?? '-'
  const stands = candidates[host.name]?.state
  const power = host.isPaused ? 'paused' : host.power
  const colours: Readonly<Record<string, Colour>> = { on: 'green', off: 'red', paused: 'yellow' }
  return [
    { text: host.name },
    { text: host.address },
    { text: power, colour: colours[power]! },
    { text: host.daemons.map(writeDaemon).join(' ') },
    { text: stands ?? '', ...(stands === 'leads' && { colour: 'green' as const }) },
    { text: phase, ...(phase === 'online' && { colour: 'green' as const }) },
    { text: String(instances[host.name] ?? 0) },
    { text: host.slow ? `+${host.slow.delayMs} ms, ${host.slow.loss * 100} % lost` : '' }
  ]
}

function bmcCell({ bmc }: HostStatus): Cell {
  if (bmc === undefined) return { text: '' }
  const text = bmc.power === 'off' ? 'no power' : bmc.manner
  return { text, ...(text !== 'ok' && { colour: 'yellow' as const }) }
}

/** One that runs well is its name alone. */
function writeDaemon({ name, state, starts, lastCode }: DaemonStatus): string {
  const ends = starts > 1 ? `×${starts}` : ''
  if (state === 'running') return `${name}${ends}`
  return `${name}${ends}(${state}${lastCode === undefined ? '' : ` ${lastCode}`})`
}

function writeCut(cut: Cut): string {
  const how = cut.oneWay ? ', one way' : ''
  if ('from' in cut) return `${cut.hosts.join(',')} from ${cut.from}${how}`
  return `${cut.groups.map(group => group.join(',')).join(' | ')}${how}`
}
