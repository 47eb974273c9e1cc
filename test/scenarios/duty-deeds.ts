/** What happens in stories of hosts that are emptied and filled again. */
import { Fault } from '#shared/fault.ts'
import { documentOf } from '../../controller/core/documents.ts'
import type { WholeCloud } from '../world/whole-cloud.ts'

export type DutyDeed =
  | { readonly do: 'create-pool'; readonly name: string }
  | {
      readonly do: 'drain'
      readonly host: string
      readonly parallel?: number
      readonly cold?: boolean
    }
  | { readonly do: 'resume-host'; readonly host: string; readonly back?: boolean }
  | { readonly do: 'confirm-off' | 'host-dies' | 'look-host' | 'move-fails'; readonly host: string }
  | { readonly do: 'slow-moves'; readonly ms: number }
  | { readonly do: 'where' }

/** Steps of an agent that dies go on for so long. Unit: ms. */
const endMs = 8_500

const words = [
  'create-pool',
  'drain',
  'resume-host',
  'confirm-off',
  'host-dies',
  'look-host',
  'move-fails',
  'slow-moves',
  'where'
]

/** Tells such a deed from all others. */
export const isDutyDeed = (deed: { readonly do: string }): deed is DutyDeed =>
  words.includes(deed.do)

/** Does it, and gives what is to be seen of it. */
export async function actOnDuty(cloud: WholeCloud, deed: DutyDeed): Promise<readonly string[]> {
  switch (deed.do) {
    case 'create-pool': {
      const spec = cloud.specOf('pool', { path: `/${deed.name}`, shared: true })
      await cloud.wish({ verb: 'create', kind: 'pool', name: deed.name, spec })
      return []
    }
    case 'drain': {
      const { parallel = 2, cold = false } = deed
      await cloud.wish({ verb: 'drain', id: idOf(cloud, deed.host), parallel, cold })
      return []
    }
    case 'resume-host': {
      const { back = false } = deed
      await cloud.wish({ verb: 'resume-host', id: idOf(cloud, deed.host), back })
      return []
    }
    case 'confirm-off':
      await cloud.wish({ verb: 'confirm-off', id: idOf(cloud, deed.host) })
      return []
    case 'host-dies': {
      cloud.host(deed.host).hypervisor.powerCut()
      const over = cloud.host(deed.host).powerCut()
      await cloud.clock.pass(endMs)
      await over
      return []
    }
    case 'look-host':
      return lookHost(cloud, deed.host)
    case 'move-fails': {
      const fault = new Fault('hypervisor', 'cannot send it: the line broke')
      cloud.host(deed.host).hypervisor.failNext('migrate', fault)
      return []
    }
    case 'slow-moves':
      cloud.pace = () => cloud.clock.sleep(deed.ms)
      return []
    case 'where':
      return [...cloud.hosts.values()].map(host => where(host.name, host.hypervisor.all))
    default:
      deed satisfies never
      return []
  }
}

function idOf(cloud: WholeCloud, name: string): string {
  const host = cloud.reign.view.named('host', name)
  if (!host) throw new Error(`there is no host ${name}`)
  return host.id
}

function lookHost(cloud: WholeCloud, name: string): readonly string[] {
  const { view } = cloud.reign
  const host = view.named('host', name)!
  const { status } = documentOf(view, host, cloud.reign.now())
  const duty = status['duty'] as
    | { readonly total: number; readonly done: number; readonly instances: readonly object[] }
    | undefined
  const said = (duty?.instances ?? []) as readonly Readonly<Record<string, string>>[]
  return [
    `${name} is ${String(status['phase'])}${duty ? `, ${duty.done} of ${duty.total}` : ''}`,
    ...said.map(one => `${one['name']} ${one['state']}: ${one['because']}`)
  ]
}

function where(
  name: string,
  domains: readonly { readonly name: string; readonly state: string }[]
): string {
  const found = domains.map(domain => `${domain.name.replace('default.', '')} ${domain.state}`)
  return `${name}: ${found.length === 0 ? 'nothing' : found.sort().join(', ')}`
}
