/** How far machines have come that boot: of all, or of one with its time line. */
import { Fault } from '#shared/fault.ts'
import { formatMs } from '#shared/units.ts'
import type { BootState } from '#shared/wire/boot.ts'
import { readJson } from '../api/resources.ts'
import type { Invocation } from '../invocation.ts'
import { renderRaw, renderRows } from '../output/results.ts'
import { oneLine } from '../terminal.ts'
import { showLive } from './live.ts'

type Seen = BootState & { readonly bootd: string }

/** Shows how far each machine has come; with --watch again whenever one has come further. */
export async function showBootLog(invocation: Invocation): Promise<void> {
  const wanted = invocation.given.positional('HOST')
  const look = async (signal: AbortSignal): Promise<string> => {
    const doing = 'list the boots of machines'
    const api = await invocation.connect()
    const answer = await api.ask({ method: 'GET', path: '/v1/boots', doing, signal })
    const { items } = readJson(answer, doing) as { readonly items: readonly Seen[] }
    const found = wanted === undefined ? items : items.filter(one => isCalled(one, wanted))
    if (wanted !== undefined && found.length === 0) {
      if (invocation.given.flag('watch')) return `no boot of ${oneLine(wanted)} was seen yet\n`
      throw new Fault('not-found', `no boot of "${wanted}" was seen`, {
        reasons: [`${items.length} machines have booted here since bootd has started`],
        next: ['remuda host boot-log', 'remuda boot show']
      })
    }
    const raw = await renderRaw(invocation, { kind: 'list', items: found })
    if (raw !== undefined) return raw
    return wanted === undefined ? tableOf(invocation, found) : found.map(describe).join('\n')
  }
  await showLive(invocation, { query: { kinds: 'boot' }, look })
}

const isCalled = ({ name, uuid, serial, macs }: Seen, wanted: string): boolean =>
  [name, uuid, serial, ...macs].includes(wanted)

/** How a machine is called: as operators know it best. */
export const nameOfBoot = ({ name, serial, macs, uuid }: BootState): string =>
  name ?? serial ?? macs[0] ?? uuid ?? '?'

/** The latest boot first. */
function tableOf(invocation: Invocation, boots: readonly Seen[]): string {
  if (boots.length === 0) return 'no machine has booted over the network yet\n'
  const sorted = boots.toSorted((a, b) => (begunAt(a) > begunAt(b) ? -1 : 1))
  const rows = sorted.map(boot => [
    nameOfBoot(boot),
    boot.address ?? '-',
    boot.firmware ?? '-',
    boot.version === undefined ? boot.profile : boot.version + (boot.isFallback ? ' (before)' : ''),
    boot.percent === undefined ? boot.stage : `${boot.stage} ${boot.percent} %`,
    sinceBegin(boot, boot.stages.length - 1),
    oneLine(boot.because ?? (boot.failures > 0 ? `${boot.failures} failed before` : '-'))
  ])
  const heads = ['MACHINE', 'ADDRESS', 'FIRMWARE', 'IMAGE', 'STAGE', 'AFTER', 'WHY']
  return renderRows(invocation, heads, rows)
}

const begunAt = ({ stages }: BootState): string => stages[0]?.at ?? ''

const sinceBegin = (boot: BootState, index: number): string => {
  const at = boot.stages[index]?.at
  return at === undefined ? '-' : formatMs(Math.max(0, Date.parse(at) - Date.parse(begunAt(boot))))
}

function describe(boot: Seen): string {
  const { stage, percent, because, version, isFallback, stages, failures } = boot
  const image = version === undefined ? boot.profile : `image ${version}`
  const far = percent === undefined ? stage : `${stage} ${percent} %`
  return [
    `${nameOfBoot(boot)}: ${far}${because === undefined ? '' : `: ${oneLine(because)}`}\n`,
    `  ${image}${isFallback ? ', the one before' : ''}, by the bootd of ${boot.bootd}\n`,
    ...(failures > 0 ? [`  ${failures} boots in a row have failed\n`] : []),
    ...stages.map(
      (one, index) => `  ${one.at}  ${sinceBegin(boot, index).padStart(8)}  ${one.stage}\n`
    )
  ].join('')
}
